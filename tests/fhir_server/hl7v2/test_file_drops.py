"""A folder that the server watches, and one into which it puts messages: the inbox and outbox of MLLP."""

import time
from pathlib import Path

from adapters.channels import Channels, Drop
from fhir_server.settings import Settings
from hl7.parser import parse
from tests.fhir_server.hl7v2.conftest import ADT
from tests.fhir_server.hl7v2.hospital import running
from tests.fhir_server.hl7v2.told import telling

_MESSAGE = (
    "MSH|^~\\&|ADT|GENHOSP|FHIR|HOSPITAL|20260301083000||ADT^A08^ADT_A01|DROP{number}|P|2.5.1\r"
    "EVN||20260301083000\rPID|1||4711^^^GENHOSP||INVENTED^ANN\rPV1|1|I\r"
)


def _wait_for(path: Path) -> bytes:
    until = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < until, path
        time.sleep(0.05)
    return path.read_bytes()


def test_a_file_is_taken_like_a_message(settings: Settings, tmp_path: Path) -> None:
    """Its messages are applied once; the same file again gets the same answers, and nothing is done."""
    with running(settings, Channels((ADT,), drops=(Drop("in", tmp_path, 0.1),))) as hospital:
        file = "".join(_MESSAGE.format(number=number) for number in (1, 2))
        for name in ("a.hl7", "b.hl7"):
            (tmp_path / name).write_bytes(file.encode())
            _wait_for(tmp_path / "answers" / name)
        first, again = ((tmp_path / "answers" / name).read_bytes() for name in ("a.hl7", "b.hl7"))
        assert first.count(b"MSA|AA|DROP") == 2
        assert first == again
        assert hospital.log.ended == ["DROP1", "DROP2"]


def test_a_destination_may_be_a_folder(mongo_url: str, tmp_path: Path) -> None:
    """Each message is a file, in the order of the changes."""
    file = '[[destination]]\nname = "billing"\nfolder = "out"\nmessages = ["ADT"]\n'
    with telling(mongo_url, tmp_path, {}, file) as told:
        told.patient("p1")
        told.patient("p1", gender="male")
        told.wait("sent", 2)
        texts = [path.read_bytes() for path in sorted((tmp_path / "out").iterdir())]
        assert [parse(one).header.trigger_event for one in texts] == ["A28", "A31"]
