"""$everything of patients and encounters (https://hl7.org/fhir/R4/patient-operation-everything.html)."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from fhir_server.operations import supporting
from fhir_server.operations.care_dates import CARE_DATES
from fhir_server.search.fields import fields
from resources.compartments import compartment_parameters
from tests.fhir_server.search.searching import links, store

Resource = dict[str, Any]


def _reference(name: str) -> Resource:
    return {"reference": name}


def _observation(resource_id: str, subject: str, **elements: Any) -> Resource:
    return {
        "resourceType": "Observation",
        "id": resource_id,
        "status": "final",
        "code": {"text": "x"},
        "subject": _reference(subject),
        **elements,
    }


_ANN, _EVE = "Patient/ann", "Patient/eve"
_ENCOUNTER = {"status": "finished", "class": {"code": "AMB"}}
_ENTERER = {"function": {"text": "admitted"}, "actor": _reference("Practitioner/dr")}
_CONDITION = {"resourceType": "Condition", "subject": _reference(_ANN)}
_RECORDS: list[Resource] = [
    {"resourceType": "Patient", "id": "ann", "managingOrganization": _reference("Organization/clinic")},
    {"resourceType": "Patient", "id": "eve"},
    # An entry of before that was made for the same person: it is in the compartment by its link.
    {"resourceType": "Patient", "id": "ann-2", "link": [{"other": _reference(_ANN), "type": "replaced-by"}]},
    {"resourceType": "Organization", "id": "clinic"},
    {"resourceType": "Organization", "id": "elsewhere"},
    {"resourceType": "Practitioner", "id": "dr"},
    {"resourceType": "Location", "id": "room"},
    {"resourceType": "Medication", "id": "pill"},
    {"resourceType": "Binary", "id": "scan", "contentType": "text/plain", "data": "aGVsbG8="},
    {"resourceType": "Specimen", "id": "pooled"},
    {
        "resourceType": "Encounter",
        "id": "visit",
        **_ENCOUNTER,
        "subject": _reference(_ANN),
        "participant": [{"individual": _reference("Practitioner/dr")}],
        "location": [{"location": _reference("Location/room")}],
        "diagnosis": [{"condition": _reference("Condition/old")}],
        "period": {"start": "2020-05-01", "end": "2020-05-03"},
    },
    {"resourceType": "Encounter", "id": "other-visit", **_ENCOUNTER, "subject": _reference(_EVE)},
    _observation(
        "o1", _ANN, effectiveDateTime="2020-05-02T10:00:00Z", encounter=_reference("Encounter/visit")
    ),
    _observation("o2", _ANN, effectiveDateTime="2021-01-01", specimen=_reference("Specimen/pooled")),
    _observation("o3", _ANN, performer=[_reference("Practitioner/dr"), _reference("Practitioner/nobody")]),
    # Ann performed it, so that it is in her compartment as well as in Eve's.
    _observation("o4", _EVE, effectiveDateTime="2020-05-02", performer=[_reference(_ANN)]),
    # A record of Ann's that refers to another patient, and to a record of hers.
    _observation(
        "o5", _ANN, effectiveDateTime="2020-06", focus=[_reference(_EVE), _reference("Observation/eves")]
    ),
    _observation("eves", _EVE, effectiveDateTime="2020-05-02"),
    {**_CONDITION, "id": "old", "onsetDateTime": "2010"},
    {**_CONDITION, "id": "over", "onsetDateTime": "2010", "abatementDateTime": "2012"},
    {
        "resourceType": "MedicationRequest",
        "id": "order",
        "status": "active",
        "intent": "order",
        "subject": _reference(_ANN),
        "medicationReference": _reference("Medication/pill"),
        "authoredOn": "2020-05-03",
    },
    {
        "resourceType": "DocumentReference",
        "id": "letter",
        "status": "current",
        "subject": _reference(_ANN),
        "content": [{"attachment": {"contentType": "text/plain", "url": "Binary/scan"}}],
    },
]
_COMPARTMENT = {
    *("Patient/ann", "Patient/ann-2", "Encounter/visit", "Condition/old", "Condition/over"),
    *("Observation/o1", "Observation/o2", "Observation/o3", "Observation/o4", "Observation/o5"),
    *("MedicationRequest/order", "DocumentReference/letter"),
}
_IN_MAY = {"Encounter/visit", "Observation/o1", "Observation/o4", "MedicationRequest/order"}
_AFTER_2011 = _IN_MAY | {"Observation/o2", "Observation/o5"}
_REFERRED_TO = {
    *("Organization/clinic", "Practitioner/dr", "Location/room", "Medication/pill", "Binary/scan"),
    "Specimen/pooled",
}


@pytest.fixture(scope="module")
def clinic(client: httpx.Client) -> httpx.Client:
    """A client of a server with the records of two patients."""
    store(client, _RECORDS)
    return client


def _pages(client: httpx.Client, address: str) -> Iterator[Resource]:
    while address:
        answer = client.get(address)
        assert answer.status_code == 200, f"{address}: {answer.text}"
        bundle = answer.json()
        assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "searchset")
        yield bundle
        address = links(bundle).get("next", "")


def _names(bundle: Resource, mode: str = "") -> list[str]:
    return [
        f"{entry['resource']['resourceType']}/{entry['resource']['id']}"
        for entry in bundle.get("entry", [])
        if not mode or entry["search"]["mode"] == mode
    ]


def _all(client: httpx.Client, address: str) -> set[str]:
    names = [name for bundle in _pages(client, address) for name in _names(bundle)]
    assert len(names) == len(set(names)), names
    return set(names)


@pytest.mark.workflow("0-17", "0-32", "2-02")
@pytest.mark.feature("operation.patient-everything")
def test_the_record_of_a_patient(clinic: httpx.Client) -> None:
    """The compartment and what it refers to are one bundle, each resource once, with nobody else's."""
    [bundle] = _pages(clinic, "/Patient/ann/$everything")
    assert set(_names(bundle, "match")) == _COMPARTMENT
    assert set(_names(bundle, "include")) == _REFERRED_TO
    assert len(bundle["entry"]) == len(_COMPARTMENT) + len(_REFERRED_TO)
    assert bundle["total"] == len(_COMPARTMENT)
    assert _names(bundle)[0] == "Patient/ann"
    assert bundle["entry"][0]["fullUrl"] == f"{clinic.base_url}Patient/ann"


