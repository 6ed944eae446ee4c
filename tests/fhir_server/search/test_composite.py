"""composite: values of one and the same element, joined by `$`. https://hl7.org/fhir/R4/search.html#combining"""

import httpx
import pytest

from tests.fhir_server.search.searching import Resource, Row, check, refusal, row_id, store

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
UCUM = "http://unitsofmeasure.org"


def _code(code: str) -> Resource:
    return {"coding": [{"system": LOINC, "code": code}]}


def _quantity(value: float, code: str = "mm[Hg]") -> Resource:
    return {"valueQuantity": {"value": value, "system": UCUM, "code": code}}


def _observation(name: str, code: str, **more: object) -> Resource:
    return {"resourceType": "Observation", "id": name, "status": "final", "code": _code(code), **more}


def _pressure(name: str, systolic: int, diastolic: int) -> Resource:
    parts = (("8480-6", systolic), ("8462-4", diastolic))
    return _observation(name, "85354-9", component=[{"code": _code(c), **_quantity(v)} for c, v in parts])


def _characteristic(code: str, value: str, *, exclude: bool = False) -> Resource:
    return {"code": {"coding": [{"code": code}]}, "valueCodeableConcept": {"coding": [{"code": value}]},
            "exclude": exclude}  # fmt: skip


def _group(name: str, *characteristics: Resource) -> Resource:
    return {
        "resourceType": "Group",
        "id": name,
        "type": "person",
        "actual": True,
        "characteristic": list(characteristics),
    }


def _variant(start: int, end: int) -> Resource:
    return {"start": start, "end": end}


RESOURCES = [
    _observation("potassium", "2823-3", **_quantity(5.6, "mmol/L")),
    _observation("potassium-low", "2823-3", **_quantity(3.6, "mmol/L")),
    _observation("sodium", "2951-2", **_quantity(140, "mmol/L")),
    _observation("concept", "883-9", valueCodeableConcept=_code("112144000")),
    _observation("string", "5778-6", valueString="Yellow"),
    _observation("date", "8665-2", valueDateTime="2020-02-01"),
    _observation("no-value", "2823-3"),
    _pressure("low", 55, 40),
    _pressure("normal", 120, 80),
    _pressure("mixed", 120, 55),
    _group("mixed-gender", _characteristic("gender", "mixed")),
    _group("owned", _characteristic("owner", "Eve"), _characteristic("gender", "female")),
    _group("crossed", _characteristic("gender", "Eve"), _characteristic("owner", "mixed")),
    {
        "resourceType": "Questionnaire",
        "id": "focused",
        "status": "draft",
        "useContext": [
            {
                "code": {"code": "focus"},
                "valueCodeableConcept": {"coding": [{"system": SNOMED, "code": "408934002"}]},
            },
            {"code": {"code": "age"}, "valueQuantity": {"value": 12, "unit": "a"}},
        ],
    },
    {
        "resourceType": "MolecularSequence",
        "id": "sequence",
        "coordinateSystem": 0,
        "referenceSeq": {
            "chromosome": {"coding": [{"code": "7"}]},
            "windowStart": 10,
            "windowEnd": 20,
        },
        "variant": [_variant(1, 2), _variant(11, 12)],
    },
    {
        "resourceType": "DocumentReference",
        "id": "replacing",
        "status": "current",
        "content": [{"attachment": {"url": "http://acme.org/1"}}],
        "relatesTo": [
            {"code": "replaces", "target": {"reference": "DocumentReference/old"}},
            {"code": "appends", "target": {"reference": "DocumentReference/other"}},
        ],
    },
]

_PRESSURE = "component-code-value-quantity"

