"""token: the modifiers, and what they ask the terminology room.

https://hl7.org/fhir/R4/search.html#modifiers, https://hl7.org/fhir/R4/search.html#token
"""

import httpx
import pytest

from fhir_server.search.fields import fields
from fhir_server.search.terminologies import URL_PATHS
from tests.fhir_server.search.searching import Resource, Row, check, encoded, refusal, row_id, store

ROLE = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
WARDS = "http://acme.org/CodeSystem/wards"
SETS = "http://acme.org/ValueSet"
TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"
GENDERS = "http://hl7.org/fhir/ValueSet/administrative-gender"


def _condition(name: str, *codings: Resource, text: str | None = None) -> Resource:
    code: Resource = {"coding": list(codings)} if codings else {}
    if text is not None:
        code["text"] = text
    return {"resourceType": "Condition", "id": name, "subject": {"reference": "Patient/1"}, "code": code}


def _identified(name: str, value: str, code: str | None = None, text: str | None = None) -> Resource:
    type_: Resource = {"coding": [{"system": TYPES, "code": code}]} if code else {}
    if text is not None:
        type_["text"] = text
    identifier = {"system": "urn:ids", "value": value, **({"type": type_} if type_ else {})}
    return {"resourceType": "Practitioner", "id": name, "identifier": [identifier]}


def _encounter(name: str, code: str) -> Resource:
    return {
        "resourceType": "Encounter",
        "id": name,
        "status": "finished",
        "class": {"system": ACT, "code": code, "display": f"Class {code}"},
    }


def _patient(name: str, **elements: object) -> Resource:
    return {"resourceType": "Patient", "id": name, **elements}


def _value_set(name: str, version: str, *include: Resource, status: str = "active") -> Resource:
    return {
        "resourceType": "ValueSet",
        "id": f"{name}-{version}",
        "url": f"{SETS}/{name}",
        "version": version,
        "status": status,
        "compose": {"include": list(include)},
    }


RESOURCES = [
    {
        "resourceType": "CodeSystem",
        "id": "wards",
        "url": WARDS,
        "status": "active",
        "content": "complete",
        "concept": [
            {
                "code": "inner",
                "concept": [{"code": "cardio", "concept": [{"code": "CCU"}]}, {"code": "gastro"}],
            },
            {"code": "surgery"},
        ],
    },
    _value_set("inner", "1", {"system": WARDS, "concept": [{"code": "gastro"}]}),
    _value_set(
        "inner", "2", {"system": WARDS, "filter": [{"property": "concept", "op": "is-a", "value": "cardio"}]}
    ),
    _value_set("inner", "3", {"system": WARDS}, status="draft"),
    _value_set("all", "1", {"valueSet": [f"{SETS}/inner|1"]}, {"valueSet": [f"{SETS}/inner|2"]}),
    _value_set("circle", "1", {"valueSet": [f"{SETS}/circle"]}),
    _value_set("clinical", "1", {"system": "http://snomed.info/sct"}),
    _value_set("large", "1", {"system": "urn:l", "concept": [{"code": str(n)} for n in range(10_001)]}),
    _condition("cardio", {"system": WARDS, "code": "cardio", "display": "Heart Ward"}),
    _condition("ccu", {"system": WARDS, "code": "ccu"}, text="Coronary care"),
    _condition("gastro", {"system": WARDS, "code": "gastro", "display": "Médecine interne"}),
    _condition("surgery", {"system": WARDS, "code": "surgery"}, {"system": "urn:x", "code": "cardio"}),
    _condition("other", {"system": "urn:x", "code": "cardio", "display": "Not of the heart"}),
    _condition("text", text="heart-attack"),
    _identified("mr", "12345", "MR"),
    _identified("dl", "12345", "DL", "Driving licence"),
    _identified("untyped", "12345"),
    _encounter("ambulatory", "AMB"),
    _encounter("inpatient", "IMP"),
    _encounter("acute", "ACUTE"),
    _patient("male", gender="male", contact=[{"relationship": [{"text": "x"}]}]),
    _patient("other-gender", gender="other"),
    _patient("no-gender"),
    {
        "resourceType": "DocumentReference",
        "id": "png",
        "status": "current",
        "content": [{"attachment": {"contentType": "image/png"}}],
    },
    {
        "resourceType": "DocumentReference",
        "id": "pdf",
        "status": "current",
        "content": [{"attachment": {"contentType": "application/pdf"}}],
    },
]


