"""What an acknowledgment means, how long is waited, and when a destination is left alone."""

from dataclasses import replace

import pytest

from adapters.destinations import Destination
from adapters.outbound import Breaker, described, pause, verdict
from hl7.ack import Ack
from hl7.errors import HL7Error, Location

_PLAIN = Destination("lab", host="h", port=1, messages=("ADT",), first_pause=1.0, longest_pause=30.0)


@pytest.mark.parametrize(
    ("code", "errors", "wanted"),
    [
        ("AA", [], "sent"),
        ("AA", ["101"], "sent"),
        ("CA", [], "sent"),
        ("AE", [], "park"),
        ("AE", ["207"], "park"),
        ("AR", [], "retry"),
        ("AR", ["206"], "retry"),
        ("AR", ["207"], "retry"),
        ("AR", ["200"], "park"),
        ("AR", ["203"], "park"),
        ("CR", ["207"], "retry"),
        ("CR", ["201"], "park"),
        ("CE", ["206"], "retry"),
        ("CE", ["100"], "park"),
    ],
)
def test_verdicts(code: str, errors: list[str], wanted: str) -> None:
    """AE never goes again by itself, AR does unless its code says that this cannot help.

    HL7 v2.5.1 §2.9.2.2.
    """
    ack = Ack(code, "M1", tuple(HL7Error("", code=one) for one in errors))
    assert verdict(ack, _PLAIN) == wanted


@pytest.mark.failure_story("accept-as-final")
def test_accepted_is_not_final_in_enhanced_mode() -> None:
    """CA says that the message is safe, and not that it was processed."""
    assert verdict(Ack("CA", "M1"), replace(_PLAIN, enhanced=True)) == "accepted"


def test_what_is_told_has_no_text_of_the_receiver() -> None:
    """A receiver may name the patient in its texts: codes and places are kept, and nothing else."""
    ack = Ack("AE", "M1", (HL7Error("Ann Invented is unknown", code="204", location=Location("PID", 1, 3)),))
    assert described(ack) == "AE 204 at PID^1^3"


def test_pauses_grow_to_a_longest_one() -> None:
    """They double, are never longer than that, and are not the same for all."""
    assert 0.8 <= pause(_PLAIN, 1) <= 1.2
    assert 3.2 <= pause(_PLAIN, 3) <= 4.8
    assert 24 <= pause(_PLAIN, 500) <= 36
    assert len({pause(_PLAIN, 5) for _ in range(20)}) > 1


def test_a_destination_that_is_away_is_tried_now_and_then() -> None:
    """After three failures only one attempt at a time is made; an answer ends that at once."""
    breaker = Breaker(_PLAIN)
    assert not breaker.failed(0)
    assert not breaker.failed(1)
    assert breaker.allows(1)
    assert breaker.failed(2)
    assert not breaker.allows(2.5)
    assert breaker.allows(4)
    breaker.tries(4)
    assert not breaker.allows(4.1)  # others wait for this attempt
    assert breaker.away_seconds(10) == 10
    breaker.succeeded()
    assert breaker.allows(4.2)
    assert breaker.away_seconds(10) == 0


def test_one_that_is_back_is_not_left_alone_for_long() -> None:
    """However long it was away, it is tried once a minute or so."""
    breaker = Breaker(replace(_PLAIN, longest_pause=86_400.0))
    for second in range(100):
        breaker.failed(second)
    assert breaker.allows(99 + 61)
