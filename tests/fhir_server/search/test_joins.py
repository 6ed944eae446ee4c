"""A chain with many answers is asked from the side of the search that finds few. search.html#chaining"""

from collections.abc import Iterator

import httpx
import pytest

from fhir_server.search import joins, related
from tests.fhir_server.search.searching import Resource, Row, check, encoded, row_id, store


@pytest.fixture(scope="module", autouse=True)
def _bounds() -> Iterator[None]:
    """Let "few" be two and "many" be four, so that a small hospital has too many of everything."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(joins, "FEW", (1, 2))
        patch.setattr(related, "MOST_RELATED", 4)
        yield


def _observation(number: int, code: str) -> Resource:
    return {
        "resourceType": "Observation",
        "id": f"o{number}",
        "status": "final",
        "code": {"coding": [{"code": code}]},
        "subject": {"reference": f"Patient/p{number}"},
        "performer": [{"reference": f"Practitioner/{number % 2}"}, {"reference": f"Patient/p{number}"}],
    }


@pytest.fixture(scope="module", autouse=True)
def _stored(client: httpx.Client, _bounds: None) -> None:
    genders = ["female", "female", "male", "female", "female", "female"]
    store(
        client,
        [
            *({"resourceType": "Practitioner", "id": str(n), "active": n == 0} for n in range(2)),
            *(
                {
                    "resourceType": "Patient",
                    "id": f"p{n}",
                    "gender": gender,
                    "birthDate": f"198{n}-01-01",
                    "identifier": [{"value": f"m{n}"}],
                }
                for n, gender in enumerate(genders)
            ),
            *(_observation(n, "few" if n in (1, 2) else "often") for n in range(6)),
            {"resourceType": "Questionnaire", "id": "q", "url": "http://acme.example/q", "status": "active"},
            *(
                {
                    "resourceType": "QuestionnaireResponse",
                    "id": f"r{n}",
                    "status": "completed",
                    "questionnaire": "http://acme.example/q",
                    "subject": {"reference": f"Patient/p{n}"},
                }
                for n in range(5)
            ),
        ],
    )


ROWS: list[Row] = [
    # Five women, two observations: which of the two patients is one?
    ("chaining", "Observation?code=few&patient.gender=female", "o1"),
    ("chaining", "Observation?code=few&performer:Patient.gender=female", "o1"),
    ("chaining", "Observation?code=few&subject.gender=female", "o1"),
    ("chaining", "Observation?code=few&patient.gender=female&patient.birthdate=ge1900", "o1"),
    ("chaining", "Observation?code=few&patient.gender=female&patient.identifier=m1", "o1"),
    ("chaining", "Observation?code=few&patient.gender=female&patient.identifier=m3", ""),
    ("chaining", "Observation?_id=o0,o2&patient.gender=female", "o0"),
    # Between few and many there is no better way, but one.
    ("chaining", "Observation?patient.gender=female&patient.birthdate=ge1984", "o4 o5"),
    ("chaining", "Observation?patient.birthdate=ge1982-06", "o3 o4 o5"),
    # Five answers to the questionnaire, one patient
    ("has", "Patient?identifier=m1&_has:Observation:patient:status=final", "p1"),
    ("has", "Patient?identifier=m1&_has:Observation:patient:code=often", ""),
    ("has", "Patient?identifier=m0&_has:Observation:performer:code=often", "p0"),
    ("has", "Questionnaire?_id=q&_has:QuestionnaireResponse:questionnaire:status=completed", "q"),
    ("has", "Practitioner?_has:Observation:performer:status=final", "0 1"),
]


@pytest.mark.parametrize("row", ROWS, ids=row_id)
def test_the_way_round_makes_no_difference(client: httpx.Client, row: Row) -> None:
    """Whichever side is asked first, the answer is the same."""
    check(client, row)


@pytest.mark.feature("search.chain.errors")
@pytest.mark.parametrize(
    ("search", "said"),
    [
        ("Observation?patient.gender=female", "patient.gender: more than 4 Patient"),
        ("Observation?code=often&patient.gender=female", "patient.gender: more than 4 Patient"),
        ("Observation?status:not=amended&patient.gender=female", "patient.gender: more than 4 Patient"),
        ("Patient?_has:Observation:patient:status=final", "more than 4 Patient"),
    ],
)
def test_too_many_on_both_sides_are_refused(client: httpx.Client, search: str, said: str) -> None:
    """With advice, and not with a part of the answer."""
    answer = client.get(encoded(search))
    assert answer.status_code == 408
    issue = answer.json()["issue"][0]
    assert issue["code"] == "too-costly"
    assert said in issue["diagnostics"]
    assert "ask for fewer" in issue["diagnostics"]