@pytest.fixture(scope="module", autouse=True)
def _stored(client: httpx.Client) -> None:
    store(client, RESOURCES)


TEXT: list[Row] = [
    # "processed as a string that searches text associated with the code/value"
    ("modifiers", "Condition?code:text=heart", "cardio text"),
    ("modifiers", "Condition?code:text=HEART ward", "cardio"),
    ("modifiers", "Condition?code:text=medecine", "gastro"),
    ("modifiers", "Condition?code:text=coronary,heart attack", "ccu text"),
    ("modifiers", "Condition?code:text=cardio", ""),
    ("modifiers", "Condition?code:text=heart&code:text=heart w", "cardio"),
    ("modifiers", "Encounter?class:text=class amb", "ambulatory"),
    ("modifiers", "Practitioner?identifier:text=driv", "dl"),
    ("modifiers", "Practitioner?identifier:text=12345", ""),
]

OF_TYPE: list[Row] = [
    ("token", f"Practitioner?identifier:of-type={TYPES}|MR|12345", "mr"),
    ("token", f"Practitioner?identifier:of-type={TYPES}|mr|12345", "mr"),
    ("token", f"Practitioner?identifier:of-type={TYPES}|MR|1234", ""),
    ("token", f"Practitioner?identifier:of-type={TYPES}|DL|12345,{TYPES}|MR|12345", "mr dl"),
    ("token", "Practitioner?identifier:of-type=urn:other|MR|12345", ""),
]

IN: list[Row] = [
    ("modifiers", f"Condition?code:in={SETS}/inner", "cardio ccu"),
    ("modifiers", f"Condition?code:in={SETS}/inner|1", "gastro"),
    ("modifiers", f"Condition?code:in={SETS}/inner|1,{SETS}/inner|2", "cardio ccu gastro"),
    ("modifiers", "Condition?code:in=ValueSet/inner-1", "gastro"),
    ("modifiers", "Condition?code:in=BASE/ValueSet/inner-1", "gastro"),
    ("modifiers", f"Condition?code:in={SETS}/all", "cardio ccu gastro"),
    ("modifiers", f"Condition?code:not-in={SETS}/inner", "gastro surgery other text"),
    ("modifiers", f"Condition?code:not-in={SETS}/inner&code:in={SETS}/all", "gastro"),
    # those of the specification, on a Coding and on a code
    (
        "modifiers",
        "Encounter?class:in=http://terminology.hl7.org/ValueSet/v3-ActEncounterCode",
        "ambulatory inpatient acute",
    ),
    ("modifiers", f"Patient?gender:in={GENDERS}", "male other-gender"),
    ("modifiers", f"Patient?gender:in={GENDERS}|4.0.1", "male other-gender"),
    ("modifiers", f"Patient?gender:not-in={GENDERS}", "no-gender"),
    ("modifiers", f"Patient?gender:in={SETS}/inner", ""),
    # by way of a chain
    ("chaining", f"Encounter?patient.gender:in={GENDERS}", ""),
]

HIERARCHY: list[Row] = [
    ("modifiers", f"Condition?code:below={WARDS}|inner", "cardio ccu gastro"),
    ("modifiers", f"Condition?code:below={WARDS}|cardio", "cardio ccu"),
    ("modifiers", f"Condition?code:below={WARDS}|gastro,{WARDS}|CCU", "gastro ccu"),
    ("modifiers", f"Condition?code:above={WARDS}|CCU", "cardio ccu"),
    ("modifiers", f"Condition?code:above={WARDS}|inner", ""),
    ("modifiers", f"Encounter?class:below={ACT}|IMP", "inpatient acute"),
    ("modifiers", f"Encounter?class:above={ACT}|ACUTE", "inpatient acute"),
    ("modifiers", "Patient?gender:below=male", "male"),
    ("modifiers", "DocumentReference?contenttype:below=image", "png"),
    ("modifiers", "DocumentReference?contenttype:below=application/pdf", "pdf"),
    ("modifiers", "DocumentReference?contenttype:above=image/png;q=1", "png"),
]


