"""What a message would change now: as differences, and nothing is stored."""

import uuid
from collections.abc import Iterator

import httpx
import pytest
from click.testing import CliRunner

from fhir_server.__main__ import main
from fhir_server.settings import Settings
from tests.adapters.senders import adt, code
from tests.conftest import REPOSITORY
from tests.fhir_server.conftest import running_server

_CHANNELS = REPOSITORY / "channels.example.toml"


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[httpx.Client]:
    """A client of a server that takes messages and applies them as it does in earnest."""
    with (
        running_server(settings.model_copy(update={"channels": _CHANNELS})) as url,
        httpx.Client(base_url=url, timeout=60) as http,
    ):
        yield http


@pytest.fixture
def entry(client: httpx.Client) -> tuple[str, str]:
    """The id of a message that made a patient, and the patient's reference."""
    control_id = uuid.uuid4().hex[:12]
    content = adt(control_id, person=uuid.uuid4().hex[:8], event="A28")
    headers = {"content-type": "application/hl7-v2"}
    address = str(client.base_url).replace("/fhir/", "/hl7v2")
    assert code(httpx.post(address, content=content, headers=headers, timeout=60).content) == "AA"
    [found] = client.get("/$hl7v2-messages", params={"control-id": control_id}).json()["parameter"]
    values = {one["name"]: one.get("valueString") for one in found["part"]}
    references = [one["valueString"] for one in found["part"] if one["name"] == "reference"]
    patient = next(one for one in references if one.startswith("Patient/"))
    return str(values["id"]), patient


def _preview(client: httpx.Client, entry_id: str) -> list[dict[str, object]]:
    given = [{"name": "dry-run", "valueBoolean": True}, {"name": "id", "valueString": entry_id}]
    answer = client.post("/$hl7v2-replay", json={"resourceType": "Parameters", "parameter": given})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, object]] = answer.json().get("parameter", [])
    return found


def test_a_message_that_was_applied_would_change_nothing(
    client: httpx.Client, entry: tuple[str, str]
) -> None:
    """It says what is there already."""
    assert _preview(client, entry[0]) == []


def test_what_would_change_is_told_and_not_stored(
    client: httpx.Client, settings: Settings, entry: tuple[str, str]
) -> None:
    """Before and after by the operation, as a difference of lines by the command."""
    entry_id, reference = entry
    patient = client.get(f"/{reference}").json()
    patient["name"][0]["family"] = "Verändert"
    assert client.put(f"/{reference}", json=patient).status_code == 200
    assert reference in repr(_preview(client, entry_id))
    environment = {
        "FHIR_MONGO_URL": str(settings.mongo_url),
        "FHIR_DATABASE": settings.database,
        "FHIR_AUTH": "off",
        "FHIR_LOG_LEVEL": "error",
        "FHIR_CHANNELS": str(_CHANNELS),
    }
    result = CliRunner().invoke(main, ["hl7v2", "replay", "--dry-run", entry_id], env=environment)
    assert result.exit_code == 0, result.output
    assert any(line.startswith("-") and "Verändert" in line for line in result.output.splitlines())
    assert any(line.startswith("+") and "Muster" in line for line in result.output.splitlines())
    assert client.get(f"/{reference}").json()["name"][0]["family"] == "Verändert"


def test_the_messages_of_nobody_are_not_previewed(client: httpx.Client) -> None:
    """404 for an id that is none."""
    given = [{"name": "dry-run", "valueBoolean": True}, {"name": "id", "valueString": "none"}]
    answer = client.post("/$hl7v2-replay", json={"resourceType": "Parameters", "parameter": given})
    assert answer.status_code == 404
