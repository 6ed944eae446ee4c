"""Patient/$match (https://hl7.org/fhir/R4/patient-operation-match.html)."""

import operator
import re
from collections import Counter
from typing import Any

import httpx
import pytest

from resources.json_format import parse
from resources.validation import validate
from resources.xml_format import dumps
from tests.fhir_server.matching.duplicates import Patient, Population, population
from tests.fhir_server.search.searching import store

_GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"
_ORDER = ("certain", "probable", "possible")


@pytest.fixture(scope="module")
def made_up() -> Population:
    """People with and without a record here; the figures in docs/operations-fhir.md are of this seed."""
    return population(seed=20261127, registered=500, again=100, new=60)


@pytest.fixture(scope="module")
def hospital(client: httpx.Client, made_up: Population) -> httpx.Client:
    """A client of a server where they are registered."""
    store(client, made_up.registered)
    return client


def _parameters(patient: Patient, **more: Any) -> dict[str, Any]:
    parameters = [{"name": "resource", "resource": patient}]
    for name, value in more.items():
        kind = "valueBoolean" if isinstance(value, bool) else "valueInteger"
        parameters.append({"name": name, kind: value})
    return {"resourceType": "Parameters", "parameter": parameters}


def _matched(client: httpx.Client, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post("/Patient/$match", json=body)
    assert answer.status_code == 200, answer.text
    bundle: dict[str, Any] = parse(answer.content)
    assert bundle["type"] == "searchset"
    return bundle


def _found(bundle: dict[str, Any]) -> list[tuple[str, str, float]]:
    """Return id, grade and score of each match."""
    found = []
    for entry in bundle.get("entry", []):
        if entry["search"]["mode"] == "match":
            [grade] = entry["search"]["extension"]
            assert grade["url"] == _GRADE
            found.append((entry["resource"]["id"], grade["valueCode"], entry["search"]["score"]))
    return found


@pytest.mark.feature("operation.match")
def test_a_generated_hospital(hospital: httpx.Client, made_up: Population) -> None:
    """Duplicates with errors are found, and twins, namesakes and strangers are not taken for certain."""
    grades: Counter[tuple[str, bool]] = Counter()
    first = 0
    for patient, right in made_up.again:
        found = _found(_matched(hospital, patient))
        first += bool(found) and found[0][0] == right
        grades.update((grade, resource_id == right) for resource_id, grade, _ in found)
    for patient in made_up.new:
        grades.update((grade, False) for _, grade, _ in _found(_matched(hospital, patient)))
    number = len(made_up.again)
    certain, probable = grades["certain", True], grades["certain", True] + grades["probable", True]
    wrong = grades["certain", False]
    wrong_probable = wrong + grades["probable", False]
    figures = {
        "recall": (first / number, certain / number, probable / number),
        "precision": (certain / (certain + wrong), probable / (probable + wrong_probable)),
    }
    assert all(map(operator.ge, figures["recall"], (0.97, 0.9, 0.95))), figures
    assert all(map(operator.ge, figures["precision"], (0.99, 0.98))), figures


def test_an_answer(hospital: httpx.Client, made_up: Population) -> None:
    """Matches are graded and scored, the likeliest first, and explained by fields and weights alone."""
    person = made_up.registered[7]
    bundle = _matched(hospital, _parameters({**person, "id": "other"}))
    assert validate(bundle) == []
    found = _found(bundle)
    assert found[0] == (person["id"], "certain", 1.0)
    assert [score for *_, score in found] == sorted((score for *_, score in found), reverse=True)
    assert [_ORDER.index(grade) for _, grade, _ in found] == sorted(
        _ORDER.index(grade) for _, grade, _ in found
    )
    outcome = bundle["entry"][-1]
    assert outcome["search"] == {"mode": "outcome"}
    assert len(outcome["resource"]["issue"]) == len(found)
    issue = outcome["resource"]["issue"][0]
    assert issue["expression"] == ["Bundle.entry[0]"]
    total, parts = issue["diagnostics"].removeprefix("certain: weight ").split(" = ")
    assert float(total) == pytest.approx(sum(map(float, re.findall(r"[+-]\d+\.\d\d", parts))), abs=0.05)
    assert "family exact +7.01" in parts
    for text in (person["name"][0]["family"], person["birthDate"], person["identifier"][0]["value"]):
        assert text not in outcome["resource"]["issue"][0]["diagnostics"]


def test_in_xml_and_bare(hospital: httpx.Client, made_up: Population) -> None:
    """The Patient may be sent alone or in Parameters, in JSON or XML."""
    person = made_up.registered[8]
    for body in (person, _parameters(person)):
        headers = {"content-type": "application/fhir+xml", "accept": "application/fhir+json"}
        answer = hospital.post("/Patient/$match", content=dumps(body), headers=headers)
        assert _found(answer.json())[0][:2] == (person["id"], "certain")
    assert hospital.post("/Patient/$match?_format=xml", json=person).text.count("match-grade") >= 1


@pytest.mark.feature("operation.match.only-certain-matches")
def test_only_certain_matches(client: httpx.Client) -> None:
    """With onlyCertainMatches there is one patient or none: none if two are certain, or none is."""
    one = {
        "resourceType": "Patient",
        "name": [{"family": "Onlyone", "given": ["Olga"]}],
        "birthDate": "1950-02-03",
        "gender": "female",
    }
    store(client, [{**one, "id": "only-1"}])
    assert [row[:2] for row in _found(_matched(client, _parameters(one, onlyCertainMatches=True)))] == [
        ("only-1", "certain")
    ]
    less_sure = {**one, "birthDate": "1950-02-13"}
    assert [row[1] for row in _found(_matched(client, _parameters(less_sure)))] == ["probable"]
    bundle = _matched(client, _parameters(less_sure, onlyCertainMatches=True))
    assert (_found(bundle), bundle["total"]) == ([], 0)
    assert "no match is certain" in bundle["entry"][0]["resource"]["issue"][0]["diagnostics"]
    store(client, [{**one, "id": "only-2"}])
    assert len(_found(_matched(client, _parameters(one)))) == 2
    bundle = _matched(client, _parameters(one, onlyCertainMatches=True))
    assert _found(bundle) == []
    assert "2 patients are certain" in bundle["entry"][0]["resource"]["issue"][0]["diagnostics"]


def test_count(client: httpx.Client) -> None:
    """`count` limits how many come; the likeliest stay."""
    name = [{"family": "Countess", "given": ["Cora"]}]
    one = {"resourceType": "Patient", "name": name, "birthDate": "1950-02-03"}
    others = [{**one, "id": f"count-{number}", "birthDate": f"1950-02-{number:02}"} for number in range(1, 6)]
    store(client, others)
    assert len(_found(_matched(client, _parameters(one)))) == 5
    found = _found(_matched(client, _parameters(one, count=2)))
    assert [resource_id for resource_id, *_ in found] == ["count-3", "count-1"]


def test_nobody(client: httpx.Client) -> None:
    """Without a match the searchset is empty, and no error."""
    bundle = _matched(
        client, {"resourceType": "Patient", "identifier": [{"system": "urn:none", "value": "1"}]}
    )
    assert (bundle["total"], "entry" in bundle) == (0, False)


def test_a_block_that_is_too_large_is_said(client: httpx.Client) -> None:
    """If more patients share what is looked for than are compared, a warning says so."""
    store(
        client,
        [{"resourceType": "Patient", "id": f"same-{n}", "birthDate": "1901-01-01"} for n in range(201)],
    )
    bundle = _matched(client, {"resourceType": "Patient", "birthDate": "1901-01-01"})
    [warning] = [
        issue for issue in bundle["entry"][-1]["resource"]["issue"] if issue["severity"] == "warning"
    ]
    assert "More than 200 patients have this birthdate" in warning["diagnostics"]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (None, "parameter resource is missing"),
        ({"resourceType": "Parameters"}, "parameter resource is missing"),
        ({"resourceType": "Patient"}, "says too little"),
        ({"resourceType": "Patient", "gender": "male", "birthDate": "1970"}, "says too little"),
        ({"resourceType": "Practitioner", "birthDate": "1970-01-01"}, "resource is a Patient"),
        ({"resourceType": "Patient", "name": "Ida"}, "Patient.name"),
        ({"resourceType": "Patient", "birthDate": "yesterday"}, "Patient.birthDate"),
        (_parameters({"resourceType": "Patient", "birthDate": "1970-01-01"}, count=0), "count"),
        (_parameters({"resourceType": "Patient", "birthDate": "1970-01-01"}, other=1), "'other'"),
    ],
)
def test_what_is_wrong_is_said(client: httpx.Client, body: dict[str, Any] | None, text: str) -> None:
    """What is no Patient, or too little of one, is a 400 that says what is needed."""
    answer = client.post("/Patient/$match") if body is None else client.post("/Patient/$match", json=body)
    assert answer.status_code == 400, answer.text
    assert text in answer.text
