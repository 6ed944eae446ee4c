"""Search parameters that a hospital adds: https://hl7.org/fhir/R4/searchparameter.html."""

from typing import Any

import httpx
import pytest

from tests.fhir_server.reindexing.adding import ACME, Json, add, definition, found, reindex

COLOUR = f"{ACME}/colour"


def _extension(name: str, **value: Any) -> Json:
    return {"url": f"{ACME}/{name}", **value}


def _patient(name: str, *extensions: Json, **elements: Any) -> Json:
    return {"resourceType": "Patient", "id": name, "extension": [*extensions], **elements}


PATIENTS = [
    _patient(
        "ann",
        _extension("colour", valueCodeableConcept={"coding": [{"system": "urn:c", "code": "red"}]}),
        _extension("visited", valueDate="2020-03-01"),
        _extension("host", valueReference={"reference": "Organization/top"}),
        _extension("motto", valueString="Hôpital first"),
        _extension(
            "height",
            valueQuantity={"value": 1.7, "unit": "m", "system": "http://unitsofmeasure.org", "code": "m"},
        ),
        _extension("cats", valueInteger=2),
        _extension("home", valueUrl="http://ann.example.org"),
        _extension(
            "pet",
            extension=[{"url": "kind", "valueCode": "cat"}, {"url": "age", "valueQuantity": {"value": 3}}],
        ),
        _extension(
            "pet",
            extension=[{"url": "kind", "valueCode": "dog"}, {"url": "age", "valueQuantity": {"value": 9}}],
        ),
        birthDate="1980-01-01",
        _birthDate={"extension": [_extension("born", valueDateTime="1980-01-01T10:00:00Z")]},
        managingOrganization={"reference": "Organization/top"},
    ),
    _patient(
        "bob",
        _extension("colour", valueCode="blue"),
        _extension("colour", valueCoding={"system": "urn:d", "code": "RED"}),
        _extension("visited", valueDate="2021-03-01"),
        _extension("cats", valueInteger=5),
        _extension(
            "pet",
            extension=[{"url": "kind", "valueCode": "cat"}, {"url": "age", "valueQuantity": {"value": 9}}],
        ),
    ),
    _patient("cid", _extension("other", valueCode="red")),
]
for _one in PATIENTS:
    if not _one["extension"]:
        del _one["extension"]

DEFINITIONS = [
    definition("colour", f"Patient.extension.where(url='{COLOUR}').value"),
    definition("visited", f"Patient.extension('{ACME}/visited').value.as(date)", type="date"),
    definition(
        "host",
        f"(Patient.extension('{ACME}/host').value as Reference)",
        type="reference",
        target=["Organization"],
    ),
    definition("motto", f"Patient.extension('{ACME}/motto').value.ofType(string)", type="string"),
    definition("height", f"Patient.extension('{ACME}/height')", type="quantity"),
    definition("cats", f"Patient.extension('{ACME}/cats').value", type="number"),
    definition("home", f"Patient.extension('{ACME}/home').value.as(url)", type="uri"),
    definition("born", f"Patient.birthDate.extension('{ACME}/born').value", type="date"),
    definition("pet-kind", f"Patient.extension('{ACME}/pet').extension.where(url='kind').value"),
    definition(
        "pet-age", f"Patient.extension('{ACME}/pet').extension.where(url='age').value", type="quantity"
    ),
    definition(
        "pet",
        "Patient.extension",
        type="composite",
        component=[
            {
                "definition": f"{ACME}/SearchParameter/pet-kind",
                "expression": "extension.where(url='kind').value.as(code)",
            },
            {
                "definition": f"{ACME}/SearchParameter/pet-age",
                "expression": "extension.where(url='age').value.as(Quantity)",
            },
        ],
    ),
]


