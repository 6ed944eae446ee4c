"""`python -m tests.bench.comparing audit` (or `rules`): what a part of the server costs who reads and writes.

Two servers on one database, one with the part (the audit log, the rules of the hospital's work) and one
without, answer the same requests in turns, each with a token of the authorization server. The load is one
connection (what a client waits) and 16 of them (what a process can take). The figures are the medians of the
rounds, the ratios those within each round.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from fhir_server.identifiers import new_id
from fhir_server.secrets_at_rest import new_key
from fhir_server.settings import Settings
from fhir_server.smart.oauth.secrets import hashed
from fhir_server.store import open_store
from fhir_server.store.embedded import running_mongo
from fhir_server.store.oauth import AccessToken, Grant, LaunchContext
from tests.bench.servers import Running, free_port, started
from tests.bench.traffic import Result, repeat

_PATIENTS = 200
_OBSERVATIONS = 20
_ROUNDS = 7
_SECONDS = 2.0
_TOKEN = "b" * 43
_WITHOUT = {"FHIR_AUDIT": "off", "FHIR_WORKFLOWS_OFF": "all"}
_PARTS = {
    "audit": ({**_WITHOUT, "FHIR_AUDIT": "on"}, _WITHOUT),
    "rules": ({"FHIR_AUDIT": "off"}, _WITHOUT),
}


@dataclass(frozen=True, slots=True)
class Work:
    """Requests of one kind, and over how many connections they are sent."""

    name: str
    requests: Sequence[bytes]
    connections: int


@contextmanager
def _server(mongo_url: str, key: str, part: dict[str, str]) -> Iterator[Running]:
    port = free_port()
    command = [sys.executable, "-m", "fhir_server", "serve", "--port", str(port)]
    environment = {
        "FHIR_MONGO_URL": mongo_url,
        "FHIR_AUTH": "on",
        "FHIR_ENCRYPTION_KEY": key,
        "FHIR_REQUESTS_PER_SECOND": "0",
        **part,
    }
    with started(command, port, "/health/ready", **environment) as running:
        yield running


async def _make_token(mongo_url: str) -> None:
    store = open_store(Settings(mongo_url=mongo_url), mongo_url)
    now = datetime.now(UTC)
    expires = now + timedelta(hours=2)
    scopes = ("system/*.cruds",)
    grant = Grant("bench", "bench", None, None, scopes, LaunchContext(), now, expires)
    token = AccessToken(
        hashed(_TOKEN), new_id(), "bench", "bench", None, None, scopes, None, None, now, expires
    )
    await store.oauth.grants.add(grant)
    await store.oauth.grants.issue(token, None, expires)
    await store.close()


def _request(method: str, path: str, body: bytes = b"") -> bytes:
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/fhir+json\r\n"
        f"Authorization: Bearer {_TOKEN}\r\nContent-Type: application/fhir+json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _post(resource: dict[str, object]) -> bytes:
    return _request("POST", f"/fhir/{resource['resourceType']}", json.dumps(resource).encode())


def _hospital() -> dict[str, object]:
    """Return a batch with patients, and observations of each."""
    entries: list[dict[str, object]] = []
    for number in range(_PATIENTS):
        patient = {"resourceType": "Patient", "id": f"p{number}", "name": [{"family": f"Family{number}"}]}
        patient["birthDate"] = "1980-01-01"
        entries.append({"resource": patient, "request": {"method": "PUT", "url": f"Patient/p{number}"}})
        for value in range(_OBSERVATIONS):
            observation = _observation(number, value)
            entries.append({"resource": observation, "request": {"method": "POST", "url": "Observation"}})
    return {"resourceType": "Bundle", "type": "batch", "entry": entries}


def _transaction(number: int) -> bytes:
    create = {"method": "POST", "url": "Observation"}
    entries = [{"resource": _observation(number, value), "request": create} for value in range(100)]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    return _request("POST", "/fhir", json.dumps(bundle).encode())


def _observation(patient: int, value: int) -> dict[str, object]:
    coding = {"system": "http://loinc.org", "code": "8867-4"}
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [coding]},
        "subject": {"reference": f"Patient/p{patient}"},
        "effectiveDateTime": "2026-11-27T10:00:00Z",
        "valueQuantity": {
            "value": value,
            "unit": "/min",
            "system": "http://unitsofmeasure.org",
            "code": "/min",
        },
    }


def _work() -> Iterator[Work]:
    numbers = range(_PATIENTS)
    reads = [_request("GET", f"/fhir/Patient/p{number}") for number in numbers]
    of_one = [_request("GET", f"/fhir/Observation?patient=p{number}&_count=20") for number in numbers]
    of_many = [_request("GET", f"/fhir/Patient?_count=20&_id={_ids(number)}") for number in numbers]
    for connections in (1, 16):
        yield Work(f"read by id, {connections} at a time", reads, connections)
    yield Work("search for 20 observations of a patient, 1 at a time", of_one, 1)
    yield Work("search for 20 patients, 1 at a time", of_many, 1)
    creates = [_post(_observation(number, 1)) for number in numbers]
    yield Work("create, 1 at a time", creates, 1)
    yield Work("create, 16 at a time", creates, 16)
    bundles = [_transaction(number) for number in numbers]
    yield Work("transaction of 100 creates, 1 at a time", bundles, 1)


def _ids(first: int) -> str:
    return ",".join(f"p{(first + step) % _PATIENTS}" for step in range(20))


def _measure(work: Work, port: int) -> Result:
    return asyncio.run(repeat(port, work.requests, work.connections, _SECONDS, status=(200, 201)))


def _row(work: Work, whole: Running, plain: Running) -> str:
    rates: list[tuple[float, float]] = []
    medians: list[tuple[float, float]] = []
    for number in range(_ROUNDS):
        order = (whole, plain) if number % 2 else (plain, whole)
        found = {server.port: _measure(work, server.port) for server in order}
        with_it, without = found[whole.port], found[plain.port]
        rates.append((with_it.rate, without.rate))
        medians.append((with_it.percentile(0.5), without.percentile(0.5)))
    share = statistics.median(a / b for a, b in rates)
    wait = statistics.median(a / b for a, b in medians)
    figures = [
        statistics.median(values) for values in (*zip(*medians, strict=True), *zip(*rates, strict=True))
    ]
    p50, p50_without, rate, rate_without = figures
    return (
        f"| {work.name} | {p50:.2f} ms | {p50_without:.2f} ms | {wait:.2f} "
        f"| {rate:.0f}/s | {rate_without:.0f}/s | {share:.2f} |"
    )


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=_PARTS)
    on, off = _PARTS[parser.parse_args().part]
    key = new_key()
    with tempfile.TemporaryDirectory() as folder, running_mongo(Settings(data_dir=Path(folder))) as mongo:
        asyncio.run(_make_token(mongo.url))
        with _server(mongo.url, key, on) as whole, _server(mongo.url, key, off) as plain:
            headers = {"authorization": f"Bearer {_TOKEN}"}
            loaded = httpx.post(
                f"http://127.0.0.1:{plain.port}/fhir", json=_hospital(), headers=headers, timeout=120
            )
            loaded.raise_for_status()
            print("| work | p50 | p50 without | ratio | rate | rate without | ratio |")  # noqa: T201
            print("|---|---|---|---|---|---|---|")  # noqa: T201
            for work in _work():
                print(_row(work, whole, plain), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
