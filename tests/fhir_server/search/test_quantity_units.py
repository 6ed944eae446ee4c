"""quantity: units of UCUM are compared with each other, and values that are only known to be above or below.

https://hl7.org/fhir/R4/search.html#quantity, https://hl7.org/fhir/R4/datatypes.html#quantity
"""

import httpx
import pytest

from tests.fhir_server.search.searching import Resource, Row, check, refusal, row_id, store

UCUM = "http://unitsofmeasure.org"
LOCAL = "http://acme.org/units"


def _of(value: float, code: str, system: str = UCUM) -> Resource:
    return {"value": value, "system": system, "code": code}


def _observation(name: str, **value: object) -> Resource:
    return {"resourceType": "Observation", "id": name, "status": "final", "code": {"text": "x"}, **value}


def _measured(name: str, value: float, code: str, system: str = UCUM) -> Resource:
    return _observation(name, valueQuantity=_of(value, code, system))


def _compared(name: str, comparator: str, value: float, code: str, system: str = UCUM) -> Resource:
    return _observation(name, valueQuantity={**_of(value, code, system), "comparator": comparator})


def _components(name: str, *quantities: Resource) -> Resource:
    return _observation(
        name, component=[{"code": {"text": "x"}, "valueQuantity": each} for each in quantities]
    )


def _measure(name: str, **value: Resource) -> Resource:
    return {
        "resourceType": "Measure",
        "id": name,
        "status": "draft",
        "useContext": [{"code": {"code": "age"}, "valueRange": value}],
    }


RESOURCES = [
    _measured("gram", 1, "g"),
    _measured("thousand-milligrams", 1000, "mg"),
    _measured("less", 0.96, "g"),
    _measured("other-system", 1, "g", LOCAL),
    _measured("fever", 37.95, "Cel"),
    _measured("fahrenheit", 100.4, "[degF]"),
    _measured("frost", -5.4, "Cel"),
    _measured("pulse", 72, "{beats}/min"),
    _measured("no-unit-of-ucum", 700, "mmHg"),
    _compared("below-half", "<", 0.5, "L"),
    _compared("up-to-half", "<=", 500, "mL"),
    _compared("from-900", ">=", 900, "mL"),
    _compared("above-900", ">", 0.9, "L"),
    _compared("below-local", "<", 3, "drops", LOCAL),
    _components("mixed", _of(2000, "mm"), _of(3, "m")),
    _measure("weights", low=_of(500, "g"), high=_of(2, "kg")),
    _measure("heavy", low=_of(3, "kg")),
    _measure("unequal", low=_of(1, "m"), high=_of(2, "s")),
    _observation(
        "sampled",
        valueSampledData={
            "origin": _of(100, "mV"),
            "period": 10,
            "factor": 2,
            "dimensions": 1,
            "data": "1 9 E",
        },
    ),
]

