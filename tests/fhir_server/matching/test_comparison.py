"""What is found of two patients (fhir_server/matching): findings, weights, and what they add up to."""

import math
from pathlib import Path
from typing import Any

import pytest

from fhir_server.matching import weights
from fhir_server.matching.blocking import blocks
from fhir_server.matching.comparison import LEVELS, compare
from fhir_server.matching.demographics import demographics
from fhir_server.matching.scoring import score
from fhir_server.matching.weights import load_weights

Patient = dict[str, Any]


def _named(family: str, *given: str) -> Patient:
    return {"name": [{"family": family, "given": list(given)}]}


def _phone(value: str) -> Patient:
    return {"telecom": [{"system": "phone", "value": value}]}


def _address(*line: str, **elements: str) -> Patient:
    return {"address": [{"line": list(line), **elements}]}


def _identified(value: str, system: str = "urn:a") -> Patient:
    return {"identifier": [{"system": system, "value": value}]}


def _compared(one: Patient, other: Patient) -> dict[str, str]:
    return compare(demographics(one), demographics(other))


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        ({}, {}, {}),
        (_named("Arenberg", "Ida"), {}, {}),
        (_named("Arenberg", "Ida"), _named("ARENBERG", "ida"), {"family": "exact", "given": "exact"}),
        (_named("Müller", "José"), _named("Muller", "Jose"), {"family": "exact", "given": "exact"}),
        (_named("Arenberg", "Ida"), _named("Arenburg", "Idah"), {"family": "close", "given": "close"}),
        (_named("García López", "Ana"), _named("López", "Ana"), {"family": "close", "given": "exact"}),
        (_named("Smith", "Tim"), _named("Jones", "Tom"), {"family": "differs", "given": "differs"}),
        (_named("Smith", "Joshua"), _named("Smith", "Jhshua"), {"family": "exact", "given": "close"}),
        (_named("Smith", "J"), _named("Smith", "John"), {"family": "exact", "given": "close"}),
        (_named("Smith", "Mary", "Ann"), _named("Smith", "Ann"), {"family": "exact", "given": "close"}),
        (_named("Smith", "John"), _named("John", "Smith"), {"family": "close", "given": "close"}),
        (_named("Smith"), _named("Smith", "John"), {"family": "exact"}),
        ({"birthDate": "1970-03-04"}, {"birthDate": "1970-03-04"}, {"birthDate": "exact"}),
        ({"birthDate": "1970-03-04"}, {"birthDate": "1970-04-03"}, {"birthDate": "transposed"}),
        ({"birthDate": "1970-03-04"}, {"birthDate": "1970-03-14"}, {"birthDate": "one-part"}),
        ({"birthDate": "1970-03-04"}, {"birthDate": "1971-03-05"}, {"birthDate": "differs"}),
        ({"birthDate": "1970-03-04"}, {"birthDate": "1970"}, {"birthYear": "exact"}),
        ({"birthDate": "1970-03"}, {"birthDate": "1971-03-04"}, {"birthYear": "differs"}),
        ({"gender": "male"}, {"gender": "male"}, {"gender": "exact"}),
        ({"gender": "male"}, {"gender": "female"}, {"gender": "differs"}),
        ({"gender": "male"}, {"gender": "unknown"}, {}),
        (_identified("12345678"), _identified("12345678"), {"identifier": "exact"}),
        (_identified("12345678"), _identified("12354678"), {"identifier": "close"}),
        (_identified("12345"), _identified("12354"), {"identifier": "differs"}),
        (_identified("12345678"), _identified("12345678", "urn:b"), {}),
        (_phone("+1 (555) 010-0123"), _phone("0555-010-0123"), {"phone": "exact"}),
        (_phone("555-010-0123"), _phone("555-010-0124"), {"phone": "differs"}),
        (_phone("112"), _phone("112"), {}),
        (_address("12 Main Street"), _address("12  main street."), {"line": "exact"}),
        (_address("12 Main Street"), _address("12 Main Stret"), {"line": "close"}),
        (_address("12 Main Street"), _address("21 Main Street"), {"line": "differs"}),
        (_address(postalCode="AB1 2CD"), _address(postalCode="ab12cd"), {"postalCode": "exact"}),
    ],
)
def test_what_is_found_of_two_patients(one: Patient, other: Patient, found: dict[str, str]) -> None:
    """Each field that both have is compared as people write it, and the order of the two does not matter."""
    assert _compared(one, other) == found
    assert _compared(other, one) == found


_SAME: dict[str, str] = {"family": "exact", "given": "exact", "birthDate": "exact", "gender": "exact"}