@pytest.mark.parametrize("count", [1, 2, 3, 7, 17, 18])
@pytest.mark.feature("operation.everything.paging")
def test_pages_neither_skip_nor_repeat(clinic: httpx.Client, count: int) -> None:
    """Whatever the size of the pages, together they have every resource once, and none is larger."""
    bundles = list(_pages(clinic, f"/Patient/ann/$everything?_count={count}"))
    assert [len(bundle["entry"]) for bundle in bundles[:-1]] == [count] * (len(bundles) - 1)
    assert 0 < len(bundles[-1]["entry"]) <= count
    names = [name for bundle in bundles for name in _names(bundle)]
    assert sorted(names) == sorted(_COMPARTMENT | _REFERRED_TO)


def test_pages_while_others_write(clinic: httpx.Client) -> None:
    """What is stored between two pages moves no resource to another page."""
    address = "/Patient/eve/$everything?_count=2"
    pages = _pages(clinic, address)
    names = _names(next(pages))
    new = _observation("late", _EVE)
    assert clinic.put("/Observation/late", json=new).status_code == 201
    assert (
        clinic.put("/Patient/eve", json={"resourceType": "Patient", "id": "eve", "active": True}).status_code
        == 200
    )
    names += [name for bundle in pages for name in _names(bundle)]
    assert sorted(names) == [
        *("Encounter/other-visit", "Observation/eves", "Observation/late", "Observation/o4", "Patient/eve"),
    ]
    clinic.delete("/Observation/late")


@pytest.mark.parametrize(
    ("period", "gone"),
    [
        ("start=2020-05-02", {"Condition/over"}),
        ("start=2020-05-04", _IN_MAY | {"Condition/over"}),
        ("end=2020-05-01", _AFTER_2011 - {"Encounter/visit"}),
        ("end=2020-05-02", {"MedicationRequest/order", "Observation/o2", "Observation/o5"}),
        ("end=2011", _AFTER_2011),
        ("start=2020-06-30&end=2020-12", _IN_MAY | {"Condition/over", "Observation/o2"}),
        ("start=2020-07-01&end=2020-12", _IN_MAY | {"Condition/over", "Observation/o2", "Observation/o5"}),
    ],
)
@pytest.mark.feature("operation.everything.care-dates")
def test_care_dates(clinic: httpx.Client, period: str, gone: set[str]) -> None:
    """Care outside the dates is left out; what has no date, or overlaps, or goes on, is not."""
    found = _all(clinic, f"/Patient/ann/$everything?{period}")
    assert _COMPARTMENT - found == gone
    assert found == _all(clinic, f"/Patient/ann/$everything?{period}&_count=3")
    assert ("Medication/pill" in found) == ("MedicationRequest/order" in found)
    assert ("Specimen/pooled" in found) == ("Observation/o2" in found)


@pytest.mark.workflow("4-11")
@pytest.mark.feature("operation.everything.type")
def test_types(clinic: httpx.Client) -> None:
    """_type limits what is returned, given with commas, given again, or in Parameters."""
    wanted = {"Practitioner/dr", "Condition/old", "Condition/over"}
    for address in ("_type=Practitioner,Condition", "_type=Condition&_type=Practitioner"):
        assert _all(clinic, f"/Patient/ann/$everything?{address}") == wanted
    body = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "_type", "valueCode": "Practitioner,Condition"},
            {"name": "_count", "valueInteger": 2},
        ],
    }
    first = clinic.post("/Patient/ann/$everything", json=body).json()
    rest = [name for bundle in _pages(clinic, links(first)["next"]) for name in _names(bundle)]
    assert sorted(_names(first) + rest) == sorted(wanted)