TABLE: list[Row] = [
    # "the search processor may choose to perform a search based on canonical units"
    ("quantity", f"Observation?value-quantity=1|{UCUM}|g", "gram thousand-milligrams less"),
    ("quantity", f"Observation?value-quantity=1000|{UCUM}|mg", "gram thousand-milligrams"),
    ("quantity", f"Observation?value-quantity=1.0|{UCUM}|g", "gram thousand-milligrams less"),
    ("quantity", f"Observation?value-quantity=1.00e-3|{UCUM}|kg", "gram thousand-milligrams"),
    ("quantity", f"Observation?value-quantity=960000|{UCUM}|ug", "less"),
    ("quantity", "Observation?value-quantity=1.00||g", "gram thousand-milligrams other-system"),
    ("quantity", "Observation?value-quantity=1000||mg", "gram thousand-milligrams"),
    ("quantity", f"Observation?value-quantity=1|{LOCAL}|g", "other-system"),
    ("quantity", f"Observation?value-quantity=1|{UCUM}|mL", ""),
    ("quantity", "Observation?value-quantity=1000", "thousand-milligrams"),
    ("quantity", f"Observation?value-quantity=ne1|{UCUM}|g", ""),
    ("quantity", f"Observation?value-quantity=ne1000.0|{UCUM}|mg", "less"),
    ("quantity", f"Observation?value-quantity=100.4|{UCUM}|[degF]", "fahrenheit"),
    ("quantity", f"Observation?value-quantity=38|{UCUM}|Cel", "fever fahrenheit"),
    ("quantity", f"Observation?value-quantity=lt0|{UCUM}|Cel", "frost"),
    ("quantity", f"Observation?value-quantity=267.75|{UCUM}|K", "frost"),
    ("quantity", f"Observation?value-quantity=1.20|{UCUM}|/s", "pulse"),
    ("quantity", f"Observation?value-quantity=72|{UCUM}|/min", "pulse"),
    # what is no unit of UCUM is compared as it is written
    ("quantity", f"Observation?value-quantity=700|{UCUM}|mmHg", "no-unit-of-ucum"),
    ("quantity", f"Observation?value-quantity=700|{UCUM}|mm[Hg]", ""),
    # a value that is below another one is none that is known
    ("prefix", f"Observation?value-quantity=0.5|{UCUM}|L", ""),
    ("prefix", f"Observation?value-quantity=0.3|{UCUM}|L", ""),
    ("prefix", f"Observation?value-quantity=ge500|{UCUM}|mL", "up-to-half from-900 above-900"),
    ("prefix", f"Observation?value-quantity=gt500|{UCUM}|mL", "from-900 above-900"),
    ("prefix", f"Observation?value-quantity=lt500|{UCUM}|mL", "below-half up-to-half"),
    ("prefix", f"Observation?value-quantity=le0.9|{UCUM}|L", "below-half up-to-half from-900"),
    ("prefix", f"Observation?value-quantity=lt0.9|{UCUM}|L", "below-half up-to-half"),
    ("prefix", f"Observation?value-quantity=eb1|{UCUM}|L", "below-half up-to-half"),
    ("prefix", f"Observation?value-quantity=sa0.8|{UCUM}|L", "from-900 above-900"),
    ("prefix", f"Observation?value-quantity=sa900|{UCUM}|mL", "above-900"),
    ("prefix", f"Observation?value-quantity=ap900|{UCUM}|mL", "from-900 above-900"),
    ("prefix", f"Observation?value-quantity=ne0.5|{UCUM}|L", "below-half up-to-half from-900 above-900"),
    ("prefix", "Observation?value-quantity=lt3||drops", "below-local"),
    ("prefix", f"Observation?value-quantity=lt3|{LOCAL}|drops", "below-local"),
    ("prefix", "Observation?value-quantity=ge3||drops", ""),
    ("prefix", "Observation?value-quantity=gt900", "above-900 from-900 thousand-milligrams"),
    # ranges and samples
    ("prefix", f"Measure?context-quantity=gt1999|{UCUM}|g", "weights heavy"),
    ("prefix", f"Measure?context-quantity=gt2|{UCUM}|kg", "heavy"),
    ("prefix", f"Measure?context-quantity=lt0.6|{UCUM}|kg", "weights"),
    ("prefix", f"Measure?context-quantity=gt1|{UCUM}|cm", ""),
    ("prefix", f"Observation?value-quantity=gt0.1|{UCUM}|V", "sampled"),
    ("prefix", f"Observation?value-quantity=lt0.102|{UCUM}|V", ""),
    ("prefix", f"Observation?value-quantity=lt0.1021|{UCUM}|V", "sampled"),
    # number and unit are of the same element
    ("combining", f"Observation?component-value-quantity=2|{UCUM}|m", "mixed"),
    ("combining", f"Observation?component-value-quantity=3000|{UCUM}|mm", "mixed"),
    ("combining", f"Observation?component-value-quantity=2500|{UCUM}|mm", ""),
    ("combining", f"Observation?combo-value-quantity=200|{UCUM}|cm", "mixed"),
]


@pytest.mark.parametrize("text", ["1e-999", "gt1e300", "-1e300"])
def test_numbers_beyond_all_units_are_refused(client: httpx.Client, text: str) -> None:
    """A number that cannot be brought into another unit is a 400, as no value could be compared with it."""
    diagnostics = refusal(client, f"Observation?value-quantity={text}|{UCUM}|mg")["diagnostics"]
    assert diagnostics.startswith("value-quantity: the number is beyond")


@pytest.fixture(scope="module", autouse=True)
def _stored(client: httpx.Client) -> None:
    store(client, RESOURCES)


@pytest.mark.feature("search.quantity.ucum")
@pytest.mark.parametrize("row", TABLE, ids=row_id)
def test_units(client: httpx.Client, row: Row) -> None:
    """Each search of the table finds what is the same in another unit, and nothing else."""
    check(client, row)
