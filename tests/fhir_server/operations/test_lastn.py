"""Observation/$lastn (https://hl7.org/fhir/R4/observation-operation-lastn.html)."""

import re
import uuid
from typing import Any

import httpx
import pytest

from fhir_server.operations.lastn import _names_code
from fhir_server.search.known import supported_codes
from resources.definitions import search_parameter_definitions
from tests.fhir_server.search.searching import links, store

Resource = dict[str, Any]
LOINC = "http://loinc.org"


def _coded(*codes: str) -> Resource:
    return {"coding": [{"system": "urn:s", "code": code} for code in codes]}


def _observation(
    resource_id: str, patient: str, code: Resource, effective: str | None, **more: Any
) -> Resource:
    return {
        "resourceType": "Observation",
        "id": resource_id,
        "status": "final",
        "category": [{"coding": [{"code": "vital-signs"}]}],
        "code": code,
        "subject": {"reference": f"Patient/{patient}"},
        **({"effectiveDateTime": effective} if effective else {}),
        **more,
    }


_TIED = "2020-01-03T10:00:00Z"
_HOUSE = [
    _observation("w1", "ws", _coded("weight"), "2020-01-01"),
    _observation("w2", "ws", _coded("weight"), "2020-01-02"),
    _observation("w3", "ws", _coded("weight"), _TIED),
    # The same moment, in another time zone.
    _observation("w4", "ws", _coded("weight"), "2020-01-03T11:00:00+01:00"),
    _observation("h1", "ws", _coded("height"), "2019-06-01"),
    _observation("h2", "ws", _coded("height"), None, effectivePeriod={"start": "2019-07-01", "end": "2030"}),
    _observation("t1", "ws", _coded("temperature"), None, issued="2018-01-01T00:00:00Z", status="amended"),
    _observation("wrong", "ws", _coded("pulse"), "2020-01-01", status="entered-in-error"),
    _observation(
        "lab", "ws", _coded("potassium"), "2020-01-05", category=[{"coding": [{"code": "laboratory"}]}]
    ),
    _observation("other", "other", _coded("weight"), "2024-01-01"),
]


@pytest.fixture(scope="module")
def ward(client: httpx.Client) -> httpx.Client:
    """A client of a server with observations of some patients."""
    store(client, _HOUSE)
    return client


def _ids(client: httpx.Client, query: str) -> list[str]:
    answer = client.get(f"/Observation/$lastn?{query}")
    assert answer.status_code == 200, answer.text
    bundle = answer.json()
    assert bundle["type"] == "searchset"
    assert bundle["total"] == len(bundle.get("entry", []))
    return [entry["resource"]["id"] for entry in bundle.get("entry", [])]


_VITAL = "patient=ws&category=vital-signs"


@pytest.mark.workflow("0-42", "4-46")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        # One of each code, the latest first; both of a tie; the one with status entered-in-error too.
        (_VITAL, ["w4", "w3", "wrong", "h2", "t1"]),
        (f"{_VITAL}&max=2", ["w4", "w3", "wrong", "h2", "h1", "t1"]),
        (f"{_VITAL}&max=3", ["w4", "w3", "w2", "wrong", "h2", "h1", "t1"]),
        (f"{_VITAL}&max=1000", ["w4", "w3", "w2", "wrong", "w1", "h2", "h1", "t1"]),
        ("subject=Patient/ws&code=weight,height", ["w4", "w3", "h2"]),
        ("subject:Patient=ws&code=urn:s|weight&date=lt2020-01-03", ["w2"]),
        ("patient=ws&code=weight&status=final&max=1", ["w4", "w3"]),
        ("patient=ws&category=vital-signs&status:not=entered-in-error,amended", ["w4", "w3", "h2"]),
        ("patient=ws&combo-code=weight&date=2020-01-01", ["w1"]),
        ("patient=nobody&code=weight", []),
        # Of several subjects, the latest of each.
        ("patient=ws,other&code=weight", ["other", "w4", "w3"]),
    ],
)
@pytest.mark.feature("operation.lastn")
def test_the_latest_of_each_code(ward: httpx.Client, query: str, expected: list[str]) -> None:
    """Of each code the latest come, as many as `max` says, of those that the search parameters find."""
    assert _ids(ward, query) == expected


