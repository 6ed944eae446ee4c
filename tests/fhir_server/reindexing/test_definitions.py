"""Definitions that cannot be served are refused with the reason, when they are stored.

https://hl7.org/fhir/R4/searchparameter.html
"""

import time
from typing import Any

import httpx
import pytest

from resources.search_parameters import search_parameters
from tests.fhir_server.reindexing.adding import ACME, Json, add, definition

CODE = {"definition": "http://hl7.org/fhir/SearchParameter/clinical-code", "expression": "code"}
VALUE = {
    "definition": "http://hl7.org/fhir/SearchParameter/Observation-value-quantity",
    "expression": "value.as(Quantity)",
}


def _composite(expression: str, *components: Json) -> Json:
    return {
        "base": ["Observation"],
        "type": "composite",
        "expression": expression,
        "component": [*components],
    }


REFUSED = {
    "special": ({"type": "special"}, "type"),
    "no expression": ({"expression": None}, "expression"),
    "phonetic": ({"xpathUsage": "phonetic", "type": "string"}, "xpathUsage"),
    "code with a point": ({"code": "a.b"}, "code"),
    "code of a result parameter": ({"code": "_sort"}, "code"),
    "code with a dollar": ({"code": "$where"}, "code"),
    "code of R4": ({"code": "birthdate", "expression": "Patient.active"}, "code"),
    "code of all types": ({"code": "_tag", "expression": "Patient.active"}, "code"),
    "code of another custom one": ({"code": "taken", "expression": "Patient.active"}, "code"),
    "url of another one": ({"url": f"{ACME}/SearchParameter/taken"}, "url"),
    "another type's elements": ({"expression": "Observation.status"}, "expression"),
    "no such element": ({"expression": "Patient.colour"}, "expression"),
    "wrong type of element": ({"expression": "Patient.name"}, "expression"),
    "a wrong base among others": ({"base": ["Patient", "Group"]}, "expression"),
    "no FHIRPath": ({"expression": "Patient..active"}, "expression"),
    "no end of a string": ({"expression": "Patient.extension('"}, "expression"),
    "a function": ({"expression": "Patient.descendants()"}, "expression"),
    "resolve": ({"expression": "Patient.managingOrganization.resolve().active"}, "expression"),
    "arithmetic": ({"expression": "Patient.active + 1"}, "expression"),
    "where with more": ({"expression": "Patient.name.where(use='a' and text='b')"}, "expression"),
    "target that is not referred to": (
        {"type": "reference", "expression": "Patient.managingOrganization", "target": ["Patient"]},
        "target",
    ),
    "one component": (_composite("Observation", CODE), "component"),
    "component of a token": ({"component": [CODE, VALUE]}, "component"),
    "unknown component": (
        _composite("Observation", CODE, {**VALUE, "definition": f"{ACME}/none"}),
        "component[1].definition",
    ),
    "component that leads nowhere": (
        _composite("Observation", CODE, {**VALUE, "expression": "note"}),
        "component[1].expression",
    ),
    "composite of two kinds": (_composite("Observation | Observation.component", CODE, VALUE), "expression"),
    # hostile
    "long": ({"expression": "Patient.active" + " | Patient.active" * 400}, "expression"),
    "deep brackets": ({"expression": "(" * 900 + "Patient.active" + ")" * 900}, "expression"),
    "deep path": ({"expression": "Patient" + ".active" * 180}, "expression"),
    "deep indexes": ({"expression": "Patient.name" + "[0]" * 130}, "expression"),
    "deep casts": ({"expression": "Patient.active" + " as Coding" * 170}, "expression"),
    "choices of choices": ({"expression": "Patient.extension" + ".value.extension" * 40}, "expression"),
    "loops in loops": (
        {"base": ["Questionnaire"], "expression": "Questionnaire" + ".item" * 30 + ".linkId"},
        "expression",
    ),
    "all types, long": (
        {"base": ["Resource"], "type": "uri", "expression": "Resource.meta.source | " * 85 + "%none.a"},
        "expression",
    ),
}


