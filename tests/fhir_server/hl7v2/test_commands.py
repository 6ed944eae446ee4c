"""`fhir-server hl7v2`: what operators do with messages at the database."""

import uuid
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from adapters.channels import Channels
from fhir_server.__main__ import main
from fhir_server.settings import Settings
from tests.adapters.senders import adt, code, connected
from tests.fhir_server.hl7v2.conftest import ADT
from tests.fhir_server.hl7v2.hospital import Hospital, running


@pytest.fixture(scope="module")
def hospital(settings: Settings) -> Iterator[Hospital]:
    """A process that takes messages and does what is tried again."""
    with running(settings, Channels((ADT,))) as found:
        yield found


@pytest.fixture
def refused(hospital: Hospital) -> tuple[str, str]:
    """The control id of a message in quarantine, and its own id."""
    control_id = uuid.uuid4().hex[:12]
    with connected(hospital.port) as sender:
        assert code(sender.ask(adt(control_id, name="REFUSE"))) == "AE"
    printed = _run(hospital.settings, "list", "--control-id", control_id).output
    return control_id, next(word for word in printed.split() if len(word) == 32)


def _run(settings: Settings, *arguments: str, text: str | None = None) -> Result:
    environment = {
        "FHIR_MONGO_URL": str(settings.mongo_url),
        "FHIR_DATABASE": settings.database,
        "FHIR_AUTH": "off",
        "FHIR_LOG_LEVEL": "error",
        "COLUMNS": "200",
    }
    return CliRunner().invoke(main, ["hl7v2", *arguments], env=environment, input=text)


def test_messages_in_quarantine_are_listed(settings: Settings, refused: tuple[str, str]) -> None:
    """With the reason; by status, channel and time."""
    printed = _run(settings, "list").output
    assert refused[0] in printed
    assert "204 PID^1^3: this patient is not known" in printed
    assert refused[0] not in _run(settings, "list", "--status", "applied").output
    assert refused[0] not in _run(settings, "list", "--channel", "other").output
    assert refused[0] not in _run(settings, "list", "--until", "2020-01-01").output


def test_a_message_is_shown_a_segment_a_line(settings: Settings, refused: tuple[str, str]) -> None:
    """On standard output, so that it can be edited and given back."""
    result = _run(settings, "show", refused[1])
    assert result.stdout.splitlines()[0].startswith("MSH|")
    assert "PID|1||1001^^^GENHOSP^MR||REFUSE" in result.stdout
    assert _run(settings, "show", "nothing").exit_code == 1
    assert _run(settings, "show", refused[1], "--edited").exit_code == 1


def test_an_edited_message_is_tried_again(
    hospital: Hospital, settings: Settings, refused: tuple[str, str]
) -> None:
    """What `show` printed, with another name."""
    text = _run(settings, "show", refused[1]).stdout.replace("REFUSE", "Muster^Mara")
    result = _run(settings, "resubmit", refused[1], "--edited", "-", text=text)
    assert result.exit_code == 0, result.output
    for _ in range(100):
        if refused[0] in _run(settings, "list", "--status", "applied").output:
            break
    else:
        pytest.fail("it was not applied")
    assert "Muster^Mara" in _run(settings, "show", refused[1], "--edited").stdout
    assert _run(settings, "resubmit", refused[1]).exit_code == 1


def test_an_edited_message_that_is_none_is_refused(settings: Settings, refused: tuple[str, str]) -> None:
    """Before it is stored."""
    result = _run(settings, "resubmit", refused[1], "--edited", "-", text="PID|1\n")
    assert result.exit_code == 1
    assert "The edited message" in result.output


def test_a_message_is_put_away(settings: Settings, refused: tuple[str, str]) -> None:
    """With a reason, once."""
    assert _run(settings, "discard", refused[1]).exit_code == 2
    assert _run(settings, "discard", refused[1], "--reason", "a test").exit_code == 0
    assert _run(settings, "discard", refused[1], "--reason", "a test").exit_code == 1
    assert refused[0] in _run(settings, "list", "--status", "discarded").output


def test_a_range_is_applied_anew(hospital: Hospital, settings: Settings) -> None:
    """Only with something that says which messages."""
    control_id = uuid.uuid4().hex[:12]
    with connected(hospital.port) as sender:
        sender.ask(adt(control_id, name="UNCHANGED"))
    assert _run(settings, "replay").exit_code == 1
    assert "1 messages" in _run(settings, "replay", "--control-id", control_id).output
    for _ in range(100):
        if hospital.log.tries[control_id] == 2:
            break
        _run(settings, "list")
    assert hospital.log.tries[control_id] == 2