@pytest.mark.feature("search.token.text")
@pytest.mark.parametrize("row", TEXT, ids=row_id)
def test_text(client: httpx.Client, row: Row) -> None:
    """:text searches the text and the displays of a code, and the name of an identifier's type."""
    check(client, row)


@pytest.mark.feature("search.token.of-type")
@pytest.mark.parametrize("row", OF_TYPE, ids=row_id)
def test_of_type(client: httpx.Client, row: Row) -> None:
    """:of-type finds an identifier by its type and value, both of one identifier."""
    check(client, row)


@pytest.mark.feature("search.token.in")
@pytest.mark.feature("search.token.not-in")
@pytest.mark.parametrize("row", IN, ids=row_id)
def test_in(client: httpx.Client, base_url: str, row: Row) -> None:
    """:in asks for the codes of a value set, stored here or of the specification; :not-in for all else."""
    anchor, search, expected = row
    check(client, (anchor, search.replace("BASE", base_url), expected))


@pytest.mark.feature("search.token.above")
@pytest.mark.feature("search.token.below")
@pytest.mark.parametrize("row", HIERARCHY, ids=row_id)
def test_hierarchy(client: httpx.Client, row: Row) -> None:
    """:below asks for a code and all that it subsumes, :above for it and all that subsume it."""
    check(client, row)


@pytest.mark.feature("search.token.in")
@pytest.mark.parametrize(
    ("search", "status", "says"),
    [
        (f"Condition?code:in={SETS}/none", 422, f"{SETS}/none"),
        (f"Condition?code:not-in={SETS}/none", 422, f"{SETS}/none"),
        (f"Condition?code:in={SETS}/inner|9", 422, "inner|9"),
        ("Condition?code:in=ValueSet/none", 422, "ValueSet/none"),
        (f"Condition?code:in={SETS}/clinical", 422, "http://snomed.info/sct"),
        (f"Condition?code:in={SETS}/circle", 422, "itself"),
        (f"Condition?code:in={SETS}/large", 408, "10000"),
        ("Condition?code:below=http://snomed.info/sct|1", 422, "not known"),
        (f"Condition?code:below={WARDS}|none", 422, "no such code"),
    ],
)
def test_what_cannot_be_told_is_an_error(client: httpx.Client, search: str, status: int, says: str) -> None:
    """A value set or hierarchy that is not known here is never taken for an empty one."""
    answer = client.get(encoded(search))
    assert answer.status_code == status
    assert says in answer.json()["issue"][0]["diagnostics"]


@pytest.mark.parametrize(
    ("search", "form"),
    [
        ("Practitioner?identifier:of-type=MR|12345", "type-system|type-code|value"),
        (f"Practitioner?identifier:of-type={TYPES}||12345", "type-system|type-code|value"),
        (f"Practitioner?identifier:of-type={TYPES}|MR|1|2", "type-system|type-code|value"),
        ("Condition?code:in=inner", "URL of a value set"),
        ("Condition?code:in=http://a.example/1,", "URL of a value set"),
        ("Condition?code:in=" + ",".join(["http://a.example/1"] * 11), "10 value sets"),
        ("Condition?code:below=cardio", "system|code"),
        ("Condition?code:above=|cardio", "system|code"),
        (f"Condition?code:below={WARDS}|", "system|code"),
        ("Condition?code:below=" + ",".join([f"{WARDS}|a"] * 11), "10 codes"),
        ("Condition?code:text=,", "start of a text"),
        ("Condition?code:text=" + "x" * 501, "500 characters"),
        ("Condition?code:of-type=a|b|c", ":text"),
        ("Patient?gender:text=male", ":not-in"),
        ("Practitioner?identifier:in=http://a.example/1", ":of-type"),
    ],
)
def test_malformed_values_name_the_form(client: httpx.Client, search: str, form: str) -> None:
    """https://hl7.org/fhir/R4/search.html#errors: 400 with the form that the modifier takes."""
    assert form in refusal(client, search)["diagnostics"]


def test_where_addresses_are_kept() -> None:
    """Terminology is looked up in the fields that its addresses are kept in."""
    for resource_type, path in URL_PATHS.items():
        assert [field.path for field in fields(resource_type)["url"]] == [path]
