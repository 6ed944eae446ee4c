"""_filter: a search as one expression. https://hl7.org/fhir/R4/search_filter.html"""

import httpx
import pytest

from tests.fhir_server.search.searching import Resource, Row, check, refusal, row_id, store


def _to(reference: str) -> dict[str, str]:
    return {"reference": reference}


def _observation(name: str, subject: str, code: str, **more: object) -> Resource:
    return {
        "resourceType": "Observation",
        "id": name,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": _to(subject),
        **more,
    }


@pytest.fixture(scope="module", autouse=True)
def _stored(client: httpx.Client) -> None:
    store(
        client,
        [
            {
                "resourceType": "Patient",
                "id": "peter",
                "name": [{"family": "Carpet", "given": ["Peter", "Jim"]}],
                "birthDate": "2014-10-12",
                "gender": "male",
                "identifier": [{"system": "urn:mrn", "value": "1"}, {"system": "urn:ssn", "value": "9"}],
            },
            {
                "resourceType": "Patient",
                "id": "ann",
                "name": [{"family": "O'Brien (Ward 2]", "given": ["Ann"]}],
                "birthDate": "1980",
                "gender": "female",
                "identifier": [{"system": "urn:mrn", "value": "2"}],
            },
            {"resourceType": "Patient", "id": "nobody"},
            _observation("o1", "Patient/peter", "1234-5", valueQuantity={"value": 5.4, "unit": "mg"}),
            _observation("o2", "Patient/ann", "1234-5", valueQuantity={"value": 8, "unit": "mg"}),
            _observation(
                "o3", "Patient/ann", "8867-4", effectivePeriod={"start": "2020-01-01", "end": "2020-03-01"}
            ),
            {"resourceType": "ValueSet", "id": "v1", "status": "draft", "url": "http://acme.example/vs/one"},
            {"resourceType": "ValueSet", "id": "v2", "status": "draft", "url": "http://acme.example/vs/two"},
        ],
    )


