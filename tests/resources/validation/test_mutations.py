"""A valid resource, broken in one place: exactly that is found. The rules: https://hl7.org/fhir/R4/json.html."""

import copy
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from resources.validation import validate

EXTENSION = {"url": "urn:x", "valueCodeableConcept": {"coding": [{"system": "urn:s", "code": "c"}]}}

OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "o1",
    "meta": {"profile": ["urn:p"], "tag": [{"system": "urn:s", "code": "t"}]},
    "language": "en",
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'},
    "extension": [EXTENSION],
    "identifier": [{"use": "official", "value": "1", "period": {"start": "2000", "end": "2001"}}],
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "1-1", "userSelected": True}], "text": "x"},
    "subject": {"reference": "Patient/1", "display": "x"},
    "performer": [{"reference": "Practitioner/1"}, {"type": "Organization", "identifier": {"value": "1"}}],
    "effectiveTiming": {"event": ["2000-01-01"], "repeat": {"count": 1, "timeOfDay": ["10:00:00"]}},
    "issued": "2000-01-01T00:00:00Z",
    "valueQuantity": {"value": Decimal("1.00"), "unit": "kg", "system": "http://unitsofmeasure.org"},
    "_implicitRules": {"extension": [{"url": "urn:y", "valueDecimal": 1}]},
    "referenceRange": [{"low": {"value": 1}, "text": "x"}],
    "component": [
        {
            "id": "c1",
            "code": {"text": "x"},
            "valueSampledData": {"origin": {"value": 0}, "period": 1, "dimensions": 1},
        }
    ],
}
"""A valid resource with values of most kinds in places of most kinds."""

CHOICES = {
    "effectiveTiming": "effective.ofType(Timing)",
    "valueCodeableConcept": "value.ofType(CodeableConcept)",
    "valueDecimal": "value.ofType(decimal)",
    "valueQuantity": "value.ofType(Quantity)",
    "valueSampledData": "value.ofType(SampledData)",
}
REQUIRED = {
    "Observation.status",
    "Observation.code",
    "Observation.component[0].code",
    "Observation.component[0].value.ofType(SampledData).origin",
    "Observation.component[0].value.ofType(SampledData).period",
    "Observation.component[0].value.ofType(SampledData).dimensions",
    "Observation.extension[0].url",
    "Observation.implicitRules.extension[0].url",
    "Observation.text.status",
    "Observation.text.div",
}
NEEDED_FOR_EXT_1 = {
    "Observation.extension[0].value.ofType(CodeableConcept)": "Observation.extension[0]",
    "Observation.implicitRules.extension[0].value.ofType(decimal)": "Observation.implicitRules.extension[0]",
}
"""The values without which an extension has neither a value nor extensions."""

Place = tuple[Any, ...]
"""The keys and indexes that lead to a value."""


def places(value: Any, place: Place = ()) -> Iterator[Place]:
    """Yield the places of all values in a JSON value, but for the names of resource types."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if key != "resourceType":
            yield (*place, key)
            yield from places(item, (*place, key))


def path(place: Place) -> str:
    """Return the FHIRPath of a place in the Observation."""
    steps = [f"[{key}]" if isinstance(key, int) else f".{CHOICES.get(key, key.lstrip('_'))}" for key in place]
    return "Observation" + "".join(steps)


def changed(place: Place, change: Any) -> dict[str, Any]:
    """Return a copy of the Observation in which `change` was applied to the parent of a place and its key."""
    copied = copy.deepcopy(OBSERVATION)
    parent: Any = copied
    for key in place[:-1]:
        parent = parent[key]
    change(parent, place[-1])
    return copied


def found(resource: Any) -> set[tuple[str, str]]:
    """Return code and expression of each issue."""
    return {(issue.code, " ".join(issue.expression)) for issue in validate(resource)}


PLACES = list(places(OBSERVATION))
PROPERTIES = [place for place in PLACES if isinstance(place[-1], str)]


def wrong_json_type(value: Any) -> Any:
    """Return a value of another JSON type."""
    return 7 if isinstance(value, str | list | dict | bool) else "7"


def test_nothing_is_broken() -> None:
    """The resource that the other tests break is valid."""
    assert found(OBSERVATION) == set()


@pytest.mark.parametrize("place", PLACES, ids=path)
def test_wrong_json_type(place: Place) -> None:
    """A value of another JSON type is found at its place: https://hl7.org/fhir/R4/json.html."""

    def change(parent: Any, key: Any) -> None:
        parent[key] = wrong_json_type(parent[key])

    assert found(changed(place, change)) == {("structure", path(place))}


@pytest.mark.parametrize("place", PROPERTIES, ids=path)
def test_unknown_name(place: Place) -> None:
    """A property under another name is unknown, and missed where it was required."""

    def change(parent: Any, key: Any) -> None:
        parent[f"x_{key}"] = parent.pop(key)

    unknown = ("structure", path((*place[:-1], "")) + f"x_{place[-1]}")
    assert found(changed(place, change)) == {unknown} | consequences(place)


@pytest.mark.parametrize("place", PROPERTIES, ids=path)
def test_missing(place: Place) -> None:
    """A property that is not there is missed where it was required, and nowhere else."""

    def change(parent: Any, key: Any) -> None:
        del parent[key]
        if not parent:
            parent["extension"] = [EXTENSION]

    assert found(changed(place, change)) == consequences(place)


def consequences(place: Place) -> set[tuple[str, str]]:
    """Return the issues that come up when a property is not there."""
    missed = {("required", path(place))} if path(place) in REQUIRED else set()
    extension = NEEDED_FOR_EXT_1.get(path(place))
    return missed | ({("invariant", extension)} if extension else set())


@pytest.mark.parametrize("place", PLACES, ids=path)
@pytest.mark.parametrize("empty", [None, "", [], {}], ids=repr)
def test_empty(place: Place, empty: Any) -> None:
    """null, "", [] and {} are never valid: of the wrong JSON type they are structure, else invalid."""

    def change(parent: Any, key: Any) -> None:
        parent[key] = empty

    value: Any = OBSERVATION
    for key in place:
        value = value[key]
    code = "invalid" if empty is None or type(empty) is type(value) else "structure"
    assert found(changed(place, change)) == {(code, path(place))}
