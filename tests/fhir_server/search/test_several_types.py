"""Searches over several resource types, and within compartments. https://hl7.org/fhir/R4/http.html#search"""

from typing import Any

import httpx
import pytest

from tests.fhir_server.search.searching import FORM, Resource, links, page, refusal, store

LENIENT = {"prefer": "handling=lenient"}


def _resource(resource_type: str, resource_id: str, **more: Any) -> Resource:
    return {"resourceType": resource_type, "id": resource_id, **more}


def _observation(resource_id: str, subject: str, date: str | None = None, **more: Any) -> Resource:
    dated = {"effectiveDateTime": date} if date else {}
    about = {"status": "final", "code": {"coding": [{"code": "w"}]}, "subject": {"reference": subject}}
    return _resource("Observation", resource_id, **about, **dated, **more)


def _encounter(resource_id: str, subject: str, start: str | None = None) -> Resource:
    period = {"period": {"start": start, "end": start}} if start else {}
    about = {"status": "finished", "class": {"code": "AMB"}, "subject": {"reference": subject}}
    return _resource("Encounter", resource_id, **about, **period)


RESOURCES = [
    _resource("Patient", "1", language="en"),
    _resource("Patient", "2", language="de", link=[{"other": {"reference": "Patient/1"}, "type": "seealso"}]),
    _resource("Practitioner", "1"),
    _resource("Location", "1"),
    _observation("o1", "Patient/1", "2020-01-03"),
    _encounter("e1", "Patient/1", "2020-01-02"),
    _observation("o2", "Patient/1", "2020-01-01"),
    _observation("o3", "Patient/2", "2020-01-02", performer=[{"reference": "Patient/1"}]),
    _encounter("e2", "Patient/2"),
    _encounter("e3", "Patient/1", "2020-01-05"),
    _observation("o4", "Patient/1"),
    _observation("o5", "Location/1", "2020-01-04", performer=[{"reference": "Practitioner/1"}]),
]


@pytest.fixture(scope="module", autouse=True)
def _stored(client: httpx.Client) -> None:
    for resource in RESOURCES:
        store(client, [resource])


def walked(client: httpx.Client, search: str, *, backwards: bool = False) -> list[str]:
    """Return the last part of the addresses of all matches, page after page."""
    bundle = page(client, search)
    found: list[list[str]] = []
    relation = "previous" if backwards else "next"
    if backwards and "last" in links(bundle):
        bundle = client.get(links(bundle)["last"]).json()
    while True:
        matches = [entry for entry in bundle.get("entry", ()) if entry["search"]["mode"] == "match"]
        found.append([entry["fullUrl"].rpartition("/")[2] for entry in matches])
        if relation not in links(bundle):
            break
        bundle = client.get(links(bundle)[relation]).raise_for_status().json()
    return [one for ids in (reversed(found) if backwards else found) for one in ids]


OVER_TYPES = [
    ("?_type=Observation,Encounter", "o1 o2 o3 o4 o5 e1 e2 e3"),
    ("?_type=Encounter,Observation", "e1 e2 e3 o1 o2 o3 o4 o5"),
    ("?_type=Encounter&_type=Observation", "e1 e2 e3 o1 o2 o3 o4 o5"),
    ("?_type=Encounter,Encounter", "e1 e2 e3"),
    ("?_type=Observation,Encounter&patient=Patient/1", "o1 o2 o4 e1 e3"),
    ("?_type=Observation,Encounter&date=2020-01-02", "o3 e1"),
    ("?_type=Observation&code=w&date=2020-01-02", "o3"),
    ("?_id=1", "1 1 1"),
    ("?_id=1&_type=Patient,Practitioner", "1 1"),
    ("?_id=o1,e1,2", "e1 o1 2"),
    ("?_id=nobody", ""),
    ("?_type=Basic,Flag", ""),
    # one order over all types; what has no value is last, and equal ones come by type
    ("?_type=Observation,Encounter&_sort=date", "o2 o3 e1 o1 o5 e3 o4 e2"),
    ("?_type=Encounter,Observation&_sort=date", "o2 e1 o3 o1 o5 e3 e2 o4"),
    ("?_type=Observation,Encounter&_sort=-date", "e3 o5 o1 o3 e1 o2 o4 e2"),
    ("?_type=Observation,Encounter&_sort=patient,-date", "e3 o1 e1 o2 o4 o3 e2 o5"),
    ("?_type=Observation,Encounter&_sort=-_id", "o5 o4 o3 o2 o1 e3 e2 e1"),
    ("?_type=Observation,Encounter&_sort=_id", "e1 e2 e3 o1 o2 o3 o4 o5"),
    ("?_type=Patient,Observation,Encounter&_sort=_lastUpdated", "1 2 o1 e1 o2 o3 e2 e3 o4 o5"),
    ("?_type=Patient,Observation,Encounter&_sort=-_lastUpdated", "o5 o4 e3 e2 o3 o2 e1 o1 2 1"),
]

