""":above, :below and :identifier of references, and :above and :below of addresses.

https://hl7.org/fhir/R4/search.html#recursive, https://hl7.org/fhir/R4/search.html#uri
"""

import httpx
import pytest

from fhir_server.search.fields import fields
from fhir_server.search.hierarchies import part_of
from resources.definitions import resource_types
from tests.fhir_server.search.searching import Resource, Row, check, encoded, refusal, row_id, store

ACME = "http://acme.org/fhir"


def _location(name: str, part_of: str | None = None) -> Resource:
    whole = {"partOf": {"reference": part_of}} if part_of else {}
    return {"resourceType": "Location", "id": name, "name": name, **whole}


def _at(name: str, *locations: str) -> Resource:
    return {
        "resourceType": "Procedure",
        "id": name,
        "status": "completed",
        "subject": {"reference": "Patient/1"},
        "location": {"reference": locations[0]},
    }


def _value_set(name: str, url: str, version: str | None = None) -> Resource:
    more = {"version": version} if version else {}
    return {"resourceType": "ValueSet", "id": name, "url": url, "status": "draft", **more}


def _response(name: str, questionnaire: str) -> Resource:
    return {
        "resourceType": "QuestionnaireResponse",
        "id": name,
        "status": "completed",
        "questionnaire": questionnaire,
    }


def _logical(name: str, **subject: object) -> Resource:
    code = {"text": "x"}
    return {"resourceType": "Observation", "id": name, "status": "final", "code": code, "subject": subject}


RESOURCES = [
    _location("hospital"),
    _location("house", "Location/hospital"),
    _location("ward", "Location/house"),
    _location("room", "Location/ward/_history/1"),
    _location("clinic"),
    _location("east", "Location/west"),
    _location("west", "Location/east"),
    _at("in-house", "Location/house"),
    _at("in-room", "Location/room"),
    _at("in-clinic", "Location/clinic"),
    _at("in-west", "Location/west"),
    _value_set("one", f"{ACME}/ValueSet/1", "1.2.3"),
    _value_set("two", f"{ACME}/ValueSet/2", "1.20"),
    _value_set("three", f"{ACME}/ValueSet/2", "1.2"),
    _value_set("root", ACME),
    _value_set("neighbour", "http://acme.org/fhirs/ValueSet/1"),
    _value_set("urn", "urn:oid:1.2.3"),
    _response("form-1", f"{ACME}/Questionnaire/a|1.0"),
    _response("form-2", f"{ACME}/Questionnaire/a|2.0.1"),
    _response("form", f"{ACME}/Questionnaire/a"),
    _response("other-form", f"{ACME}/Questionnaire/b|1.0"),
    _logical("known", identifier={"system": "urn:mrn", "value": "A1"}),
    _logical("same-value", identifier={"system": "urn:other", "value": "a1"}),
    _logical("no-system", identifier={"value": "A1"}),
    _logical("typed", type="Patient", identifier={"system": "urn:mrn", "value": "B2"}),
    _logical("literal", reference="Patient/A1"),
]


@pytest.fixture(scope="module", autouse=True)
def _stored(client: httpx.Client) -> None:
    for resource in RESOURCES:
        client.put(f"/{resource['resourceType']}/{resource['id']}", json=resource).raise_for_status()


REFERENCES: list[Row] = [
    # "not only all procedures that occurred at location A101, but also any ... that were part of A101"
    ("recursive", "Procedure?location:below=hospital", "in-house in-room"),
    ("recursive", "Procedure?location:below=Location/ward", "in-room"),
    ("recursive", "Procedure?location:below=BASE/Location/ward", "in-room"),
    ("recursive", "Procedure?location:below=ward,clinic", "in-room in-clinic"),
    ("recursive", "Procedure?location:below=unknown", ""),
    ("recursive", "Procedure?location:above=room", "in-house in-room"),
    ("recursive", "Procedure?location:above=house", "in-house"),
    ("recursive", "Location?partof:below=hospital", "house ward room"),
    ("recursive", "Location?partof:above=ward", "house ward room"),
    # a circle has an end
    ("recursive", "Procedure?location:below=east", "in-west"),
    ("recursive", "Procedure?location:above=west", "in-west"),
]

