"""A FHIR server of a few lines, in memory, that can be told to be busy, to break off or to refuse."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from fhir_server.loader.loading import Report, Waves, load_into
from fhir_server.loader.sending import Patience
from fhir_server.loader.submission import Failure

Fault = httpx.Response | httpx.RequestError


def outcome(diagnostics: str, *expression: str) -> dict[str, Any]:
    """Return an OperationOutcome with one error."""
    issue = {"severity": "error", "code": "invalid", "diagnostics": diagnostics}
    return {
        "resourceType": "OperationOutcome",
        "issue": [issue | ({"expression": expression} if expression else {})],
    }


@dataclass
class FakeServer:
    """Keeps what it is sent; `faults` are answered first; `refuse` may give a reason against a resource."""

    faults: list[Fault] = field(default_factory=list)
    refuse: Callable[[dict[str, Any]], str | None] = lambda resource: None
    refuse_whole: Callable[[dict[str, Any]], int] = lambda bundle: 200
    busy_entries: int = 0
    requests: list[httpx.Request] = field(default_factory=list)
    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    in_flight: int = 0
    most_in_flight: int = 0

    async def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer `request` after a moment, so that requests overlap if they can."""
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        await asyncio.sleep(0.001)
        self.in_flight -= 1
        return self.answer(request)

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer `request` as a FHIR server would."""
        if request.url.path.endswith("/metadata"):
            return httpx.Response(200, json={"resourceType": "CapabilityStatement"})
        if "/.well-known/" in request.url.path:
            return httpx.Response(404)
        self.requests.append(request)
        if self.faults:
            fault = self.faults.pop(0)
            if isinstance(fault, httpx.RequestError):
                raise fault
            return fault
        content = json.loads(request.content)
        path = request.url.path.removeprefix("/fhir").strip("/")
        if path:
            entry = self._save(request.method, path, content)
            return httpx.Response(int(entry["response"]["status"][:3]), json=entry["response"].get("outcome"))
        status = self.refuse_whole(content)
        if status != 200:
            return httpx.Response(status, json=outcome("no such bundle"))
        entries = [self._entry(entry) for entry in content.get("entry", [])]
        return httpx.Response(
            200, json={"resourceType": "Bundle", "type": "batch-response", "entry": entries}
        )

    def _entry(self, entry: dict[str, Any]) -> dict[str, Any]:
        if self.busy_entries:
            self.busy_entries -= 1
            return {"response": {"status": "503 Service Unavailable"}}
        return self._save(entry["request"]["method"], entry["request"]["url"], entry["resource"])

    def _save(self, method: str, path: str, resource: dict[str, Any]) -> dict[str, Any]:
        reason = self.refuse(resource)
        if reason:
            return {"response": {"status": "422", "outcome": outcome(reason, "Patient.birthDate")}}
        key = path if method == "PUT" else f"{path}/{len(self.resources)}"
        status = "200 OK" if key in self.resources else "201 Created"
        self.resources[key] = resource
        return {"response": {"status": status}}


@dataclass
class Watch:
    """A progress display that only remembers the failures."""

    failures: list[Failure] = field(default_factory=list)

    def failed(self, failure: Failure) -> None:
        """Remember `failure`."""
        self.failures.append(failure)

    def advanced(self, report: Report) -> None:
        """Nothing to show."""


@dataclass
class Loaded:
    """What came of loading: the report, the failures, and how long the loader waited each time (seconds)."""

    report: Report
    failures: list[Failure]
    waits: list[float]


Load = Callable[..., Loaded]


@pytest.fixture
def server() -> FakeServer:
    """A server that has nothing yet and takes everything."""
    return FakeServer()


@pytest.fixture
def load_waves(server: FakeServer) -> Load:
    """Load waves into the server without really waiting, and tell what came of it."""

    def run(waves: Waves, concurrency: int = 4) -> Loaded:
        waits: list[float] = []

        async def sleep(seconds: float) -> None:
            waits.append(seconds)

        report, watch = Report(), Watch()
        asyncio.run(
            load_into(
                "http://fhir.example/fhir/",
                waves,
                report,
                watch,
                concurrency=concurrency,
                patience=Patience(attempts=4, sleep=sleep),
                transport=httpx.MockTransport(server.handle),
            )
        )
        return Loaded(report, watch.failures, waits)

    return run


@pytest.fixture
def url(server: FakeServer) -> Iterator[str]:
    """The address of the server, reachable over HTTP while the test runs."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = dict(self.headers.items())
            answer = server.answer(
                httpx.Request(self.command, f"http://x{self.path}", headers=headers, content=content)
            )
            self.send_response(answer.status_code)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_POST = do_PUT = _answer  # noqa: N815  (the names that http.server calls)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}/fhir"
        listening.shutdown()
        thread.join()