IN_COMPARTMENTS = [
    ("Patient/1/Observation?", "o1 o2 o3 o4"),
    ("Patient/1/Observation?date=2020-01-02", "o3"),
    ("Patient/1/Observation?patient=Patient/2", "o3"),
    ("Patient/1/Observation?_sort=-date", "o1 o3 o2 o4"),
    ("Patient/1/Encounter?", "e1 e3"),
    ("Patient/2/Observation?", "o3"),
    ("Patient/nobody/Observation?", ""),
    # https://hl7.org/fhir/R4/compartmentdefinition-patient.html: the patient, and those linked to it
    ("Patient/1/Patient?", "1 2"),
    ("Patient/2/Patient?", "2"),
    ("Practitioner/1/Observation?", "o5"),
    ("Patient/1/*?", "e1 e3 o1 o2 o3 o4 1 2"),
    ("Patient/1/*?_type=Observation,Encounter&_sort=date", "o2 o3 e1 o1 e3 o4"),
    ("Patient/1/*?_lastUpdated=gt2000", "e1 e3 o1 o2 o3 o4 1 2"),
]


@pytest.mark.parametrize("count", [1, 2, 3, 50])
@pytest.mark.parametrize(
    ("search", "expected"), [*OVER_TYPES, *IN_COMPARTMENTS], ids=lambda text: str(text)[:70]
)
@pytest.mark.feature("http.search.system")
@pytest.mark.feature("http.search.compartment")
def test_found(client: httpx.Client, search: str, expected: str, count: int) -> None:
    """On one page and on several, forwards and backwards, nothing is skipped or repeated."""
    if search.startswith("?_id=") or "*" in search:
        # The order of types is that of their names; the two Patients have the ids of others.
        assert sorted(walked(client, f"{search}&_count={count}")) == sorted(expected.split())
    else:
        assert " ".join(walked(client, f"{search}&_count={count}")) == expected
    forwards = walked(client, f"{search}&_count={count}")
    assert walked(client, f"{search}&_count={count}", backwards=True) == forwards


@pytest.mark.feature("http.search.post")
@pytest.mark.parametrize(
    ("address", "form", "expected"),
    [
        ("/_search", {"_type": "Observation", "date": "2020-01-02"}, "o3"),
        ("/Patient/1/_search", {"_type": "Encounter"}, "e1 e3"),
        ("/Patient/1/Observation/_search", {"date": "2020-01-02"}, "o3"),
    ],
)
def test_posted(client: httpx.Client, address: str, form: dict[str, str], expected: str) -> None:
    """Each search can be sent as a form; its pages go on by plain addresses."""
    bundle = client.post(address, data={**form, "_count": "1"}, headers=FORM).raise_for_status().json()
    found = [entry["resource"]["id"] for entry in bundle["entry"]]
    while "next" in links(bundle):
        bundle = client.get(links(bundle)["next"]).json()
        found += [entry["resource"]["id"] for entry in bundle["entry"]]
    assert " ".join(found) == expected
    wrong = client.post(address, json={"resourceType": "Parameters"})
    assert wrong.status_code == 415


