"""The index values of our own events are those that the extraction finds, but for the words."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from fhir_server.audit.actor import Actor
from fhir_server.audit.events import REFUSED, SUCCESS, Access, event
from fhir_server.audit.index_values import index_values
from fhir_server.audit.patterns import pattern_of
from fhir_server.search.extraction import search_values

NOBODY = Actor("http://x/fhir", "127.0.0.1")
SERVICE = Actor("http://x/fhir", "127.0.0.1", "service", None, None, frozenset(), "1")
DOCTOR = Actor(
    *("http://x/fhir", "10.0.0.1", "app", "7", "Practitioner/dora", frozenset({"DR", "RN"}), "2"),
    frozenset({"anna"}),
)
PATIENT = Actor("http://x/fhir", "10.0.0.2", "app", "8", "Patient/anna", frozenset({"PT"}), "3")
ACTORS = {"nobody": NOBODY, "service": SERVICE, "doctor": DOCTOR, "patient": PATIENT}
REFERENCES: Sequence[Sequence[str]] = (
    (),
    ("Observation/1/_history/2",),
    ("Patient/anna/_history/1",),
    ("Observation/1", "Observation/2", "Observation/1"),
)


def _sorted(values: dict[str, Any]) -> dict[str, Any]:
    return {name: sorted(value) if isinstance(value, list) else value for name, value in values.items()}


@pytest.mark.parametrize("references", REFERENCES, ids=len)
@pytest.mark.parametrize("patient", ["", "anna", "boris"])
@pytest.mark.parametrize("code", ["read", "search-type", "update", "operation", "history"])
@pytest.mark.parametrize("name", ACTORS)
def test_both_ways_give_the_same(name: str, code: str, patient: str, references: Sequence[str]) -> None:
    """Twice with other moments and requests, so that what was remembered is put in anew."""
    for moment, request_id, outcome in (
        (1, "a", SUCCESS),
        (2, "b", SUCCESS),
        (3, "c", REFUSED),
        (4, "", SUCCESS),
    ):
        pattern = pattern_of(code)
        at = datetime(2026, 11, 27, 10, 0, moment, 123_456, tzinfo=UTC)
        query = "Observation?code=x" if pattern.is_query else ""
        access = Access(ACTORS[name], pattern, at, request_id, {patient: references}, query, "", outcome)
        found = event(access, patient, references)
        expected = search_values(found)
        expected.pop("_content", None)
        assert _sorted(index_values(access, patient, references, found)) == _sorted(expected)