TABLE: list[Row] = [
    # after the examples of the specification
    ("composite", f"Observation?code-value-quantity={LOINC}|2823-3$gt5.4|{UCUM}|mmol/L", "potassium"),
    ("composite", f"Observation?component-code-value-quantity={LOINC}|8480-6$lt60", "low"),
    ("composite", "Group?characteristic-value=gender$mixed", "mixed-gender"),
    ("composite", "Group?characteristic-value=gender$mixed,owner$Eve", "mixed-gender owned"),
    ("composite", f"Questionnaire?context-type-value=focus${SNOMED}|408934002", "focused"),
    # all values are of one and the same element
    ("composite", "Observation?component-code-value-quantity=8462-4$lt60", "low mixed"),
    ("composite", "Observation?component-code-value-quantity=8480-6$lt60,8462-4$ge80", "low normal"),
    ("composite", f"Observation?{_PRESSURE}=8480-6$120&{_PRESSURE}=8462-4$55",
     "mixed"),
    ("composite", "Questionnaire?context-type-quantity=age$12", "focused"),
    ("composite", "Questionnaire?context-type-quantity=focus$12", ""),
    ("composite", "Observation?code-value-quantity=2823-3$140", ""),
    ("composite", "Observation?code-value-quantity=2823-3$ne3.6", "potassium"),
    # combo: of the observation itself, or of a component
    ("composite", "Observation?combo-code-value-quantity=2823-3$5.6", "potassium"),
    ("composite", "Observation?combo-code-value-quantity=8480-6$120", "normal mixed"),
    ("composite", "Observation?combo-code-value-quantity=85354-9$120", ""),
    # each type of component
    ("composite", "Observation?code-value-concept=883-9$112144000", "concept"),
    ("composite", f"Observation?code-value-concept={LOINC}|883-9${LOINC}|112144000", "concept"),
    ("composite", "Observation?code-value-concept=883-9$883-9", ""),
    ("composite", "Observation?code-value-string=5778-6$yel", "string"),
    ("composite", "Observation?code-value-string=5778-6$ellow", ""),
    ("composite", "Observation?code-value-date=8665-2$2020", "date"),
    ("composite", "Observation?code-value-date=8665-2$sa2020-01", "date"),
    ("composite", "Observation?code-value-date=8665-2$lt2020-02-01", ""),
    ("composite", "MolecularSequence?chromosome-variant-coordinate=7$1$2", "sequence"),
    ("composite", "MolecularSequence?chromosome-variant-coordinate=7$1$12", ""),
    ("composite", "MolecularSequence?chromosome-variant-coordinate=7$gt1$le12", "sequence"),
    ("composite", "MolecularSequence?chromosome-window-coordinate=7$10$20", "sequence"),
    ("composite", "MolecularSequence?chromosome-window-coordinate=8$10$20", ""),
    ("composite", "DocumentReference?relationship=DocumentReference/old$replaces", "replacing"),
    ("composite", "DocumentReference?relationship=DocumentReference/old$appends", ""),
    ("escaping", r"Group?characteristic-value=gender$mixed\,owner\$Eve", ""),
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _stored(client: httpx.Client) -> None:
    store(client, RESOURCES)


@pytest.mark.feature("search.composite")
@pytest.mark.parametrize("row", TABLE, ids=row_id)
def test_composite(client: httpx.Client, row: Row) -> None:
    """Each search of the table finds what its rule says."""
    check(client, row)


@pytest.mark.parametrize("text", ["a", "a$1$2", "$", "a$", "$1", "a$x", "|$1", "a$1,b"])
def test_what_is_no_combination_is_refused(client: httpx.Client, text: str) -> None:
    """https://hl7.org/fhir/R4/search.html#errors: 400 that says what is wrong, without the value."""
    assert refusal(client, f"Observation?code-value-quantity={text}")["code"] == "value"


@pytest.mark.parametrize("modifier", ["missing", "not", "exact"])
def test_a_composite_takes_no_modifier(client: httpx.Client, modifier: str) -> None:
    """ "Note: Modifiers are not used on composite parameters." """
    diagnostics = refusal(client, f"Observation?code-value-quantity:{modifier}=true")["diagnostics"]
    assert diagnostics.startswith("code-value-quantity")
    assert "modifiers" in diagnostics