def test_totals_are_of_all_types(client: httpx.Client) -> None:
    """`Bundle.total` counts the matches of all types together."""
    assert page(client, "?_type=Observation,Encounter&_summary=count")["total"] == 8
    assert page(client, "?_type=Observation,Encounter&_count=2&_total=accurate")["total"] == 8
    assert page(client, "?_type=Observation,Encounter&_count=2&_total=estimate")["total"] == 8
    assert page(client, "Patient/1/*?_summary=count")["total"] == 8
    assert page(client, "?_summary=count")["total"] == len(RESOURCES)


@pytest.mark.parametrize(
    ("search", "what"),
    [
        ("?_type=Observation,Patient&code=w", "Patient has no search parameter 'code'"),
        ("?_type=Observation,Patient&_sort=code", "Patient"),
        ("?code=w", "_lastUpdated"),
        ("?patient=1", "_type"),
        ("?_type=Nonsense", "'Nonsense'"),
        ("?_type=Observation,,%3Cx%3E", "a value"),
        ("?frobnicate=1", "_lastUpdated"),
        ("?_type=Observation&_elements=frobnicate", "frobnicate"),
        ("Observation?_type=Observation", "_type"),
        ("Patient/1/*?_type=Location", "AllergyIntolerance"),
        ("Patient/1/*?code=w", "_type"),
    ],
)
@pytest.mark.feature("http.search.system.errors")
def test_what_not_all_types_have_is_refused(client: httpx.Client, search: str, what: str) -> None:
    """https://hl7.org/fhir/R4/search.html#all: only what all of the types have can be asked of them."""
    assert what in refusal(client, search)["diagnostics"]


def test_a_lenient_search_over_types_leaves_out_what_one_does_not_have(client: httpx.Client) -> None:
    """The same for all types, and said once."""
    bundle = page(client, "?_type=Observation,Encounter&code=w&date=2020-01-02", headers=LENIENT)
    assert [entry["search"]["mode"] for entry in bundle["entry"]] == ["match", "match", "outcome"]
    assert len(bundle["entry"][-1]["resource"]["issue"]) == 1
    assert links(bundle)["self"].endswith("?_type=Observation,Encounter&date=2020-01-02")


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/Patient/1/Location", 404),  # never in this compartment
        ("/Location/1/Observation", 404),  # no compartment
        ("/Location/1/*", 404),
        ("/Patient/1/Nonsense", 404),
        ("/Patient/a_b/Observation", 400),
        ("/Patient/1/Observation/1", 404),
        ("/Patient/1/*/1", 404),
        ("/Patient/1/Observation/_history", 404),
        ("/*", 404),
    ],
)
@pytest.mark.feature("http.search.compartment.errors")
def test_addresses_that_are_no_compartment(client: httpx.Client, address: str, status: int) -> None:
    """An address that can never have anything says so; an empty answer would hide the mistake."""
    answer = client.get(address)
    assert answer.status_code == status
    assert answer.json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize("address", ["/?_type=Patient", "/Patient/1/Observation", "/Patient/1/*", "/Patient"])
@pytest.mark.feature("http.head.search")
def test_head(client: httpx.Client, address: str) -> None:
    """https://hl7.org/fhir/R4/http.html#head: the headers of GET, without a body."""
    answer = client.head(address)
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 100


def test_entries_of_a_batch_search_everywhere(client: httpx.Client) -> None:
    """A batch takes each of these searches as an entry."""
    urls = ["?_type=Observation&_count=1", "Patient/1/Observation?date=2020-01-02", "Patient/2/*"]
    entries = [{"request": {"method": "GET", "url": url}} for url in urls]
    answer = client.post("", json={"resourceType": "Bundle", "type": "batch", "entry": entries}).json()
    assert [entry["response"]["status"] for entry in answer["entry"]] == ["200 OK"] * 3
    assert [len(entry["resource"]["entry"]) for entry in answer["entry"]] == [1, 1, 3]
