"""All messages of the public data set that are mapped give valid resources, or are refused with a reason."""

from pathlib import Path

import pytest

from adapters.to_fhir.mapping import is_mapped, map_message
from hl7.errors import HL7Error
from hl7.parser import parse
from tests.adapters.to_fhir.mapped import CHANNEL, problems

_REFUSED = {
    "DFT-P03-01.hl7": "101",
    "DFT-P03-02.hl7": "101",
    "MDHHS-OML-O21-2.hl7": "205",
    "MDM-T02-01.hl7": "100",
    "MDM-T06-01.hl7": "100",
    "MDM-T10-01.hl7": "100",
    "OML-O21-03.hl7": "101",
    "ORM-O01-04.hl7": "101",
    "ORM-O01-05.hl7": "101",
}
"""What is wrong with some: a charge without FT1-2, a document without content, an order without a number or a
code, or two orders with one number."""


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
