"""quantity: a number with a unit, by code or as it is written. https://hl7.org/fhir/R4/search.html#quantity"""

import httpx
import pytest

from tests.fhir_server.search.searching import Resource, Row, check, refusal, row_id, store

UCUM = "http://unitsofmeasure.org"


def _observation(name: str, **value: object) -> Resource:
    return {"resourceType": "Observation", "id": name, "status": "final", "code": {"text": "x"}, **value}


def _measured(name: str, value: float, unit: str = "", system: str = "", code: str = "") -> Resource:
    parts = {"value": value, "unit": unit, "system": system, "code": code}
    return _observation(name, valueQuantity={key: part for key, part in parts.items() if part != ""})


def _condition(name: str, **onset: object) -> Resource:
    return {"resourceType": "Condition", "id": name, "subject": {"reference": "Patient/1"}, **onset}


def _component(value: int, code: str) -> Resource:
    quantity = {"value": value, "system": UCUM, "code": code}
    return {"code": {"text": code}, "valueQuantity": quantity}


def _usage(name: str, low: int | None, high: int | None) -> Resource:
    ends = {"low": low, "high": high}
    value = {key: {"value": end, "unit": "a"} for key, end in ends.items() if end is not None}
    context = {"code": {"code": "age"}, "valueRange": value}
    return {"resourceType": "Measure", "id": name, "status": "draft", "useContext": [context]}


RESOURCES = [
    _measured("mg", 5.4, "milligram", UCUM, "mg"),
    _measured("mg-low", 5.35, "milligram", UCUM, "mg"),
    _measured("mg-high", 5.45, "milligram", UCUM, "mg"),
    _measured("mg-6", 6, "milligram", UCUM, "mg"),
    _measured("mg-local", 5.4, "milligram", "http://acme.org/units", "mg"),
    _measured("mg-written", 5.4, "mg"),
    _measured("upper", 5.4, "", UCUM, "MG"),
    _measured("g", 0.0054, "gram", UCUM, "g"),
    _measured("bare", 5.4),
    _measured("negative", -5.4, "", UCUM, "Cel"),
    _observation("no-number", valueQuantity={"unit": "mg"}),
    _observation("components", component=[_component(5, "mg"), _component(9, "g")]),
    _condition("onset-30", onsetAge={"value": 30, "system": UCUM, "code": "a"}),
    {
        "resourceType": "Invoice",
        "id": "euro",
        "status": "draft",
        "totalNet": {"value": 100.5, "currency": "EUR"},
    },
    _usage("teens", 13, 19),
    _usage("adults", 18, None),
    _usage("children", None, 12),
]

TABLE: list[Row] = [
    # the examples of the specification
    ("quantity", f"Observation?value-quantity=5.4|{UCUM}|mg", "mg mg-low g"),
    ("quantity", f"Observation?value-quantity=5.40e-3|{UCUM}|g", "mg g"),
    ("quantity", "Observation?value-quantity=5.4||mg", "mg mg-low g mg-local mg-written"),
    ("quantity", "Observation?value-quantity=5.4", "mg mg-low mg-local mg-written upper bare"),
    ("quantity", f"Observation?value-quantity=le5.4|{UCUM}|mg", "mg mg-low g"),
    ("quantity", f"Observation?value-quantity=ap5.4|{UCUM}|mg", "mg mg-low mg-high g"),
    # the unit as it is written, in any language; units have cases
    ("quantity", "Observation?value-quantity=5.4||milligram", "mg mg-low mg-local"),
    ("quantity", "Observation?value-quantity=5.4||MG", "upper"),
    ("quantity", f"Observation?value-quantity=5.4|{UCUM}|milligram", ""),
    ("quantity", f"Observation?value-quantity=5.4|{UCUM}|g", ""),
    ("prefix", f"Observation?value-quantity=gt5.4|{UCUM}|mg", "mg-high mg-6"),
    ("prefix", f"Observation?value-quantity=ne5.4|{UCUM}|mg", "mg-high mg-6"),
    ("prefix", "Observation?value-quantity=lt0", "negative"),
    ("prefix", "Observation?value-quantity=sa5.4||mg", "mg-high mg-6"),
    ("prefix", "Observation?value-quantity=eb5.4||mg", "mg-low"),
    ("prefix", "Observation?value-quantity=ge5.45", "mg-high mg-6"),
    # number and unit are of the same element
    ("combining", f"Observation?component-value-quantity=5|{UCUM}|mg", "components"),
    ("combining", f"Observation?component-value-quantity=5|{UCUM}|g", ""),
    ("combining", f"Observation?component-value-quantity=gt6|{UCUM}|mg", "components"),
    ("combining", "Observation?component-value-quantity=7", ""),
    ("combining", "Observation?combo-value-quantity=9", "components"),
    ("combining", "Observation?combo-value-quantity=6||mg", "mg-6"),
    ("combining", f"Observation?value-quantity=6|{UCUM}|mg,-5.4", "mg-6 negative"),
    ("combining", "Observation?value-quantity=gt5.4&value-quantity=lt6", "mg-high"),
    ("table", "Condition?onset-age=30", "onset-30"),
    ("table", "Condition?onset-age=lt31||a", "onset-30"),
    ("table", "Invoice?totalnet=100.5", "euro"),
    ("table", "Invoice?totalnet=100.5||EUR", "euro"),
    ("table", "Invoice?totalnet=100.5|urn:iso:std:iso:4217|EUR", "euro"),
    ("table", "Invoice?totalnet=100.5||USD", ""),
    # "If the target value is a Range ... then the target is explicitly a range"
    ("prefix", "Measure?context-quantity=gt15", "teens adults"),
    ("prefix", "Measure?context-quantity=lt15", "teens children"),
    ("prefix", "Measure?context-quantity=sa15", "adults"),
    ("prefix", "Measure?context-quantity=eb13", "children"),
    ("prefix", "Measure?context-quantity=eb15", "children"),
    ("prefix", "Measure?context-quantity=16", ""),
    ("prefix", "Measure?context-quantity=ap15.5", "teens"),
    ("prefix", "Measure?context-quantity=gt15||a", "teens adults"),
    ("prefix", "Measure?context-quantity=gt15||kg", ""),
    ("modifiers", "Condition?onset-age:missing=false", "onset-30"),
    ("modifiers", "Observation?value-quantity:missing=true", "components"),
]


@pytest.fixture(scope="module", autouse=True)
def _stored(client: httpx.Client) -> None:
    store(client, RESOURCES)


@pytest.mark.feature("search.quantity")
@pytest.mark.parametrize("row", TABLE, ids=row_id)
def test_quantity(client: httpx.Client, row: Row) -> None:
    """Each search of the table finds what its rule says."""
    check(client, row)


@pytest.mark.parametrize(
    "text", ["x", "|", "5.4|mg", "5.4||", "||mg", "5.4|a|b|c", "5.4,", "gt|u|mg", "1" * 41]
)
def test_what_is_no_quantity_is_refused(client: httpx.Client, text: str) -> None:
    """https://hl7.org/fhir/R4/search.html#errors: 400 with what a quantity looks like, without the value."""
    diagnostics = refusal(client, f"Observation?value-quantity={text}")["diagnostics"]
    assert diagnostics.startswith("value-quantity: ")
    assert "number" in diagnostics
