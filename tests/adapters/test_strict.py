"""The strict check of a channel, by hl7apy."""

import pytest

from adapters.strict import is_available, strict_violations
from hl7.parser import parse
from tests.adapters.senders import adt

pytestmark = pytest.mark.skipif(not is_available(), reason="hl7apy is not installed")


def test_a_good_message_passes() -> None:
    """What the standard has is no violation."""
    assert strict_violations(parse(adt("1", event="A01"))) == []


def test_a_segment_that_is_missing_is_found_and_nothing_of_the_message_is_told() -> None:
    """ADT^A01 has a PV1 in any case."""
    message = adt("1", event="A01").split(b"PV1|")[0]
    found = strict_violations(parse(message))
    assert [one.code for one in found] == ["100"]
    assert "Muster" not in found[0].text