@pytest.fixture(scope="module", autouse=True)
def _taken(client: httpx.Client) -> None:
    add(client, definition("taken", "Patient.active"))


@pytest.mark.parametrize(("elements", "where"), REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.feature("search.custom.refused")
def test_what_cannot_be_served_is_refused(client: httpx.Client, elements: Json, where: str) -> None:
    """422 with the element and the reason, in bounded time; and nothing is stored."""
    body = {**definition("refused", "Patient.active"), **elements}
    body = {name: value for name, value in body.items() if value is not None}
    started = time.monotonic()
    answer = client.post("/SearchParameter", json=body)
    assert answer.status_code == 422, answer.text
    assert time.monotonic() - started < 20  # no more than seconds, on however busy a machine
    issues = answer.json()["issue"]
    assert [f"SearchParameter.{where}"] in [issue["expression"] for issue in issues]
    assert all(len(issue["diagnostics"]) < 1_000 for issue in issues)
    assert client.get("/Patient?refused=x").status_code == 400
    assert "has no search parameter" in client.get("/Patient?refused=x").text


@pytest.mark.parametrize("status", ["draft", "retired", "unknown"])
@pytest.mark.feature("search.custom.refused")
def test_one_that_is_not_active_is_only_stored(client: httpx.Client, status: str) -> None:
    """A draft may be unfinished: it is no parameter yet."""
    body = definition("drafted", "Patient.colour", status=status)
    assert client.post("/SearchParameter", json=body).status_code == 201
    assert "has no search parameter" in client.get("/Patient?drafted=x").text


@pytest.mark.parametrize(
    "elements",
    [
        {"code": "name", "type": "string", "expression": "Patient.name"},
        {"code": "birthdate", "type": "date", "expression": "Patient.birthDate"},
        {"code": "_id", "base": ["Patient"], "expression": "Patient.id"},
    ],
    ids=["name", "birthdate", "_id"],
)
@pytest.mark.feature("search.custom")
def test_a_parameter_of_r4_may_be_told_again(client: httpx.Client, elements: Json) -> None:
    """Implementation guides define parameters of R4 again, in the same words: these are served already."""
    before = client.get("/metadata").json()["rest"]
    body = {**definition("again", "Patient.name"), **elements}
    answer = client.post("/SearchParameter", json=body)
    assert answer.status_code == 201, answer.text
    assert client.get("/metadata").json()["rest"] == before


@pytest.mark.feature("search.custom.refused")
def test_no_more_indexes_than_mongodb_has(client: httpx.Client) -> None:
    """Of a collection's 64 indexes R4 leaves some; one parameter more than that is refused, not half made."""
    answers: list[int] = []
    for number in range(64):
        answer = client.post(
            "/SearchParameter", json=definition(f"many-{number}", "Observation.id", base=["Observation"])
        )
        answers.append(answer.status_code)
        if answer.status_code != 201:
            break
    assert len(answers) > 5
    assert answers[-1] == 422
    assert "retire others first" in answer.json()["issue"][0]["diagnostics"]
    assert client.post("/SearchParameter", json=definition("for-patients", "Patient.id")).status_code == 201


def test_a_clash_within_a_transaction_stores_nothing(client: httpx.Client) -> None:
    """Two definitions of one code refuse the whole bundle."""
    entries: list[dict[str, Any]] = [
        {
            "resource": definition("twin", "Patient.active", url=f"{ACME}/{number}"),
            "request": {"method": "POST", "url": "SearchParameter"},
        }
        for number in range(2)
    ]
    answer = client.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert answer.status_code == 422, answer.text
    assert client.get("/SearchParameter?code=twin").json().get("entry") is None


def test_those_of_r4_are_as_they_were() -> None:
    """Without custom parameters there are those of R4 alone, whatever other contexts know."""
    assert not [one for one in search_parameters("Patient").values() if one.is_custom]