@pytest.fixture(scope="module", autouse=True)
def _indexed(client: httpx.Client) -> None:
    top = {"resourceType": "Organization", "id": "top", "name": "Top"}
    assert client.put("/Organization/top", json=top).status_code == 201
    ann, *others = PATIENTS
    assert client.put("/Patient/ann", json=ann).status_code == 201
    add(client, *DEFINITIONS)
    # Some were there before the parameters, some came before the reindexing.
    for patient in others:
        assert client.put(f"/Patient/{patient['id']}", json=patient).status_code == 201
    state = reindex(client)
    assert (state["percent"], state["total"], state["done"]) == (100, 3, 3)


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("colour=urn:c|red", ["ann"]),
        ("colour=red", ["ann", "bob"]),
        ("colour=blue,green", ["bob"]),
        ("colour:not=red", ["cid"]),
        ("colour:missing=true", ["cid"]),
        ("colour:missing=false", ["ann", "bob"]),
        ("visited=2020-03-01", ["ann"]),
        ("visited=gt2020-06", ["bob"]),
        ("_sort=-visited", ["bob", "ann", "cid"]),
        ("_sort=visited", ["ann", "bob", "cid"]),
        ("_sort=-cats&_count=1", ["bob"]),
        ("host=Organization/top", ["ann"]),
        ("host=top", ["ann"]),
        ("host.name=top", ["ann"]),
        ("host:Organization.name=nothing", []),
        ("motto=hopital", ["ann"]),
        ("motto:exact=Hôpital first", ["ann"]),
        ("motto:contains=FIRST", ["ann"]),
        ("height=1.7", ["ann"]),
        ("height=gt1|http://unitsofmeasure.org|m", ["ann"]),
        ("height=gt1|http://unitsofmeasure.org|kg", []),
        ("cats=2", ["ann"]),
        ("cats=ge2", ["ann", "bob"]),
        ("home=http://ann.example.org", ["ann"]),
        ("born=1980-01-01T10:00:00Z", ["ann"]),
        ("pet-kind=dog", ["ann"]),
        ("pet=cat$9", ["bob"]),
        ("pet=cat$3", ["ann"]),
        ("pet=dog$3", []),
        ("colour=red&visited=lt2021", ["ann"]),
    ],
)
@pytest.mark.feature("search.custom")
def test_searches(client: httpx.Client, search: str, expected: list[str]) -> None:
    """Each type of parameter is found by, on extensions of all sorts."""
    assert found(client, search) == expected


@pytest.mark.feature("search.custom")
def test_other_resources_find_by_it(client: httpx.Client) -> None:
    """A custom reference leads on in a reverse chain too."""
    answer = client.get("/Organization?_has:Patient:host:colour=red")
    assert [entry["resource"]["id"] for entry in answer.json()["entry"]] == ["top"]


@pytest.mark.feature("search.custom")
def test_the_capability_statement_lists_it(client: httpx.Client) -> None:
    """What can be searched by is told: https://hl7.org/fhir/R4/capabilitystatement.html."""
    [rest] = client.get("/metadata").json()["rest"]
    [patient] = [one for one in rest["resource"] if one["type"] == "Patient"]
    listed = {one["name"]: one for one in patient["searchParam"]}
    assert listed["visited"]["definition"] == f"{ACME}/SearchParameter/visited"
    assert listed["visited"]["type"] == "date"
    assert {one["code"] for one in DEFINITIONS} <= listed.keys()


@pytest.mark.parametrize(
    "search",
    ["colour=red", "pet=cat$9", "_sort=visited", "_filter=cats gt 1", "host.name=top", "colour:missing=true"],
)
def test_contained_resources_are_not_searched_by_it(client: httpx.Client, search: str) -> None:
    """A reindexing looks at the resources of a type, not at what contains some: refused, not wrong."""
    answer = client.get(f"/Patient?_contained=true&{search}")
    assert answer.status_code == 400, answer.text
    assert "contained" in answer.json()["issue"][0]["diagnostics"]


@pytest.mark.feature("search.custom")
@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("/Patient?_id=ann&_include=Patient:host", {"ann", "top"}),
        ("/Organization?_id=top&_revinclude=Patient:host", {"top", "ann"}),
        ("/Patient?_id=ann&_include=*", {"ann", "top"}),
    ],
)
def test_what_it_refers_to_is_included(client: httpx.Client, search: str, expected: set[str]) -> None:
    """https://hl7.org/fhir/R4/search.html#revinclude."""
    entries = client.get(search).json()["entry"]
    assert {entry["resource"]["id"] for entry in entries} == expected


@pytest.mark.feature("search.custom")
def test_new_resources_are_found_at_once(client: httpx.Client) -> None:
    """A resource that is created, changed or deleted afterwards is found by what it is then."""
    dan = _patient("dan", _extension("visited", valueDate="1999-09-09"))
    client.put("/Patient/dan", json=dan)
    assert found(client, "visited=1999-09-09") == ["dan"]
    dan["extension"] = [_extension("visited", valueDate="1998-08-08")]
    client.put("/Patient/dan", json=dan)
    assert (found(client, "visited=1999-09-09"), found(client, "visited=1998-08-08")) == ([], ["dan"])
    client.delete("/Patient/dan")
    assert found(client, "visited=1998-08-08") == []