FILTERS: list[Row] = [
    # The examples of the specification
    ("", 'Patient?_filter=name co "pet"', "peter"),
    ("", 'Patient?_filter=given eq "peter" and birthdate ge 2014-10-10', "peter"),
    ("", "Observation?_filter=code eq http://loinc.org|1234-5", "o1 o2"),
    ("", 'Observation?_filter=subject.name co "pet"', "o1"),
    # Strings
    ("ops", "Patient?_filter=given eq PETER", "peter"),
    ("ops", "Patient?_filter=given eq pet", ""),
    ("ops", "Patient?_filter=given sw pet", "peter"),
    ("ops", "Patient?_filter=given ew ter", "peter"),
    ("ops", "Patient?_filter=given ne peter", "peter ann"),
    ("ops", "Patient?_filter=given gt b", "peter"),
    ("ops", "Patient?_filter=given le ann", "ann"),
    ("ops", 'Patient?_filter=family eq "O\'Brien (Ward 2]"', "ann"),
    ("ops", "Patient?_filter=given pr true", "peter ann"),
    ("ops", "Patient?_filter=given pr false", "nobody"),
    # Tokens
    ("ops", "Patient?_filter=gender eq male", "peter"),
    ("ops", "Patient?_filter=gender ne male", "ann"),
    ("ops", "Patient?_filter=identifier eq urn:mrn|1", "peter"),
    ("ops", "Patient?_filter=identifier ne urn:mrn|1", "peter ann"),
    ("ops", "Patient?_filter=identifier ne 2", "peter"),
    ("ops", "Patient?_filter=identifier ne urn:mrn|2", "peter"),
    # Dates, numbers and quantities
    ("ops", "Patient?_filter=birthdate eq 1980", "ann"),
    ("ops", "Patient?_filter=birthdate ne 1980", "peter"),
    ("ops", "Patient?_filter=birthdate gt 1980", "peter"),
    ("ops", "Patient?_filter=birthdate lt 2014-10-12", "ann"),
    ("ops", "Patient?_filter=birthdate sa 2014-10-11", "peter"),
    ("ops", "Patient?_filter=birthdate eb 1981", "ann"),
    ("ops", "Observation?_filter=date po 2020-02", "o3"),
    ("ops", "Observation?_filter=date po 2020-03-02", ""),
    ("ops", "Observation?_filter=value-quantity gt 5.4", "o2"),
    ("ops", "Observation?_filter=value-quantity le 5.4||mg", "o1"),
    ("ops", "Observation?_filter=value-quantity ap 7.8||mg", "o2"),
    # References
    ("ops", "Observation?_filter=subject re Patient/peter", "o1"),
    ("ops", "Observation?_filter=subject eq peter", "o1"),
    ("ops", "Observation?_filter=subject ne Patient/peter", "o2 o3"),
    # Addresses
    ("ops", "ValueSet?_filter=url sw http://acme.example/vs", "v1 v2"),
    ("ops", "ValueSet?_filter=url ew two", "v2"),
    ("ops", "ValueSet?_filter=url ne http://acme.example/vs/one", "v2"),
    # Combinations: from left to right, without precedence
    ("", "Patient?_filter=gender eq male or gender eq female and birthdate eq 1980", "ann"),
    ("", "Patient?_filter=gender eq male or (gender eq female and birthdate eq 1990)", "peter"),
    ("", "Patient?_filter=not (gender eq male)", "ann nobody"),
    ("", "Patient?_filter=not (gender eq male) and gender pr true", "ann"),
    ("", "Patient?_filter=((gender eq male))", "peter"),
    ("", "Patient?_filter=not (not (gender eq male))", "peter"),
    # Chains
    ("", "Observation?_filter=subject:Patient.gender eq female", "o2 o3"),
    ("", "Observation?_filter=patient[gender eq female].birthdate eq 1980 and code eq 8867-4", "o3"),
    ("", "Observation?_filter=patient[gender eq male].birthdate eq 1980", ""),
    ("", "Observation?_filter=not (patient.gender eq female)", "o1"),
    ("", "Patient?_filter=_has:Observation:patient:code eq 8867-4", "ann"),
    ("", "Patient?_filter=_has:Observation:patient:value-quantity gt 6 or gender eq male", "peter ann"),
    # Together with others
    ("", "Patient?gender=female&_filter=birthdate eq 1980", "ann"),
    ("", "Patient?_filter=gender eq male&_filter=birthdate eq 1980", ""),
    ("", "Patient?_filter=_id eq ann", "ann"),
]


@pytest.mark.feature("search.filter")
@pytest.mark.parametrize("row", FILTERS, ids=row_id)
def test_a_filter_finds_what_it_says(client: httpx.Client, row: Row) -> None:
    """Each operator on each type of parameter, and what joins them."""
    check(client, row)


REFUSED = [
    ("gender", "an operator is expected"),
    ("gender is male", "an operator is expected"),
    ("gender eq", "a value is expected"),
    ("gender eq male and", "the name of a search parameter is expected"),
    ("gender eq male gender eq female", "'and', 'or' or the end"),
    ("(gender eq male", "')' is expected"),
    ("gender eq male)", "'and', 'or' or the end"),
    ('name eq "a', "a value is expected"),
    ('name eq "\\ud800"', "as in JSON"),
    ('name eq "\\u0000"', "null"),
    ("frobnicate eq 1", "Patient has no search parameter 'frobnicate'"),
    ("gender co male", "a parameter of type token is compared by eq, ne"),
    ("birthdate co 2014", "a parameter of type date is compared by"),
    ("birthdate gt soon", "birthdate: a date is"),
    ("birthdate po soon", "birthdate: a date is"),
    ("gender pr maybe", "pr is followed by true or false"),
    ("gender.name eq x", "lead to other resources"),
    ("gender[name eq x] eq x", "after [...] comes a dot"),
    ("name:exact eq x", "a name takes no modifier"),
    ("(" * 30 + "gender eq male" + ")" * 30, "nested 20 deep"),
    (" or ".join(["gender eq male"] * 101), "100 comparisons"),
]


@pytest.mark.feature("search.filter.errors")
@pytest.mark.parametrize(("text", "said"), REFUSED)
def test_a_filter_that_is_none_is_refused(client: httpx.Client, text: str, said: str) -> None:
    """The place and what would be right there are named."""
    assert said in refusal(client, f"Patient?_filter={text}")["diagnostics"]