@pytest.mark.feature("operation.everything.since")
def test_since(clinic: httpx.Client) -> None:
    """Only what was stored at the given moment or later is returned, of what is referred to as well."""
    organization = {"resourceType": "Organization", "id": "clinic", "name": "New"}
    moment = clinic.put("/Organization/clinic", json=organization).json()["meta"]["lastUpdated"]
    assert _all(clinic, f"/Patient/ann/$everything?_since={moment}") == {"Organization/clinic"}
    clinic.put("/Observation/o1", json={**clinic.get("/Observation/o1").json(), "status": "amended"})
    found = _all(clinic, f"/Patient/ann/$everything?_since={moment}&_count=1")
    assert found == {"Organization/clinic", "Observation/o1"}


@pytest.mark.feature("operation.encounter-everything")
def test_the_record_of_an_encounter(clinic: httpx.Client) -> None:
    """The encounter, what took place in it, and what these refer to, the patient among it."""
    [bundle] = _pages(clinic, "/Encounter/visit/$everything")
    assert set(_names(bundle, "match")) == {"Encounter/visit", "Observation/o1"}
    assert set(_names(bundle, "include")) == {
        "Patient/ann",
        "Practitioner/dr",
        "Location/room",
        "Condition/old",
    }
    assert _all(clinic, "/Encounter/visit/$everything?_count=1") == set(_names(bundle))
    assert clinic.get("/Encounter/visit/$everything?start=2020").status_code == 400


@pytest.mark.feature("operation.patient-everything.type-level")
def test_the_records_of_all_patients(clinic: httpx.Client) -> None:
    """On the type it is the records of every patient, and all that supports records."""
    expected = {f"{record['resourceType']}/{record['id']}" for record in _RECORDS} - {"Specimen/pooled"}
    for count in (1000, 5, 1):
        assert _all(clinic, f"/Patient/$everything?_count={count}") == expected
    dated = _all(clinic, "/Patient/$everything?start=2020-07&_type=Observation")
    assert dated == {"Observation/o2", "Observation/o3"}


@pytest.mark.parametrize(
    ("address", "status", "text"),
    [
        ("/Patient/nobody/$everything", 404, "There is no Patient/nobody"),
        ("/Encounter/nobody/$everything", 404, "There is no Encounter/nobody"),
        ("/Encounter/$everything", 404, "no such operation"),
        ("/Patient/ann/$everything?_count=0", 400, "_count"),
        ("/Patient/ann/$everything?_count=x", 400, "_count"),
        ("/Patient/ann/$everything?_type=Nonsense", 400, "_type"),
        ("/Patient/ann/$everything?start=ge2020", 400, "start"),
        ("/Patient/ann/$everything?end=tomorrow", 400, "end"),
        ("/Patient/ann/$everything?_since=x", 400, "_since"),
        ("/Patient/ann/$everything?start=2020&start=2021", 400, "start is given once"),
        ("/Patient/ann/$everything?_page=x", 400, "page link"),
        ("/Patient/ann/$everything?_page=WzEsbnVsbCwxXQ", 400, "page link"),
        ("/Patient/ann/$everything?other=1", 400, "'other'"),
    ],
)
def test_what_is_wrong_is_said(clinic: httpx.Client, address: str, status: int, text: str) -> None:
    """Unknown patients and malformed parameters are refused by name."""
    answer = clinic.get(address)
    assert answer.status_code == status, answer.text
    assert text in answer.text


def test_a_link_belongs_to_one_record(clinic: httpx.Client) -> None:
    """A link tells nothing of what it leads to, and leads to no other patient's record."""
    bundle = clinic.get("/Patient/ann/$everything?_count=2&start=2020-05-01&_format=json").json()
    address = links(bundle)["next"]
    assert "2020" not in address
    assert "_format=json" in address
    second = clinic.get(address)
    assert second.status_code == 200
    assert links(second.json())["self"].split("?")[0].endswith("/Patient/ann/$everything")
    for other in (
        address.replace("/ann/", "/eve/"),
        address.replace("_page=", "_page=A"),
        f"{address}&_count=3",
    ):
        answer = clinic.get(other)
        assert answer.status_code == 400, other
        assert "page link" in answer.text


def test_references_are_held_a_few_at_a_time(clinic: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """However few references may be held at once, all resources come, each once."""
    monkeypatch.setattr(supporting, "_MOST_HELD", 1)
    monkeypatch.setattr(supporting, "_READ_AT_ONCE", 2)
    for count in (100, 4, 1):
        assert _all(clinic, f"/Patient/ann/$everything?_count={count}") == _COMPARTMENT | _REFERRED_TO


def test_a_deleted_patient_has_no_record(client: httpx.Client) -> None:
    """The record of a patient who was deleted is gone, and the answer says so."""
    client.put("/Patient/gone", json={"resourceType": "Patient", "id": "gone"})
    client.delete("/Patient/gone")
    assert client.get("/Patient/gone/$everything").status_code == 410


def test_care_dates_are_search_parameters_of_the_compartment() -> None:
    """Each type with a care date is in the compartment, and its parameter is a date with one field."""
    for resource_type, code in {**CARE_DATES, "Condition": "abatement-date"}.items():
        assert compartment_parameters("Patient", resource_type), resource_type
        [field] = fields(resource_type)[code]
        assert field.type == "date"