@pytest.mark.parametrize(
    ("agreement", "grade"),
    [
        (_SAME, "certain"),
        ({**_SAME, "birthDate": "one-part"}, "probable"),
        ({**_SAME, "birthDate": "transposed", "line": "exact"}, "certain"),
        ({**_SAME, "family": "differs", "phone": "exact"}, "certain"),
        ({"family": "exact", "given": "exact"}, "possible"),
        ({"family": "exact", "given": "exact", "gender": "differs"}, "possible"),
        ({"phone": "exact"}, "possible"),
        ({"family": "exact", "gender": "exact"}, "certainly-not"),
        # A twin, and a father and his son: all else may agree.
        ({**_SAME, "given": "differs", "line": "exact", "phone": "exact", "postalCode": "exact"}, "possible"),
        (
            {**_SAME, "birthDate": "differs", "line": "exact", "phone": "exact", "identifier": "exact"},
            "possible",
        ),
        ({field: levels[-1] for field, levels in LEVELS.items()}, "certainly-not"),
        ({}, "certainly-not"),
    ],
)
def test_grades(agreement: dict[str, str], grade: str) -> None:
    """What agrees adds up to a grade, unless one finding speaks against it."""
    scored = score(agreement, load_weights())
    assert scored.grade == grade, scored
    assert 0 <= scored.probability <= 1


def test_a_score_is_the_sum_of_what_it_is_made_of() -> None:
    """The weights are log2(m / u); of a household's findings only the best counts; a cap is said as such."""
    table = load_weights()
    assert table.of["gender"]["exact"] == pytest.approx(math.log2(0.983 / 0.518))
    for agreement in (
        _SAME,
        {**_SAME, "line": "exact", "phone": "exact", "email": "differs"},
        {**_SAME, "given": "differs"},
    ):
        scored = score(agreement, table)
        parts = sum(one.weight for one in scored.contributions)
        assert scored.weight == pytest.approx(table.prior + parts)
        assert scored.probability == pytest.approx(1 / (1 + 2**-scored.weight))
    household = score({**_SAME, "line": "exact", "phone": "exact", "email": "differs"}, table)
    assert {one.field for one in household.contributions} == {*_SAME, "phone", "email"}
    capped = score({**_SAME, "given": "differs", "identifier": "exact"}, table)
    assert capped.contributions[-1].level == "cap"
    assert capped.contributions[-1].weight < 0


def test_better_findings_count_more() -> None:
    """Within a field each finding weighs more than the one after it, so that no error is better than none."""
    table = load_weights()
    for field, levels in LEVELS.items():
        listed = [table.of[field][level] for level in levels]
        assert listed == sorted(listed, reverse=True), field
        assert listed[0] > 0 > listed[-1]


@pytest.mark.parametrize(
    ("replaced", "by", "reason"),
    [
        ("prior = 0.0001", "prior = 2", "prior is a number between 0 and 1"),
        ("prior = 0.0001", "", "there is no 'prior'"),
        ("[fields.gender]", "[fields.sex]", "there is no 'gender'"),
        ("exact = { m = 0.983, u = 0.518 }", "exact = { m = 0.5, u = 0.518 }", "the m of gender"),
        ("exact = { m = 0.983, u = 0.518 }", "exact = { m = 0.983 }", "there is no 'u'"),
        ("exact = { m = 0.983, u = 0.518 }", "same = { m = 0.983, u = 0.518 }", "the findings of gender"),
        ("possible = 0.03", "possible = 0.95", "each above the next"),
        ('given.differs = "possible"', 'given.unlike = "possible"', "given.unlike"),
        ("prior = 0.0001", "prior = [", "weights.toml"),
    ],
)
def test_a_table_that_is_wrong_is_refused(tmp_path: Path, replaced: str, by: str, reason: str) -> None:
    """A hospital's own table is checked when it is read, and what is wrong is said."""
    table = Path(weights.__file__).with_name("weights.toml").read_text("utf-8")
    assert replaced in table
    path = tmp_path / "weights.toml"
    path.write_text(table.replace(replaced, by), "utf-8")
    with pytest.raises(ValueError, match=reason):
        load_weights(path)


def test_blocks_need_something_to_look_for() -> None:
    """A gender, a first name or a year alone finds nobody in particular."""
    for patient in ({}, {"gender": "male"}, _named("", "Ida"), {"birthDate": "1970"}, _named("Arenberg")):
        assert blocks(patient, demographics(patient)) == []
    patient = {**_named("O'Neil, Jr", "Ida"), "birthDate": "1970-03-04", **_address(postalCode="1,2")}
    assert (("birthdate", "1970-03-04"),) in blocks(patient, demographics(patient))
    assert (("birthdate", "1970-04-03"),) in blocks(patient, demographics(patient))
    assert (("family", "onei"), ("birthdate", "1970")) in blocks(patient, demographics(patient))
    assert (("family", "onei"), ("address-postalcode", r"1\,2")) in blocks(patient, demographics(patient))