@pytest.mark.parametrize(
    ("codes", "groups"),
    [
        # The table of the operation: a letter is a code, text is text.
        ([_coded("a"), _coded("b"), _coded("c")], 3),
        ([_coded("a"), _coded("b"), _coded("a", "c")], 2),
        ([_coded("a"), _coded("b"), _coded("a", "b")], 1),
        ([{"text": "textM"}, {"text": "Text"}, {"text": "t e x t"}], 3),
        ([{"text": "same"}, {"text": "same"}, _coded("same")], 2),
        ([_coded("a", "b"), _coded("c", "d"), _coded("d", "e"), _coded("e", "a"), _coded("f")], 2),
        ([{**_coded("a"), "text": "one"}, {**_coded("a"), "text": "other"}], 1),
        ([{"coding": [{"system": "urn:x", "code": "a"}]}, {"coding": [{"code": "a"}]}, _coded("a")], 3),
    ],
)
@pytest.mark.feature("operation.lastn.grouping")
def test_translations_are_one_group(client: httpx.Client, codes: list[Resource], groups: int) -> None:
    """Codes are the same if system and code are, directly or by translations; text counts without a code."""
    patient = uuid.uuid4().hex
    store(
        client,
        [
            _observation(f"{patient}-{number}", patient, code, f"2020-01-{number + 1:02}")
            for number, code in enumerate(codes)
        ],
    )
    assert len(_ids(client, f"patient={patient}&category=vital-signs")) == groups


def test_pages(ward: httpx.Client) -> None:
    """With _count the links lead through all of them, each once and in order."""
    address = f"/Observation/$lastn?{_VITAL}&max=3&_count=2"
    found: list[str] = []
    while address:
        bundle = ward.get(address).json()
        assert bundle["total"] == 7
        assert len(bundle["entry"]) <= 2
        found += [entry["resource"]["id"] for entry in bundle["entry"]]
        address = links(bundle).get("next", "")
    assert found == _ids(ward, f"{_VITAL}&max=3")


def test_by_parameters(ward: httpx.Client) -> None:
    """The same can be asked in a Parameters resource, with types that say what search parameters say."""
    body = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "max", "valuePositiveInt": 2},
            {"name": "subject", "valueReference": {"reference": "Patient/ws"}},
            {"name": "code", "valueCoding": {"system": "urn:s", "code": "height"}},
            {"name": "date", "valueString": "ge2019"},
        ],
    }
    bundle = ward.post("/Observation/$lastn", json=body).json()
    assert [entry["resource"]["id"] for entry in bundle["entry"]] == ["h2", "h1"]
    assert links(bundle)["self"].endswith(
        "/Observation/$lastn?subject=Patient/ws&code=urn:s|height&date=ge2019&max=2"
    )


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("code=weight", "subject"),
        ("subject:missing=true&code=weight", "subject"),
        ("patient=ws", "category"),
        ("patient=ws&status=final", "category"),
        (f"{_VITAL}&max=0", "max"),
        (f"{_VITAL}&max=x", "max"),
        (f"{_VITAL}&max=1001", "max"),
        (f"{_VITAL}&max=1&max=2", "max"),
        (f"{_VITAL}&_sort=date", "_sort"),
        (f"{_VITAL}&nonsense=1", "nonsense"),
        (f"{_VITAL}&date=yesterday", "date"),
        (f"{_VITAL}&_page=WzFd", "page link"),
        (f"{_VITAL}&_page=WzEsImEiXQ", "page link"),
    ],
)
def test_what_is_missing_or_wrong_is_said(ward: httpx.Client, query: str, text: str) -> None:
    """Without a subject, without a code or category, and with malformed values, the parameter is named."""
    answer = ward.get(f"/Observation/$lastn?{query}")
    assert answer.status_code == 400, answer.text
    assert text in answer.text


def test_lenient(ward: httpx.Client) -> None:
    """A lenient client is told what was ignored."""
    query = f"/Observation/$lastn?{_VITAL}&nonsense=1"
    bundle = ward.get(query, headers={"prefer": "handling=lenient"}).json()
    assert bundle["entry"][-1]["search"]["mode"] == "outcome"
    assert len(bundle["entry"]) == 6


def test_which_parameters_name_a_code() -> None:
    """These are the category, and all whose expression, or that of a component, is a `code` element."""
    found = set()
    for facts in search_parameter_definitions():
        if "Observation" in facts.get("base", ()):
            parts = [
                facts.get("expression", ""),
                *(part["expression"] for part in facts.get("component", ())),
            ]
            if any(re.search(r"(^|\W)(Observation\.|component\.|^)code(\W|$)", part) for part in parts):
                found.add(facts["code"])
    assert {code for code in supported_codes("Observation") if _names_code(code)} == found | {"category"}
