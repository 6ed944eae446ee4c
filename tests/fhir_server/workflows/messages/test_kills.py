"""Each message is there once, whatever is killed while it is sent."""

import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiosmtpd.controller import Controller
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from tests.fhir_server.faults.server_process import free_port, running, worker_pids

_NUMBER = 6
_INTERRUPTED = 11601
# Processes are started anew meanwhile, maybe on a busy machine.
_SECONDS = 300.0


class Deadly:
    """A mail server that takes a mail and kills who sent it before they hear of it, once."""

    def __init__(self) -> None:
        """Have no mail, and nobody to kill."""
        self.port = free_port()
        self.ids: list[str] = []
        self.kill: Callable[[], None] = lambda: None

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's
        """Take a mail."""
        headers = envelope.content.decode().splitlines()
        self.ids += [line.partition(": ")[2] for line in headers if line.startswith("Message-ID")]
        if len(self.ids) == 3:
            self.kill()
        return "250 OK"


@pytest.fixture
def database(mongo_url: str) -> Iterator[Any]:
    """A database of the test's own."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    with MongoClient[dict[str, Any]](mongo_url) as client:
        yield client[name]
        client.drop_database(name)


@pytest.fixture
def mails() -> Iterator[Deadly]:
    """A mail server at `port`, for as long as the test takes."""
    server = Deadly()
    controller = Controller(server, hostname="127.0.0.1", port=server.port, ready_timeout=60)
    controller.start()
    yield server
    controller.stop()


@pytest.mark.workflow("0-20", "3-33", "4-08")
def test_each_is_sent_once_whoever_is_killed(
    tmp_path: Path, mongo_url: str, database: Any, mails: Deadly
) -> None:
    """Processes die with mails on their way: each notice has one Communication, and one Message-ID.

    A mail that was taken while its sender died is sent again under the same Message-ID, and no other is.
    """
    environment = {
        "FHIR_MONGO_URL": mongo_url,
        "FHIR_DATABASE": database.name,
        "FHIR_SMTP_URL": f"smtp://127.0.0.1:{mails.port}",
        "FHIR_LOG_LEVEL": "error",
        "FHIR_WORKFLOWS_OFF": "",
    }
    on_their_way: list[set[str]] = []
    with running(tmp_path, workers=2, environment=environment) as server:
        mails.kill = lambda: on_their_way.append(_kill(worker_pids(server), database))
        headers = {"content-type": "application/fhir+json"}
        answer = httpx.post(server.base_url, json=_requests(), headers=headers, timeout=60)
        assert answer.status_code == 200, answer.text
        give_up = time.monotonic() + _SECONDS
        while _completed(database) < _NUMBER:
            assert time.monotonic() < give_up, list(database["agenda"].find())
            threading.Event().wait(0.05)
    kept = list(database["Communication"].find())
    assert len(kept) == _NUMBER
    assert {one["resource"]["status"] for one in kept} == {"completed"}
    assert len({one["resource"]["basedOn"][0]["reference"] for one in kept}) == _NUMBER
    assert {name.strip("<").partition("@")[0] for name in mails.ids} == {one["_id"] for one in kept}
    repeated = len(mails.ids) - _NUMBER
    assert len(on_their_way) == 1
    assert 1 <= repeated <= len(on_their_way[0])


def _completed(database: Any) -> int:
    """Return how many requests are carried out; 0 if the question itself was among what was killed."""
    try:
        found: int = database["CommunicationRequest"].count_documents({"resource.status": "completed"})
    except OperationFailure as failure:
        if failure.code != _INTERRUPTED:
            raise
        return 0
    return found


def _kill(pids: Iterable[int], database: Any) -> set[str]:
    """Kill processes; return the entries of the agenda that they had taken."""
    # Nobody waits a minute for the leases of the dead.
    waiting = {"state": "waiting", "lease": {"$exists": True}}
    taken = {one["_id"] for one in database["agenda"].find(waiting)}
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    # Nor for MongoDB to give up the transactions that they have open.
    database.client.admin.command({"killAllSessions": []})
    database["agenda"].update_many(waiting, {"$set": {"until": None}})
    return taken


def _requests() -> dict[str, Any]:
    """Return a transaction by which each of several patients is asked to come again."""
    who = {"name": [{"family": "Abel"}], "birthDate": "1980-01-01"}
    entries = []
    for number in range(_NUMBER):
        telecom = [{"system": "email", "value": f"p{number}@example.org"}]
        patient = {"resourceType": "Patient", "id": f"p{number}", "telecom": telecom, **who}
        request = {
            "resourceType": "CommunicationRequest",
            "id": f"r{number}",
            "status": "active",
            "subject": {"reference": f"Patient/p{number}"},
            "payload": [{"contentString": "Come again."}],
            "occurrenceDateTime": datetime.now(UTC).isoformat(),
        }
        for one in (patient, request):
            target = f"{one['resourceType']}/{one['id']}"
            entries.append({"resource": one, "request": {"method": "PUT", "url": target}})
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}
