"""A channel that is a shadow: its messages are answered and compared with the records, and change nothing."""

import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from adapters.channels import Channels
from fhir_server.__main__ import main
from fhir_server.settings import Settings
from hl7.errors import HL7Error
from tests.adapters.senders import adt, code, connected, error_codes
from tests.fhir_server.hl7v2.conftest import ADT as WIRE
from tests.fhir_server.hl7v2.hospital import running
from tests.fhir_server.hl7v2.records import ADT, MR, Records, msh

SHADOW = replace(ADT, shadow=True)


def _registered(person: str, family: str) -> tuple[str, ...]:
    return (msh("ADT^A28"), "EVN||20240105", f"PID|1||{person}^^^GENHOSP^MR||{family}^Max||19800101|M")


def test_nothing_is_stored(records: Records) -> None:
    """The message is taken, and told to have changed nothing."""
    applied = records.send(*_registered("S-1", "Schatten"), channel=SHADOW)
    assert (applied.status, applied.references) == ("ignored", ())
    assert [(one.code, one.severity) for one in applied.warnings] == [("0", "I")]
    assert not records.has("Patient", "S-1")


def test_what_would_be_refused_is(records: Records) -> None:
    """A shadow is of use if it tells what is wrong: here, somebody else under a number that is known."""
    records.send(*_registered("S-2", "Muster"))
    other = (msh("ORU^R01", application="LAB"), "PID|1||S-2^^^GENHOSP^MR||Ganzanders^Olga||19500505|F")
    with pytest.raises(HL7Error) as refused:
        records.send(*other, "OBR|1||F1^LAB|1^Test^L", "OBX|1|NM|1^Test^L||1||||||F", channel=SHADOW)
    assert refused.value.code == "204"


def test_what_is_known_is_not_changed(records: Records) -> None:
    """Another name for somebody who is here already is a difference, and stays one."""
    records.send(*_registered("S-3", "Alt"))
    records.send(*_registered("S-3", "Neu"), channel=SHADOW)
    patient = records.one("Patient", "S-3")
    assert patient["name"][0]["family"] == "Alt"
    assert records.version(patient) == 1
    assert patient["identifier"][0]["system"] == MR


def _compare(settings: Settings, path: str, *arguments: str) -> Result:
    environment = {
        "FHIR_MONGO_URL": str(settings.mongo_url),
        "FHIR_DATABASE": settings.database,
        "FHIR_AUTH": "off",
        "FHIR_LOG_LEVEL": "error",
        "FHIR_CHANNELS": path,
        "COLUMNS": "200",
    }
    return CliRunner().invoke(main, ["hl7v2", "compare", *arguments], env=environment)


@pytest.mark.workflow("2-16")
def test_messages_are_compared_with_the_records(records: Records, settings: Settings, tmp_path: Path) -> None:
    """By event: those that agree, those that would change something, and those that would be refused."""
    path = tmp_path / "channels.toml"
    path.write_text(
        '[[channel]]\nname = "adt"\nsending_application = "ADT"\nsending_facility = "GENHOSP"\n'
        f'time_zone = "Europe/Berlin"\nauthorities = {{ GENHOSP = "{MR}" }}\nshadow = true\n'
    )
    records.send(*_as_sent("S-10"))
    ids = {name: uuid.uuid4().hex[:12] for name in ("agrees", "differs", "refused")}
    channels = Channels((replace(WIRE, authorities={"GENHOSP": MR}),))
    with running(settings, channels) as hospital, connected(hospital.port) as sender:
        for name, person in (("agrees", "S-10"), ("differs", "S-11")):
            answer = sender.ask(adt(ids[name], person=person, event="A31"))
            assert code(answer) == "AA", error_codes(answer)
        gone = adt(ids["refused"], person="S-12", event="A40", more=["MRG|"])
        sender.ask(gone)
    result = _compare(settings, str(path), "--channel", "adt")
    assert result.exit_code == 1, result.output
    assert ids["agrees"] not in result.output
    assert ids["differs"] in result.output
    assert ids["refused"] in result.output
    assert "Patient/" in result.output
    assert "Muster" not in result.output
    assert not records.has("Patient", "S-11")
    empty = _compare(settings, str(path), "--until", "2020-01-01")
    assert (empty.exit_code, empty.output.splitlines()[-1]) == (
        0,
        "0 messages, 0 do not agree with the records.",
    )


def _as_sent(person: str) -> list[str]:
    return adt(person=person, event="A31").decode().rstrip("\r").split("\r")
