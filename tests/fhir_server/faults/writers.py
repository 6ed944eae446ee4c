"""Clients that write as hard as they can, each on its connection: single resources and transactions."""

import http.client
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from resources.json_format import dumps, parse
from tests.fhir_server.faults.ledger import (
    SYSTEM,
    HistoryEntry,
    Ledger,
    Resource,
    Stored,
    observation,
    patient,
)

# Resources that all writers fight for, and conditional creates that all of them ask for.
_SHARED = 3
_PAUSE_SECONDS = 0.02
_ANSWER_SECONDS = 120.0

Json = dict[str, Any]


class Unanswered(Exception):
    """The connection broke before there was an answer; what became of the request is unknown."""


class Client:
    """One connection to a server, made again when it broke."""

    def __init__(self, port: int) -> None:
        """Talk to the server on `port` of this machine."""
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_SECONDS)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def ask(self, method: str, path: str, body: Json | None = None) -> tuple[int, dict[str, str], Any]:
        """Return status, headers and JSON of the answer. Raises Unanswered."""
        content = None if body is None else dumps(body)
        try:
            self._connection.request(
                method, f"/fhir{path}", content, {"content-type": "application/fhir+json"}
            )
            answer = self._connection.getresponse()
            data = answer.read()
        except (OSError, http.client.HTTPException) as failure:
            self._connection.close()
            raise Unanswered from failure
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, headers, parse(data) if data else None


class Writer:
    """Writes until told to stop, and keeps the ledger."""

    def __init__(self, name: str, port: int, ledger: Ledger, stop: threading.Event) -> None:
        """Write to the server on `port`; `name` is unique, and the seed of what is written."""
        self._name = name
        self._client = Client(port)
        self._random = random.Random(name)
        self._ledger = ledger
        self._stop_asked = stop
        self._own: list[str] = []
        self._count = 0

    def run(self) -> None:
        """Carry out one write after the other."""
        works: list[Callable[[str], None]] = [
            *[self._create] * 3,
            *[self._update] * 3,
            *[self._update_shared] * 2,
            *[self._transaction] * 4,
            self._delete,
        ]
        while not self._stop_asked.is_set():
            self._count += 1
            try:
                self._random.choice(works)(f"{self._name}-{self._count}")
            except Unanswered:
                time.sleep(_PAUSE_SECONDS)
            except Exception as failure:  # whatever it is, the test must know of it
                self._ledger.is_unexpected(f"{type(failure).__name__} in a writer: {failure}")
                raise
        self._client.close()

    def _write(
        self, token: str, method: str, path: str, body: Json | None
    ) -> tuple[dict[str, str], Any] | None:
        """Return headers and JSON if the write was acknowledged."""
        status, headers, answer = self._client.ask(method, path, body)
        if status in (200, 201, 204):
            return headers, answer
        if status == http.client.SERVICE_UNAVAILABLE:
            self._ledger.was_unavailable()
            if "retry-after" not in headers or answer["resourceType"] != "OperationOutcome":
                self._ledger.is_unexpected(f"a 503 without Retry-After or OperationOutcome: {answer}")
            time.sleep(_PAUSE_SECONDS)
        elif status in (http.client.CONFLICT, http.client.PRECONDITION_FAILED):
            self._ledger.was_refused(token)
        else:
            self._ledger.is_unexpected(f"{method} of {token} was answered {status} {answer}")
        return None

    def _create(self, token: str) -> None:
        self._ledger.tried(token, 1)
        told = self._write(token, "POST", "/Patient", patient(token))
        if told is not None:
            stored = _of_location(told[0]["location"])
            self._own.append(stored.address)
            self._ledger.told(token, [stored])

    def _update(self, token: str) -> None:
        if not self._own or self._random.random() < 0.2:
            self._own.append(f"Patient/{token}")  # an update that creates
        self._put(token, self._random.choice(self._own))

    def _update_shared(self, token: str) -> None:
        self._put(token, f"Patient/shared-{self._random.randrange(_SHARED)}")

    def _put(self, token: str, address: str) -> None:
        self._ledger.tried(token, 1)
        told = self._write(token, "PUT", f"/{address}", patient(token, address.partition("/")[2]))
        if told is not None:
            self._ledger.told(token, [Stored(address, _number(told[0]["etag"]))])

    def _delete(self, token: str) -> None:
        if not self._own:
            return
        address = self._random.choice(self._own)
        self._ledger.tried(token, 0, deletion=address)
        told = self._write(token, "DELETE", f"/{address}", None)
        if told is not None:
            # Without an ETag there was nothing to delete.
            deleted = [Stored(address, _number(told[0]["etag"]))] if "etag" in told[0] else []
            self._ledger.told(token, [], deleted)

    def _transaction(self, token: str) -> None:
        bundle = self._bundle(token)
        size = sum(_token(entry) == token for entry in bundle["entry"])
        gone = [
            entry["request"]["url"] for entry in bundle["entry"] if entry["request"]["method"] == "DELETE"
        ]
        self._ledger.tried(token, size, deletion=gone[0] if gone else None)
        told = self._write(token, "POST", "", bundle)
        if told is None:
            return
        stored: list[Stored] = []
        deleted: list[Stored] = []
        for entry, answer in zip(bundle["entry"], told[1]["entry"], strict=True):
            response = answer["response"]
            if _token(entry) == token:
                stored.append(_of_response(entry, response))
            elif entry["request"]["method"] == "DELETE" and "etag" in response:
                deleted.append(_of_response(entry, response))
        self._ledger.told(token, stored, deleted)

    def _bundle(self, token: str) -> Json:
        new, existing = (f"urn:uuid:{uuid.UUID(int=self._random.getrandbits(128))}" for _ in range(2))
        common = f"common-{self._random.randrange(_SHARED)}"
        self._ledger.shared.add(common)
        condition = {"ifNoneExist": f"identifier={SYSTEM}|{common}"}
        entries = [
            _entry("POST", "Patient", patient(token), new),
            _entry("POST", "Patient", patient(common), existing, **condition),
            *(
                _entry("POST", "Observation", observation(token, new, existing))
                for _ in range(self._random.randint(1, 4))
            ),
            _entry("PUT", f"Patient/tx-{token}", patient(token, f"tx-{token}")),
        ]
        if self._random.random() < 0.5:
            shared = f"shared-{self._random.randrange(_SHARED)}"
            entries.append(_entry("PUT", f"Patient/{shared}", patient(token, shared)))
        if self._own and self._random.random() < 0.2:
            entries.append(_entry("DELETE", self._random.choice(self._own)))
        self._random.shuffle(entries)
        return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def _entry(
    method: str, url: str, resource: Resource | None = None, full_url: str | None = None, **request: str
) -> Json:
    entry: Json = {"request": {"method": method, "url": url, **request}}
    if resource is not None:
        entry["resource"] = resource
    if full_url is not None:
        entry["fullUrl"] = full_url
    return entry