URIS: list[Row] = [
    ("uri", f"ValueSet?url:below={ACME}/", "one two three root"),
    ("uri", f"ValueSet?url:below={ACME}", "one two three root"),
    ("uri", f"ValueSet?url:below={ACME}/ValueSet", "one two three"),
    ("uri", f"ValueSet?url:below={ACME}/ValueSet/1", "one"),
    ("uri", f"ValueSet?url:below={ACME}/Value", ""),
    ("uri", f"ValueSet?url:below={ACME}/ValueSet/1,http://acme.org/fhirs", "one neighbour"),
    ("uri", f"ValueSet?url:above={ACME}/ValueSet/1/_history/5", "one root"),
    ("uri", f"ValueSet?url:above={ACME}/ValueSet/1", "one root"),
    ("uri", f"ValueSet?url:above={ACME}", "root"),
    ("uri", f"ValueSet?url:below={ACME}/ValueSet/1|1", "one"),
    ("uri", f"ValueSet?url:below={ACME}/ValueSet/2|1.2", "three"),
    ("uri", f"ValueSet?url:above={ACME}/ValueSet/2|1.2.9", "three"),
    ("reference", f"QuestionnaireResponse?questionnaire:below={ACME}/Questionnaire/a", "form-1 form-2 form"),
    ("reference", f"QuestionnaireResponse?questionnaire:below={ACME}/Questionnaire/a|2", "form-2"),
    ("reference", f"QuestionnaireResponse?questionnaire:above={ACME}/Questionnaire/a|1.0.5", "form-1"),
    ("reference", f"QuestionnaireResponse?questionnaire:below={ACME}", "form-1 form-2 form other-form"),
]

IDENTIFIERS: list[Row] = [
    ("reference", "Observation?subject:identifier=urn:mrn|A1", "known"),
    ("reference", "Observation?subject:identifier=a1", "known same-value no-system"),
    ("reference", "Observation?subject:identifier=|A1", "no-system"),
    ("reference", "Observation?subject:identifier=urn:mrn|", "known typed"),
    ("reference", "Observation?subject:identifier=urn:mrn|A1,urn:other|", "known same-value"),
    ("reference", "Observation?patient:identifier=urn:mrn|", "typed"),
    ("reference", "Observation?subject=A1", "literal"),
]


@pytest.mark.feature("search.reference.above")
@pytest.mark.feature("search.reference.below")
@pytest.mark.parametrize("row", REFERENCES, ids=row_id)
def test_parts(client: httpx.Client, base_url: str, row: Row) -> None:
    """:below asks for a resource and all that are part of it, on any level."""
    anchor, search, expected = row
    check(client, (anchor, search.replace("BASE", base_url), expected))


@pytest.mark.feature("search.uri.above")
@pytest.mark.feature("search.uri.below")
@pytest.mark.feature("search.reference.canonical")
@pytest.mark.parametrize("row", URIS, ids=row_id)
def test_addresses(client: httpx.Client, row: Row) -> None:
    """:below asks for all addresses whose path goes on from one, :above for those from which it goes on."""
    check(client, row)


@pytest.mark.feature("search.reference.identifier")
@pytest.mark.parametrize("row", IDENTIFIERS, ids=row_id)
def test_identifiers(client: httpx.Client, row: Row) -> None:
    """:identifier asks for the identifier in a reference, as a token."""
    check(client, row)


@pytest.mark.parametrize(
    ("search", "form"),
    [
        ("ValueSet?url:below=urn:oid:1.2", "no URN"),
        ("ValueSet?url:above=x", "URL"),
        ("ValueSet?url:above=http://a.example/" + "a/" * 60, "URL"),
        ("ValueSet?url:below=http://a.example/" + "a" * 1000, "URL"),
        ("ValueSet?url:above=http://a.example|" + "1." * 60, "URL"),
        ("ValueSet?url:above=a|http://b", "URL"),
        ("Procedure?location:below=Patient/1", "Location/id"),
        ("Procedure?location:below=,", "Location/id"),
        ("QuestionnaireResponse?questionnaire:below=a", "canonical URL"),
        ("Observation?subject:identifier=a|b|c", "system|value"),
        ("Observation?subject:identifier=|", "system|value"),
        ("Procedure?patient:below=1", ":identifier"),
    ],
)
def test_malformed_values_name_the_form(client: httpx.Client, search: str, form: str) -> None:
    """https://hl7.org/fhir/R4/search.html#errors: 400 with what would be right."""
    assert form in refusal(client, search)["diagnostics"]


def test_a_hierarchy_that_is_too_large_is_refused(client: httpx.Client) -> None:
    """A resource below more levels than are followed is an error, never a part of the answer."""
    chain = [
        _location("level-0"),
        *(_location(f"level-{n}", f"Location/level-{n - 1}") for n in range(1, 102)),
    ]
    store(client, chain)
    answer = client.get(encoded("Procedure?location:below=level-0"))
    assert answer.status_code == 408
    check(client, ("recursive", "Procedure?location:below=level-90", ""))


def test_the_fields_of_hierarchies() -> None:
    """Each type with a hierarchy keeps it under the code of the parameter that names it."""
    found = {name: parameter.code for name in resource_types() if (parameter := part_of(name))}
    assert found.keys() >= {"Location", "Organization", "Encounter", "Task", "Specimen", "Procedure"}
    for name, code in found.items():
        assert [field.path for field in fields(name)[code]] == [f"search.{code}"]
