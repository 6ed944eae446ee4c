"""`fhir-server clients`: an administrator registers applications."""

import json
import os
import pwd
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fhir_server.commands import recording
from fhir_server.commands.clients import clients
from fhir_server.commands.databases import with_store
from fhir_server.secrets_at_rest import new_key
from fhir_server.settings import Settings
from fhir_server.smart.events import SecurityEvent
from tests.fhir_server.smart.oauth.world import key

_KEY = new_key()
_APP = ("add", "Growth Chart", "--redirect-uri", "https://app.example.org/", "--scope", "patient/*.rs")


def _run(settings: Settings, *arguments: str) -> Result:
    environment = {
        "FHIR_MONGO_URL": settings.mongo_url,
        "FHIR_DATABASE": settings.database,
        "FHIR_ENCRYPTION_KEY": _KEY,
    }
    return CliRunner(env=environment).invoke(clients, arguments)


@pytest.mark.requirement("smart-18", "smart-24", "smart-316")
def test_an_application_is_added_listed_and_removed(settings: Settings) -> None:
    """It is told its id and is in the list until it is removed."""
    added = _run(settings, *_APP)
    assert added.exit_code == 0, added.output
    client_id = added.output.removeprefix("client_id: ").strip()
    assert f"{client_id}  Growth Chart  (none)  patient/*.rs\n" in _run(settings, "list").output
    assert _run(settings, "remove", client_id).exit_code == 0
    assert client_id not in _run(settings, "list").output
    again = _run(settings, "remove", client_id)
    assert (again.exit_code, again.output) == (1, "Error: There is no such application\n")


def test_what_an_operator_does_is_recorded(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each change is an event with the operating system's account; what changed nothing is none."""
    told: list[SecurityEvent] = []

    async def record(event: SecurityEvent) -> None:
        told.append(event)

    monkeypatch.setattr(recording, "record_in_log", record)
    client_id = _run(settings, *_APP).output.removeprefix("client_id: ").strip()
    for _ in range(2):
        _run(settings, "remove", client_id)
    assert [(one.kind, one.client_id) for one in told] == [
        ("client-registration", client_id),
        ("client-removal", client_id),
    ]
    assert told[0].detail == f"By the operating system's account {pwd.getpwuid(os.getuid()).pw_name}"


def test_a_secret_is_told_once(settings: Settings) -> None:
    """An application with a secret is told it, and nobody later."""
    added = _run(settings, *_APP, "--method", "client_secret_basic")
    secret = added.output.splitlines()[1].removeprefix("client_secret: ")
    assert len(secret) == 43
    assert secret not in _run(settings, "list").output


def test_a_service_has_a_key(settings: Settings, tmp_path: Path) -> None:
    """Its keys are read from a file; without any it is refused, in one line."""
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps(key().jwks))
    service = ("add", "Laboratory", "--service", "--scope", "system/Observation.cruds")
    assert _run(settings, *service, "--jwks", str(path)).exit_code == 0
    refused = _run(settings, *service)
    assert refused.exit_code == 1
    assert refused.output == "Error: An application with private_key_jwt has either jwks or jwks_uri\n"
    path.write_text("x")
    assert "is no JSON" in _run(settings, *service, "--jwks", str(path)).output


@pytest.mark.requirement("smart-305", "smart-306")
def test_the_keys_of_a_service_change(settings: Settings, tmp_path: Path) -> None:
    """Who gives keys is reminded to send new ones, which take the place of the old; nothing else does."""
    path = tmp_path / "jwks.json"
    old, new = key(key_id="old").jwks, key(key_id="new").jwks
    path.write_text(json.dumps(old))
    service = ("add", "Laboratory", "--service", "--scope", "system/Observation.cruds")
    added = _run(settings, *service, "--jwks", str(path))
    assert "sends its keys again whenever they change" in added.stderr
    client_id = added.stdout.removeprefix("client_id: ").strip()
    path.write_text(json.dumps({"keys": []}))
    assert "no key" in _run(settings, "set-keys", client_id, "--jwks", str(path)).stderr
    assert _kept(settings, client_id) == old
    path.write_text(json.dumps(new))
    assert _run(settings, "set-keys", client_id, "--jwks", str(path)).exit_code == 0
    assert _kept(settings, client_id) == new
    assert "no such application" in _run(settings, "set-keys", "nobody", "--jwks", str(path)).stderr
    public = _run(settings, *_APP).stdout.removeprefix("client_id: ").strip()
    assert "keys by value" in _run(settings, "set-keys", public, "--jwks", str(path)).stderr


def _kept(settings: Settings, client_id: str) -> object:
    client = with_store(settings, lambda store: store.oauth.clients.get(client_id))
    assert client is not None
    return json.loads(client.jwks or "")


def test_a_key_pair_is_made_for_a_service(settings: Settings, tmp_path: Path) -> None:
    """The private half is in a file for its owner alone, which is never replaced; the public one is known."""
    path = tmp_path / "loader.jwk"
    service = ("add", "Loader", "--service", "--scope", "system/*.cruds", "--new-key", str(path))
    added = _run(settings, *service)
    assert added.exit_code == 0, added.output
    private = json.loads(path.read_text())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert added.output == f"client_id: {private['client_id']}\n"
    assert private["d"] not in added.output
    again = _run(settings, *service)
    assert (again.exit_code, again.output) == (1, f"Error: {path} cannot be made (File exists)\n")
    assert json.loads(path.read_text()) == private
    both = _run(settings, *service, "--jwks-uri", "https://example.org/jwks")
    assert "--new-key is for an application that has no --jwks" in both.output
