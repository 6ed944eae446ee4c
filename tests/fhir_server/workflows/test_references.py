"""References as rules compare them. https://hl7.org/fhir/R4/references.html#literal"""

from typing import Any

import pytest

from fhir_server.workflows.references import reference_of, relative

_BASE = "http://server/fhir"


@pytest.mark.parametrize(
    ("written", "is_compared"),
    [
        ("Location/1", "Location/1"),
        ("Location/1/_history/2", "Location/1"),
        ("http://server/fhir/Location/1", "Location/1"),
        ("http://server/fhir/Location/1/_history/2", "Location/1"),
        ("http://elsewhere/fhir/Location/1", "http://elsewhere/fhir/Location/1"),
        ("http://server/fhir2/Location/1", "http://server/fhir2/Location/1"),
        ("urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a", "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"),
        ("#bed", "#bed"),
    ],
)
def test_a_reference_to_this_server_is_one_however_it_is_written(written: str, is_compared: str) -> None:
    """With the address of the server or without, in whichever version; that of another is its own."""
    encounter: dict[str, Any] = {"location": [{"location": {"reference": written}}]}
    seen = relative(encounter, _BASE)
    assert reference_of(seen["location"][0]["location"]) == is_compared
    assert encounter == {"location": [{"location": {"reference": written}}]}


def test_what_is_relative_is_the_very_same() -> None:
    """A version stays where it is, and so does an address that is no reference."""
    resource = {
        "subject": {"reference": "Patient/1/_history/2"},
        "extension": [{"valueUrl": f"{_BASE}/Patient/1"}],
        "value": [1, None, ["x"]],
    }
    assert relative(resource, _BASE) is resource


@pytest.mark.parametrize("element", [None, {}, {"display": "x"}, {"reference": None}, "Patient/1", []])
def test_what_names_nothing(element: Any) -> None:
    """A logical reference, or none at all."""
    assert reference_of(element) is None