def _token(entry: Json) -> str | None:
    resource = entry.get("resource")
    return resource["identifier"][0]["value"] if resource is not None else None


def _of_response(entry: Json, response: Json) -> Stored:
    if entry["request"]["method"] == "POST":
        return _of_location(response["location"])
    return Stored(entry["request"]["url"], _number(response["etag"]))


def _of_location(location: str) -> Stored:
    resource_type, resource_id, _, number = location.split("/")[-4:]
    return Stored(f"{resource_type}/{resource_id}", int(number))


def _number(entity_tag: str) -> int:
    return int(entity_tag.removeprefix('W/"').removesuffix('"'))


@contextmanager
def writing(port: int, ledger: Ledger, *, name: str, clients: int = 4) -> Iterator[None]:
    """Let `clients` writers, whose tokens begin with `name`, write while the block runs."""
    stop = threading.Event()
    names = [f"{name}-{number}" for number in range(clients)]
    writers = [
        threading.Thread(target=Writer(name, port, ledger, stop).run, name=name, daemon=True)
        for name in names
    ]
    for writer in writers:
        writer.start()
    try:
        yield
    finally:
        stop.set()
        for writer in writers:
            writer.join(2 * _ANSWER_SECONDS)
            assert not writer.is_alive(), "a writer is still waiting for an answer"


def whole_history(port: int) -> list[HistoryEntry]:
    """Return every version that the server has, but of what it made itself to tell of others."""
    found = []
    for entry in all_entries(port, "/_history?_count=500"):
        address = "/".join(entry["fullUrl"].split("/")[-2:])
        stored = Stored(address, _number(entry["response"]["etag"]))
        if not address.startswith("Provenance/"):
            found.append(HistoryEntry(stored, entry["request"]["method"], entry.get("resource")))
    return found


def all_entries(port: int, path: str) -> Iterator[Json]:
    """Yield the entries of a search or history, page by page."""
    client = Client(port)
    while path:
        status, _, bundle = client.ask("GET", path)
        assert status == http.client.OK, bundle
        yield from bundle.get("entry", [])
        following = [link["url"] for link in bundle["link"] if link["relation"] == "next"]
        path = following[0].partition("/fhir")[2] if following else ""
    client.close()
