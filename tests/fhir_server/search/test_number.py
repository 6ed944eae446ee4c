"""number: how many digits are asked for decides what is equal. https://hl7.org/fhir/R4/search.html#number"""

import httpx
import pytest

from tests.fhir_server.search.searching import Resource, Row, check, refusal, row_id, store

# fmt: off
FACTORS = [
    "-5.4", "-5", "0", "0.0054", "0.7", "0.8", "0.84", "0.85", "1.9", "2", "5", "90", "94.9", "95", "99.49",
    "99.5", "99.994", "99.995", "100", "100.00", "100.004", "100.005", "100.49", "100.5", "104.9", "105",
    "110", "110.1",
]
# fmt: on


def _charge(factor: str) -> str:
    # As text, so that the digits stay as they are.
    return (
        f'{{"resourceType": "ChargeItem", "id": "f{factor}", "status": "billed", "code": {{"text": "x"}},'
        f' "subject": {{"reference": "Patient/1"}}, "factorOverride": {factor}}}'
    )


def _sequence(name: str, *starts: int) -> Resource:
    return {
        "resourceType": "MolecularSequence",
        "id": name,
        "coordinateSystem": 0,
        "variant": [{"start": start} for start in starts],
    }


def _risk(name: str, *probabilities: float) -> Resource:
    predictions = [{"probabilityDecimal": probability} for probability in probabilities]
    return {
        "resourceType": "RiskAssessment",
        "id": name,
        "status": "final",
        "subject": {"reference": "Patient/1"},
        "prediction": predictions or [{"rationale": "x"}],
    }


@pytest.fixture(scope="module", autouse=True)
def _stored(client: httpx.Client) -> None:
    for factor in FACTORS:
        assert client.put(f"/ChargeItem/f{factor}", content=_charge(factor)).status_code == 201
    store(client, [_sequence("one", 1), _sequence("two", 2), _sequence("one-and-four", 1, 4)])
    store(client, [_risk("low", 0.1), _risk("high", 0.9), _risk("both", 0.1, 0.9), _risk("none")])


def _factors(low: str, high: str) -> str:
    """Return the ids of the factors from `low` to `high` in the order above."""
    return " ".join(f"f{factor}" for factor in FACTORS[FACTORS.index(low) : FACTORS.index(high) + 1])


def _but(*factors: str) -> str:
    return " ".join(f"f{factor}" for factor in FACTORS if factor not in factors)


NEAR_100 = ("99.5", "99.994", "99.995", "100", "100.00", "100.004", "100.005", "100.49")

TABLE: list[Row] = [
    # the examples of the specification
    ("number", "ChargeItem?factor-override=100", _factors("99.5", "100.49")),
    ("number", "ChargeItem?factor-override=100.00", _factors("99.995", "100.004")),
    ("number", "ChargeItem?factor-override=1e2", _factors("95", "104.9")),
    ("number", "ChargeItem?factor-override=lt100", _factors("-5.4", "99.995")),
    ("number", "ChargeItem?factor-override=le100", _factors("-5.4", "100.00")),
    ("number", "ChargeItem?factor-override=gt100", _factors("100.004", "110.1")),
    ("number", "ChargeItem?factor-override=ge100", _factors("100", "110.1")),
    ("number", "ChargeItem?factor-override=ne100", _but(*NEAR_100)),
    ("number", "RiskAssessment?probability=gt0.8", "high both"),
    ("number", "RiskAssessment?probability=gt8e-1", "high both"),
    # "100 and 1.00e2 both have the same number of significant digits - three"
    ("number", "ChargeItem?factor-override=1.00e2", _factors("99.5", "100.49")),
    ("number", "ChargeItem?factor-override=8e-1", "f0.8 f0.84"),
    ("number", "ChargeItem?factor-override=5.4e-3", "f0.0054"),
    ("number", "ChargeItem?factor-override=-5", "f-5.4 f-5"),
    ("number", "ChargeItem?factor-override=0", "f0 f0.0054"),
    # a comparison ignores how many digits are given
    ("number", "ChargeItem?factor-override=gt100.0", _factors("100.004", "110.1")),
    ("number", "ChargeItem?factor-override=lt1e2", _factors("-5.4", "99.995")),
    # integers: "searching is based on exact matches", "if there are non-zero digits ... no matches"
    ("number", "MolecularSequence?variant-start=1", "one one-and-four"),
    ("number", "MolecularSequence?variant-start=2.0", "two"),
    ("number", "MolecularSequence?variant-start=2.4", ""),
    ("number", "MolecularSequence?variant-start=gt1", "two one-and-four"),
    ("prefix", "ChargeItem?factor-override=eq2", "f1.9 f2"),
    ("prefix", "ChargeItem?factor-override=sa100", _factors("100.004", "110.1")),
    ("prefix", "ChargeItem?factor-override=eb0", "f-5.4 f-5"),
    ("prefix", "ChargeItem?factor-override=ap100", _factors("90", "110")),
    ("prefix", "ChargeItem?factor-override=ap-5", "f-5.4 f-5"),
    ("combining", "ChargeItem?factor-override=2,5", "f1.9 f2 f5"),
    ("combining", "ChargeItem?factor-override=ge2&factor-override=lt90", "f2 f5"),
    ("combining", "ChargeItem?factor-override=lt0,gt110", "f-5.4 f-5 f110.1"),
    # of several values in a resource, one has to meet the whole condition
    ("combining", "MolecularSequence?variant-start=2,3", "two"),
    ("combining", "RiskAssessment?probability=0.5", ""),
    ("prefix", "RiskAssessment?probability=ne0.1", "high both"),
    ("combining", "RiskAssessment?probability=lt0.2&probability=gt0.8", "both"),
    ("modifiers", "RiskAssessment?probability:missing=true", "none"),
    ("modifiers", "RiskAssessment?probability:missing=false", "low high both"),
]


@pytest.mark.feature("search.number")
@pytest.mark.parametrize("row", TABLE, ids=row_id)
def test_number(client: httpx.Client, row: Row) -> None:
    """Each search of the table finds what its rule says."""
    check(client, row)


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "gt",
        "1_000",
        "NaN",
        "Infinity",
        "-inf",
        "0x10",
        "1e",
        "1e99999",
        "1 2",
        "２",  # a digit, but not one of FHIR's
        "1" * 41,
        "--1",
        "gtlt5",
        "5|mg",
        "1,,2",
    ],
)
def test_what_is_no_number_is_refused(client: httpx.Client, text: str) -> None:
    """https://hl7.org/fhir/R4/search.html#errors: 400 with what a number looks like, without the value."""
    issue = refusal(client, f"ChargeItem?factor-override={text}")
    assert issue["diagnostics"].startswith("factor-override: ")
    assert "number" in issue["diagnostics"]


@pytest.mark.parametrize("digits", [1, 15, 28, 30])
def test_many_digits_are_compared_exactly(client: httpx.Client, digits: int) -> None:
    """A number of many digits finds itself, and not its neighbours."""
    number = int("123456789" * 4) // 10 ** (36 - digits)
    for neighbour in (number - 1, number, number + 1):
        body = _charge(f"{neighbour}.0").replace(f'"f{neighbour}.0"', f'"n{digits}-{neighbour - number + 1}"')
        assert client.put(f"/ChargeItem/n{digits}-{neighbour - number + 1}", content=body).status_code < 300
    check(client, ("number", f"ChargeItem?factor-override={number}&_id=n{digits}-0,n{digits}-1,n{digits}-2",
                   f"n{digits}-1"))  # fmt: skip
    for index in range(3):
        client.delete(f"/ChargeItem/n{digits}-{index}")
