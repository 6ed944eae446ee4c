"""_contained and _containedType. https://hl7.org/fhir/R4/search.html#contained"""

from typing import Any

import httpx
import pytest

from tests.fhir_server.search.searching import Resource, links, page, refusal, store


def _medication(resource_id: str, code: str, **more: Any) -> Resource:
    concept = {"coding": [{"system": "urn:drugs", "code": code}]}
    return {"resourceType": "Medication", "id": resource_id, "code": concept, **more}


def _request(resource_id: str, *contained: Resource, **more: Any) -> Resource:
    return {
        "resourceType": "MedicationRequest",
        "id": resource_id,
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/1"},
        "medicationReference": {"reference": f"#{contained[0]['id']}"},
        "contained": list(contained),
        **more,
    }


RESOURCES = [
    {"resourceType": "Patient", "id": "1"},
    {"resourceType": "Organization", "id": "o"},
    _medication("free", "abc", status="active"),
    _request("r1", _medication("m1", "abc", status="inactive")),
    _request(
        "r2", _medication("m1", "abc"), _medication("m2", "def"), _medication("m3", "abc", status="active")
    )
    | {"reasonReference": [{"reference": "#m2"}, {"reference": "#m3"}]},
    {
        "resourceType": "MedicationDispense",
        "id": "d1",
        "status": "completed",
        "medicationReference": {"reference": "#m1"},
        "contained": [_medication("m1", "def", manufacturer={"reference": "Organization/o"})],
    },
    _medication("other", "ghi"),
]


@pytest.fixture(scope="module", autouse=True)
def _stored(client: httpx.Client) -> None:
    for resource in RESOURCES:
        # `reasonReference` is of no matter here; it makes the contained resources referred to.
        answer = client.put(f"/{resource['resourceType']}/{resource['id']}", json=_valid(resource))
        assert answer.status_code == 201, answer.text


def _valid(resource: Resource) -> Resource:
    found = {key: value for key, value in resource.items() if key != "reasonReference"}
    extra = [{"url": "urn:also", "valueReference": one} for one in resource.get("reasonReference", ())]
    return found | ({"extension": extra} if extra else {})


def addresses(client: httpx.Client, search: str, relation: str = "next") -> list[str]:
    """Return what of the addresses of all matches comes after the base, page after page."""
    bundle = page(client, search)
    if relation == "previous" and "last" in links(bundle):
        bundle = client.get(links(bundle)["last"]).raise_for_status().json()
    pages: list[list[str]] = []
    while True:
        matches = [entry for entry in bundle.get("entry", ()) if entry["search"]["mode"] == "match"]
        pages.append([entry["fullUrl"].partition("/fhir/")[2] for entry in matches])
        if relation not in links(bundle):
            break
        bundle = client.get(links(bundle)[relation]).raise_for_status().json()
    ordered = pages if relation == "next" else pages[::-1]
    return [address for found in ordered for address in found]


_IN_R = "MedicationRequest/r1#m1 MedicationRequest/r2#m1 MedicationRequest/r2#m3"

