"""Two server processes on one database, which write all the time: no resource is missed.

A parameter is added by way of one of them while writers create, change, delete and create again by way of
both, alone and in transactions. See `docs/decisions/0012-custom-search-parameters.md`.
"""

import random
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from tests.fhir_server.faults.server_process import ServerProcess, running, start
from tests.fhir_server.reindexing.adding import ACME, Json, add, begin, definition, facts, wait

HEADERS = {"content-type": "application/fhir+json"}
SERIAL = definition("serial", f"Patient.extension('{ACME}/serial').value.as(string)")
_WRITERS = 4
_BEFORE = 240


class Writer:
    """Writes patients of its own by way of one server; knows what they are to be found by."""

    def __init__(self, name: str, base_url: str) -> None:
        """Write to `base_url` under ids that begin with `name`."""
        self._client = httpx.Client(base_url=base_url, headers=HEADERS, timeout=60)
        self._name = name
        self._random = random.Random(name)
        self._count = 0
        self.expected: dict[str, str] = {}
        self.problems: list[str] = []

    def run(self, stop: threading.Event) -> None:
        """Write until `stop` is set."""
        try:
            while not stop.is_set():
                self._random.choice([self._put, self._put, self._delete, self._transaction])()
        except httpx.TransportError:
            if not stop.is_set():
                self.problems.append("the server went away")
        finally:
            self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def fill(self, number: int) -> None:
        """Store that many resources."""
        for _ in range(number // 20):
            self._transaction(20)

    def _new(self) -> tuple[str, str, Json]:
        self._count += 1
        resource_id = f"{self._name}-{self._random.randrange(200)}"
        serial = f"{self._name}-{self._count}"
        extension = [{"url": f"{ACME}/serial", "valueString": serial}]
        return resource_id, serial, {"resourceType": "Patient", "id": resource_id, "extension": extension}

    def _put(self) -> None:
        resource_id, serial, body = self._new()
        self._check(self._client.put(f"/Patient/{resource_id}", json=body), {resource_id: serial})

    def _delete(self) -> None:
        resource_id = f"{self._name}-{self._random.randrange(200)}"
        answer = self._client.delete(f"/Patient/{resource_id}")
        if answer.status_code == 204:
            self.expected.pop(resource_id, None)
        else:
            self.problems.append(answer.text)

    def _transaction(self, size: int = 3) -> None:
        written: dict[str, tuple[str, Json]] = {}
        for _ in range(size):
            resource_id, serial, body = self._new()
            written[resource_id] = serial, body
        entries = [
            {"resource": body, "request": {"method": "PUT", "url": f"Patient/{resource_id}"}}
            for resource_id, (_, body) in written.items()
        ]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        answer = self._client.post("", json=bundle)
        self._check(answer, {resource_id: serial for resource_id, (serial, _) in written.items()})

    def _check(self, answer: httpx.Response, written: dict[str, str]) -> None:
        if answer.status_code in (200, 201):
            self.expected |= written
        else:
            self.problems.append(answer.text)


@pytest.fixture
def environment(mongo_url: str) -> Iterator[dict[str, str]]:
    """The settings of servers that share a new database; reindexing is slow enough to be met."""
    name = f"two-{uuid.uuid4().hex[:12]}"
    yield {
        "FHIR_MONGO_URL": mongo_url,
        "FHIR_DATABASE": name,
        "FHIR_REINDEX_BATCH_SIZE": "10",
        "FHIR_REINDEX_LOAD_PERCENT": "40",
    }
    with MongoClient[dict[str, Any]](mongo_url) as client:
        client.drop_database(name)


@contextmanager
def _writing(servers: list[ServerProcess]) -> Iterator[list[Writer]]:
    writers = [Writer(f"w{i}", servers[i % len(servers)].base_url) for i in range(_WRITERS)]
    for writer in writers:
        writer.fill(_BEFORE // _WRITERS)
    stop = threading.Event()
    threads = [threading.Thread(target=writer.run, args=(stop,), daemon=True) for writer in writers]
    for thread in threads:
        thread.start()
    try:
        yield writers
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()


def _found(client: httpx.Client) -> dict[str, str]:
    """Return what a search by the parameter gives, by id: all resources that have a value, by each value."""
    bundle = client.get("/Patient?serial:missing=false&_count=1000").json()
    found = {entry["resource"]["id"]: entry["resource"] for entry in bundle.get("entry", ())}
    return {name: resource["extension"][0]["valueString"] for name, resource in found.items()}


def _check_all_found(clients: list[httpx.Client], writers: list[Writer]) -> None:
    assert [problem for writer in writers for problem in writer.problems] == []
    expected = {name: serial for writer in writers for name, serial in writer.expected.items()}
    assert len(expected) > 100
    for client in clients:
        assert _found(client) == expected
    for name, serial in random.Random(1).sample(sorted(expected.items()), 40):
        entries = clients[0].get(f"/Patient?serial={serial}").json().get("entry", ())
        assert [entry["resource"]["id"] for entry in entries] == [name]


@pytest.mark.feature("operation.reindex")
def test_no_resource_is_missed(tmp_path: Path, environment: dict[str, str]) -> None:
    """All that was written before, meanwhile and afterwards, by either process, is found by what it is.

    Until the reindexing is complete each process refuses, and then each answers.
    """
    with (
        running(tmp_path / "one", environment=environment) as one,
        running(tmp_path / "two", environment=environment) as two,
        httpx.Client(base_url=one.base_url, headers=HEADERS, timeout=60) as first,
        httpx.Client(base_url=two.base_url, headers=HEADERS, timeout=60) as second,
    ):
        with _writing([one, two]) as writers:
            add(first, SERIAL)
            address = begin(second)
            statuses = set()
            while "ended" not in (state := facts(first.get(address))):
                statuses |= {client.get("/Patient?serial=x").status_code for client in (first, second)}
            assert state["status"] == "completed", state
            assert 400 in statuses <= {200, 400}
            assert {client.get("/Patient?serial=x").status_code for client in (first, second)} == {200}
        _check_all_found([first, second], writers)
    for name in ("one", "two"):
        assert "Traceback" not in (tmp_path / name / "server.log").read_text()


@pytest.mark.feature("operation.reindex")
def test_a_killed_process_is_taken_over_from(tmp_path: Path, environment: dict[str, str]) -> None:
    """Whichever process is killed by which the reindexing began, another one goes on, from where it was."""
    one = start(tmp_path / "one", environment=environment)
    try:
        with httpx.Client(base_url=one.base_url, headers=HEADERS, timeout=60) as first:
            writer = Writer("w", one.base_url)
            writer.fill(_BEFORE)
            writer.close()
            add(first, SERIAL)
            job = begin(first).partition("job=")[2]
            while not (before := facts(first.get(f"/$reindex-status?job={job}"))["done"]):
                pass
    finally:
        one.kill()
        assert one.process.stdout is not None
        one.process.stdout.close()
    with (
        running(tmp_path / "two", environment=environment) as two,
        httpx.Client(base_url=two.base_url, headers=HEADERS, timeout=60) as second,
    ):
        assert second.get("/Patient?serial=x").status_code == 400
        state = wait(second, f"/$reindex-status?job={job}")
        assert state["status"] == "completed", state
        assert state["done"] >= before
        assert state["done"] <= state["total"] + 10  # what was done is not done again, but for a batch
        assert _found(second) == writer.expected
