"""`fhir-server serve` with messages, over several processes, and what it refuses to start with."""

import os
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo.database import Database

from tests.adapters.senders import adt, code, connected
from tests.conftest import REPOSITORY
from tests.fhir_server.faults.server_process import free_port, running

_EXAMPLE = str(REPOSITORY / "channels.example.toml")


def _environment(mongo_url: str, database: Database[dict[str, Any]], port: int) -> dict[str, str]:
    return {
        "FHIR_MONGO_URL": mongo_url,
        "FHIR_DATABASE": database.name,
        "FHIR_MLLP_PORT": str(port),
        "FHIR_CHANNELS": _EXAMPLE,
        "FHIR_WORKFLOWS_OFF": "",
    }


@pytest.mark.workflow("1-37")
def test_a_message_becomes_a_patient_whichever_process_takes_it(
    tmp_path: Path, mongo_url: str, database: Database[dict[str, Any]]
) -> None:
    """Two workers share the port: AA from each, and the patients are found by REST at once.

    Which worker gets a connection is the kernel's choice, so that we connect until both had one.
    """
    port = free_port()
    with running(tmp_path, workers=2, environment=_environment(mongo_url, database, port)) as server:
        owners: list[str] = []
        for _ in range(100):
            person = uuid.uuid4().hex[:8]
            with connected(port) as sender:
                answer = sender.ask(adt(uuid.uuid4().hex[:12], person=person, event="A28"))
                assert code(answer) == "AA", answer
            found = httpx.get(f"{server.base_url}/Patient?identifier=urn:oid:1.2.3.4.5.1|{person}").json()
            assert found["entry"][0]["resource"]["name"][0]["family"] == "Muster"
            owners = database["hl7_inbox"].distinct("owner")
            if len(owners) == 2:
                break
        assert len(owners) == 2


def test_the_port_is_given_back_at_the_end(
    tmp_path: Path, mongo_url: str, database: Database[dict[str, Any]]
) -> None:
    """A connection that stays open does not keep the server from ending."""
    port = free_port()
    with running(tmp_path, environment=_environment(mongo_url, database, port)) as server:
        with connected(port) as sender:
            assert code(sender.ask(adt(uuid.uuid4().hex[:12], event="A28"))) == "AA"
            started = time.monotonic()
            assert server.stop() == 0
            assert sender.is_closed()
        assert time.monotonic() - started < 30


@pytest.mark.parametrize(
    ("arguments", "text", "reason"),
    [
        (["--mllp-port", "0"], None, "--mllp-port needs --channels"),
        (["--channels", "channels.toml"], "[[channel]]\nname = 1\n", "line 2: name is a text"),
        (["--channels", "none.toml"], None, "cannot be read"),
        (
            ["--channels", "channels.toml"],
            '[[listener]]\nname = "a"\nport = 1\nhost = "0.0.0.0"\n',
            "plain = true",
        ),
    ],
)
def test_wrong_channels_stop_the_server_at_its_start(
    tmp_path: Path, arguments: list[str], text: str | None, reason: str
) -> None:
    """With one line that says what is wrong."""
    if text is not None:
        (tmp_path / "channels.toml").write_text(text)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("FHIR_")}
    ended = subprocess.run(
        [sys.executable, "-m", "fhir_server", "serve", "--port", "0", *arguments],
        cwd=tmp_path,
        env={**inherited, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert reason in ended.stderr
    assert ended.stderr.count("\n") == 1