TABLE = [
    # "By default, search results only include resources that are not contained in other resources."
    ("Medication?code=abc", "Medication/free"),
    ("Medication?code=abc&_contained=false", "Medication/free"),
    # "true": only contained ones; what comes is the container if nothing else is said
    ("Medication?code=abc&_contained=true", "MedicationRequest/r1 MedicationRequest/r2"),
    (
        "Medication?code=abc&_contained=true&_containedType=container",
        "MedicationRequest/r1 MedicationRequest/r2",
    ),
    ("Medication?code=abc&_contained=true&_containedType=contained", _IN_R),
    ("Medication?code=urn:drugs|def&_contained=true", "MedicationRequest/r2 MedicationDispense/d1"),
    (
        "Medication?code=def&_contained=true&_containedType=contained",
        "MedicationRequest/r2#m2 MedicationDispense/d1#m1",
    ),
    ("Medication?code=abc&status=active&_contained=true&_containedType=contained", "MedicationRequest/r2#m3"),
    ("Medication?code:not=abc&_contained=true", "MedicationRequest/r2 MedicationDispense/d1"),
    ("Medication?manufacturer=Organization/o&_contained=true", "MedicationDispense/d1"),
    ("Medication?_id=m2&_contained=true&_containedType=contained", "MedicationRequest/r2#m2"),
    ("Medication?_id=free&_contained=true", ""),
    ("Medication?code=ghi&_contained=true", ""),
    ("Patient?_contained=true", ""),
    # "both"
    ("Medication?code=abc&_contained=both", "Medication/free MedicationRequest/r1 MedicationRequest/r2"),
    ("Medication?code=abc&_contained=both&_containedType=contained", f"Medication/free {_IN_R}"),
    # one order over all of them
    (
        "Medication?status:missing=false&_contained=both&_containedType=contained&_sort=status",
        "Medication/free MedicationRequest/r2#m3 MedicationRequest/r1#m1",
    ),
    (
        "Medication?code=abc&_contained=both&_containedType=contained&_sort=-status",
        "MedicationRequest/r1#m1 Medication/free MedicationRequest/r2#m3 MedicationRequest/r2#m1",
    ),
]


@pytest.mark.parametrize("count", [1, 2, 50])
@pytest.mark.parametrize(("search", "expected"), TABLE, ids=[row[0] for row in TABLE])
@pytest.mark.feature("search.result._contained")
@pytest.mark.feature("search.result._containedType")
def test_contained(client: httpx.Client, search: str, expected: str, count: int) -> None:
    """On one page and on several, in both directions."""
    found = addresses(client, f"{search}&_count={count}")
    ordered = expected.split() if "_sort" in search else sorted(expected.split())
    assert (found if "_sort" in search else sorted(found)) == ordered
    assert addresses(client, f"{search}&_count={count}", "previous") == found
    assert page(client, f"{search}&_total=accurate&_count={count}")["total"] == len(ordered)
    assert page(client, f"{search}&_summary=count")["total"] == len(ordered)


def test_the_entry_of_a_contained_resource(client: httpx.Client) -> None:
    """The address names the container and the place in it; the resource is the contained one."""
    [entry] = page(client, "Medication?_id=m2&_contained=true&_containedType=contained")["entry"]
    assert entry["fullUrl"].endswith("/fhir/MedicationRequest/r2#m2")
    assert entry["resource"] == _medication("m2", "def")
    assert entry["search"] == {"mode": "match"}
    [entry] = page(client, "Medication?_id=m2&_contained=true")["entry"]
    assert entry["resource"] == client.get("/MedicationRequest/r2").json()


def test_what_a_contained_resource_refers_to_is_included(client: httpx.Client) -> None:
    """`_include` follows the references of what comes."""
    search = "Medication?code=def&_contained=true&_containedType=contained&_include=Medication:manufacturer"
    modes = [entry["search"]["mode"] for entry in page(client, search)["entry"]]
    assert modes == ["match", "match", "include"]


def test_an_update_changes_what_is_found(client: httpx.Client) -> None:
    """The values of contained resources are those of the current version."""
    before, after = _request("u", _medication("m", "old")), _request("u", _medication("m", "new"))
    for code, resource in (("old", before), ("new", after)):
        store(client, [resource])
        assert addresses(client, f"Medication?code={code}&_contained=true") == ["MedicationRequest/u"]
    assert addresses(client, "Medication?code=old&_contained=true") == []
    client.delete("/MedicationRequest/u")
    assert addresses(client, "Medication?code=new&_contained=true") == []


@pytest.mark.parametrize(
    ("search", "what"),
    [
        ("Medication?_contained=yes", "true, false or both"),
        ("Medication?_contained=true&_contained=both", "twice"),
        ("Medication?_containedType=all", "container or contained"),
        ("?_type=Medication&_contained=true", "one resource type"),
        ("Patient/1/MedicationRequest?_contained=true", "one resource type"),
    ],
)
@pytest.mark.feature("search.result._contained.errors")
def test_what_is_not_understood(client: httpx.Client, search: str, what: str) -> None:
    """An error says what would be."""
    assert what in refusal(client, search)["diagnostics"]
