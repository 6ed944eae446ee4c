"""All messages of the public data set that are mapped give valid resources, or are refused with a reason."""

from pathlib import Path

import pytest

from adapters.to_fhir.catalogue import is_read
from adapters.to_fhir.mapping import is_mapped, map_message
from hl7.errors import HL7Error
from hl7.message import Message
from hl7.parser import parse
from hl7.validation import checks_datatype
from tests.adapters.to_fhir.mapped import CHANNEL, problems

_REFUSED = {
    "MDHHS-OML-O21-1.hl7": "100",
    "MDHHS-OML-O21-2.hl7": "205",
    "MDM-T02-01.hl7": "101",
    "MDM-T06-01.hl7": "101",
    "MDM-T10-01.hl7": "101",
    "OML-O21-03.hl7": "101",
    "ORM-O01-04.hl7": "100",
    "ORM-O01-05.hl7": "100",
    "RDS-O13-02.hl7": "205",
}
"""What is wrong with some; docs/hl7v2/messages.md says it in words."""


def test_messages(shared_data: Path) -> None:
    """Each message that is mapped gives resources that pass base validation, with and without a trace."""
    refused: dict[str, str] = {}
    count = 0
    for path in sorted((shared_data / "hl7v2").glob("*.hl7")):
        message = parse(path.read_bytes())
        if not is_mapped(message.header.message_code, message.header.trigger_event):
            continue
        count += 1
        try:
            found = map_message(message, CHANNEL)
        except HL7Error as failure:
            refused[path.name] = failure.code
            continue
        assert problems(found) == [], path.name
        traced = map_message(message, CHANNEL, trace=True)
        assert [one.resource for one in traced.drafts] == [one.resource for one in found.drafts], path.name
        assert len({one.key for one in found.drafts}) == len(found.drafts)
    assert count > 80
    assert refused == _REFUSED


def _blotted(message: Message, text: str) -> bytes:
    """Return a message with `text` in each field of a time or number that nothing is made of."""
    lines = []
    for segment in message.segments:
        fields = list(segment.raw_fields)
        first = 3 if segment.name == "MSH" else 1
        for place in range(first, len(fields)):
            if checks_datatype(segment.name, place) and not is_read(segment.name, place) and fields[place]:
                fields[place] = text
        if segment.name == "MSH":
            del fields[1]
        lines.append(message.chars.field.join(fields))
    return "\r".join(lines).encode(message.charset) + b"\r"


def test_nothing_is_made_of_fields_that_are_not_read(shared_data: Path) -> None:
    """Whatever stands in a field that the catalogue does not list as read, the mapping is the same."""
    changed = 0
    for path in sorted((shared_data / "hl7v2").glob("*.hl7")):
        message = parse(path.read_bytes())
        try:
            expected = map_message(parse(_blotted(message, "")), CHANNEL)
        except HL7Error:
            continue
        blotted = _blotted(message, "no such value")
        changed += b"no such value" in blotted
        found = map_message(parse(blotted), CHANNEL)
        assert [one.resource for one in found.drafts] == [one.resource for one in expected.drafts], path.name
    assert changed > 30


def test_equal_parts_are_equal_things(shared_data: Path) -> None:
    """Two resources of one message never share an id (MS ImportantPoints §5)."""
    for path in sorted((shared_data / "hl7v2").glob("*.hl7")):
        message = parse(path.read_bytes())
        try:
            found = map_message(message, CHANNEL)
        except HL7Error:
            continue
        ids = [(one.type, one.id) for one in found.drafts]
        if len(set(ids)) != len(ids):
            pytest.fail(f"{path.name}: {[one for one in ids if ids.count(one) > 1]}")
