"""Questions that server and plain evaluator once answered in different ways, each with its smallest case.

They were found by `python -m tests.fhir_server.search.agreement`. https://hl7.org/fhir/R4/search.html
"""

import httpx
import pytest

from tests.fhir_server.search.searching import check, matches, page, refusal, store


@pytest.mark.feature("search.chain")
def test_a_value_that_one_type_of_targets_does_not_take(client: httpx.Client) -> None:
    """A chain without a type asks those types that take the value: `type` of a Provenance's target.

    Of some types it is a uri, which has no system, and the search was refused. A value that no type takes is
    refused all the same.
    """
    allergy = {"resourceType": "AllergyIntolerance", "id": "a", "patient": {"reference": "Patient/1"}}
    provenance = {"resourceType": "Provenance", "recorded": "2020-01-01T00:00:00Z"}
    agents = {"agent": [{"who": {"reference": "Practitioner/1"}}]}
    system = "http://hl7.org/fhir/allergy-intolerance-type"
    store(
        client,
        [
            {**allergy, "type": "allergy"},
            {**provenance, **agents, "id": "p", "target": [{"reference": "AllergyIntolerance/a"}]},
            {**provenance, **agents, "id": "q", "target": [{"reference": "AllergyIntolerance/b"}]},
        ],
    )
    check(client, ("chaining", f"Provenance?target.type={system}|allergy", "p"))
    assert "YYYY" in refusal(client, "Provenance?target.birthdate=x")["diagnostics"]


@pytest.mark.feature("search.result._total")
@pytest.mark.parametrize("total", ["none", "estimate", "accurate"])
@pytest.mark.parametrize("criteria", ["", "active=true&"])
def test_a_total_on_a_first_page_of_several(client: httpx.Client, criteria: str, total: str) -> None:
    """With pages of one moment an estimated total was a 500, as MongoDB estimates nothing of a moment."""
    store(client, [{"resourceType": "Practitioner", "id": f"p{n}", "active": True} for n in range(4)])
    bundle = page(client, f"Practitioner?{criteria}_total={total}&_count=2")
    assert len(matches(bundle)) == 2
    assert bundle.get("total") == (None if total == "none" else 4)


@pytest.mark.feature("search.quantity.ucum")
@pytest.mark.parametrize(
    ("value", "expected"), [("ge117||%", "two"), ("le50|http://unitsofmeasure.org|%", "half")]
)
def test_an_annotation_is_a_plain_number(client: httpx.Client, value: str, expected: str) -> None:
    """In UCUM `{score}` is the unit 1, and 1 is 100 %: the evaluator had not known."""
    score = {"system": "http://unitsofmeasure.org", "code": "{score}", "unit": "score"}
    risk = {"resourceType": "Observation", "status": "final", "code": {"text": "score"}}
    store(
        client,
        [
            {**risk, "id": name, "valueQuantity": {"value": n, **score}}
            for name, n in (("two", 2), ("half", 0.5))
        ],
    )
    check(client, ("quantity", f"Observation?value-quantity={value}", expected))


@pytest.mark.feature("search.chain")
@pytest.mark.parametrize(
    "search",
    [
        "Measure?depends-on:Observation.code=c",
        "Account?_has:Measure:depends-on:status=active",
        "Measure?_filter=depends-on:Observation.code eq c or status eq draft",
    ],
)
def test_a_canonical_leads_to_no_resource_without_a_url(client: httpx.Client, search: str) -> None:
    """R4 lists Observation as a target of a canonical, whose URL no Observation has: it was a 500."""
    store(
        client,
        [{"resourceType": "Measure", "id": "m", "status": "active", "library": ["http://x.example/o"]}],
    )
    assert matches(page(client, search)) == []


@pytest.mark.feature("search.quantity.ucum")
def test_a_picogram_is_a_mass(client: httpx.Client) -> None:
    """The haemoglobin of a red cell is less than 100 kg: the evaluator had not known."""
    amount = {"value": 30, "unit": "pg", "system": "http://unitsofmeasure.org", "code": "pg"}
    cell = {"resourceType": "Observation", "id": "mch", "status": "final", "code": {"text": "MCH"}}
    store(client, [{**cell, "valueQuantity": amount}])
    check(
        client,
        (
            "quantity",
            "Observation?code:text=MCH&value-quantity=le1.0e+2|http://unitsofmeasure.org|kg",
            "mch",
        ),
    )
