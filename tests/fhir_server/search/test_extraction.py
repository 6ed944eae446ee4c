"""Index values: what of a resource can be found. https://hl7.org/fhir/R4/search.html#ptypes"""

import tarfile
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import bson
import pytest

from fhir_server.search.extraction import search_values
from fhir_server.search.fields import kept_fields
from fhir_server.store.connection import CODEC_OPTIONS
from resources.definitions import resource_types
from resources.json_format import parse

LOINC = {"system": "http://loinc.org", "code": "8480-6"}


def _moment(*numbers: int) -> datetime:
    return datetime(*numbers, tzinfo=UTC)  # type: ignore[arg-type, misc]


# Type, elements, parameter, its index value.
TABLE: list[tuple[str, dict[str, Any], str, Any]] = [
    # token: https://hl7.org/fhir/R4/search.html#token
    ("Observation", {"code": {"coding": [LOINC]}}, "code", ["http://loinc.org|8480-6", "8480-6"]),
    ("Observation", {"code": {"coding": [{"code": "A"}]}}, "code", ["|a", "a"]),
    ("Observation", {"code": {"coding": [{"system": "urn:s"}]}}, "code", ["urn:s|"]),
    ("Observation", {"code": {"coding": [{"display": "x"}]}}, "code", []),
    ("Observation", {"code": {"text": "x"}}, "code", []),
    (
        "Observation",
        {"code": {"coding": [LOINC, {**LOINC, "system": "urn:s"}]}},
        "code",
        ["http://loinc.org|8480-6", "8480-6", "urn:s|8480-6"],
    ),
    ("Observation", {"status": "final"}, "status", "final"),
    ("Patient", {"active": False}, "active", "false"),
    ("Patient", {"deceasedDateTime": "2020"}, "deceased", "true"),
    ("Patient", {"deceasedBoolean": False}, "deceased", "false"),
    ("Patient", {}, "deceased", "false"),
    ("Patient", {"telecom": [{"system": "email", "value": "A@b.example"}]}, "email", ["a@b.example"]),
    (
        "Patient",
        {"identifier": [{"system": "urn:s", "value": "X|1"}]},
        "identifier",
        ["urn:s|x\\|1", "x\\|1"],
    ),
    ("ValueSet", {"version": "1.0-Beta"}, "version", "1.0-beta"),
    # reference: https://hl7.org/fhir/R4/search.html#reference
    ("Observation", {"subject": {"reference": "Patient/1"}}, "subject", "Patient/1"),
    ("Observation", {"subject": {"reference": "Patient/1"}}, "patient", "Patient/1"),
    ("Observation", {"subject": {"reference": "Patient/1/_history/2"}}, "patient", "Patient/1"),
    (
        "Observation",
        {"subject": {"reference": "http://a.example/Patient/1"}},
        "patient",
        "http://a.example/Patient/1",
    ),
    ("Observation", {"subject": {"reference": "urn:uuid:1", "type": "Patient"}}, "patient", "urn:uuid:1"),
    ("Observation", {"subject": {"reference": "#p"}}, "subject", None),
    ("Observation", {"subject": {"display": "x"}}, "subject", None),
    (
        "QuestionnaireResponse",
        {"questionnaire": "http://a.example/q|1.0"},
        "questionnaire",
        ["http://a.example/q|1.0", "http://a.example/q"],
    ),
    (
        "Bundle",
        {"entry": [{"resource": {"resourceType": "Composition", "id": "1"}}, {}]},
        "composition",
        "Composition/1",
    ),
    # string: https://hl7.org/fhir/R4/search.html#string
    ("Patient", {"name": [{"family": "Müller"}]}, "family", ["muller"]),
    ("Patient", {"name": [{"family": "Carreno Quinones"}]}, "family", ["carreno quinones", "quinones"]),
    (
        "Patient",
        {"name": [{"family": "de la Cruz", "given": ["Ana", None]}]},
        "name",
        ["de la cruz", "ana", "la cruz", "cruz"],
    ),
    ("Patient", {"name": [{"given": ["Anne-Marie"]}, {"given": ["ANNE"]}]}, "given", ["anne marie", "anne"]),
    ("Organization", {"name": "St.  John's\tHospital"}, "name", ["st johns hospital"]),
    # date: https://hl7.org/fhir/R4/search.html#date
    (
        "Patient",
        {"birthDate": "1974-12-25"},
        "birthdate",
        {"lo": _moment(1974, 12, 25), "hi": _moment(1974, 12, 26)},
    ),
    (
        "Encounter",
        {"period": {"start": "2020-02-01T10:00:00Z", "end": "2020-02-03"}},
        "date",
        {
            "lo": _moment(2020, 2, 1, 10),
            "hi": _moment(2020, 2, 4),
            "until": _moment(2020, 2, 4),
        },
    ),
    ("Encounter", {"period": {"extension": [{"url": "urn:x", "valueCode": "y"}]}}, "date", None),
    (
        "CarePlan",
        {"activity": [{"detail": {"scheduledPeriod": {"start": "2020-02-01", "end": "2020-02-01"}}}]},
        "activity-date",
        [{"lo": _moment(2020, 2, 1), "hi": _moment(2020, 2, 2)}],
    ),
    # number: https://hl7.org/fhir/R4/search.html#number
    (
        "RiskAssessment",
        {"prediction": [{"probabilityDecimal": Decimal("0.50")}]},
        "probability",
        [Decimal("0.50")],
    ),
    ("ChargeItem", {"factorOverride": 2}, "factor-override", 2),
    # quantity: https://hl7.org/fhir/R4/search.html#quantity
    (
        "Observation",
        {"valueQuantity": {"value": Decimal("5.40"), "unit": "mg"}},
        "value-quantity",
        {"v": Decimal("5.40"), "unit": "mg"},
    ),
    (
        "Observation",
        {"valueQuantity": {"value": 5, "system": "http://unitsofmeasure.org", "code": "mg"}},
        "value-quantity",
        {
            "v": 5,
            "system": "http://unitsofmeasure.org",
            "code": "mg",
            "ucum": {"v": Decimal("0.005"), "unit": "g"},
        },
    ),
    (
        "Observation",
        {"valueQuantity": {"value": 5, "unit": "mg", "comparator": ">="}},
        "value-quantity",
        {"lo": 5, "hi": Decimal("Infinity"), "unit": "mg"},
    ),
    (
        "Observation",
        {"valueQuantity": {"value": 5, "unit": "mg", "comparator": "<"}},
        "value-quantity",
        {"lo": Decimal("-Infinity"), "hi": Decimal("4." + "9" * 33), "unit": "mg"},
    ),
    ("Observation", {"valueQuantity": {"unit": "mg"}}, "value-quantity", None),
    (
        "Observation",
        {
            "valueSampledData": {
                "origin": {"value": 10, "code": "mV"},
                "factor": Decimal("0.5"),
                "data": "E 4 -2 U x",
            }
        },
        "value-quantity",
        {"lo": Decimal("9.0"), "hi": Decimal("12.0"), "code": "mV"},
    ),
    ("Observation", {"valueSampledData": {"origin": {"value": 1}, "data": "E"}}, "value-quantity", None),
    (
        "Invoice",
        {"totalGross": {"value": 5, "currency": "EUR"}},
        "totalgross",
        {"v": 5, "system": "urn:iso:std:iso:4217", "code": "EUR"},
    ),
    (
        "Condition",
        {"onsetRange": {"low": {"value": 5, "unit": "a"}}},
        "onset-age",
        {"lo": 5, "hi": Decimal("Infinity"), "unit": "a"},
    ),
    # uri: https://hl7.org/fhir/R4/search.html#uri
    ("ValueSet", {"url": "http://a.example/V"}, "url", "http://a.example/V"),
    (
        "Patient",
        {"meta": {"profile": ["http://a.example/p|1"]}},
        "_profile",
        ["http://a.example/p|1", "http://a.example/p"],
    ),
    # composite: https://hl7.org/fhir/R4/search.html#combining
    (
        "Observation",
        {
            "component": [
                {"code": {"coding": [LOINC]}, "valueQuantity": {"value": 107}},
                {"code": {"coding": [LOINC]}},
                {"code": {"text": "x"}, "valueQuantity": {"value": 1}},
            ]
        },
        "component-code-value-quantity",
        [{"a": ["http://loinc.org|8480-6", "8480-6"], "b": {"v": 107}}],
    ),
    (
        "MolecularSequence",
        {"referenceSeq": {"chromosome": {"coding": [{"code": "1"}]}}, "variant": [{"start": 5, "end": 9}]},
        "chromosome-variant-coordinate",
        [{"a": ["|1", "1"], "b": 5, "c": 9}],
    ),
]


@pytest.mark.parametrize(
    ("resource_type", "elements", "code", "expected"),
    TABLE,
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_index_value(resource_type: str, elements: dict[str, Any], code: str, expected: Any) -> None:
    """An element is indexed by what its parameter's type looks at, in an array if there may be several."""
    values = search_values({"resourceType": resource_type, **elements})
    assert code in values
    assert values[code] == expected


@pytest.mark.parametrize(
    ("elements", "code"),
    [
        ({"name": [{"given": ["Ann"]}]}, "family"),
        ({"_birthDate": {"extension": [{"url": "urn:x", "valueCode": "unknown"}]}}, "birthdate"),
        ({"name": [{"given": [None], "_given": [{"id": "1"}]}]}, "given"),
        ({"telecom": [{"system": "phone", "value": "1"}]}, "email"),
        ({"deceasedBoolean": True}, "death-date"),
    ],
)
def test_missing(elements: dict[str, Any], code: str) -> None:
    """A parameter without an element has no index value, not even an empty one."""
    assert code not in search_values({"resourceType": "Patient", **elements})


def test_each_value_once() -> None:
    """A value that several elements share is indexed once."""
    patient = {"resourceType": "Patient", "address": [{"city": "Ulm"}, {"city": "ULM", "state": "Ulm"}]}
    assert search_values(patient)["address"] == ["ulm"]


def test_asked_of_others() -> None:
    """What only repeats other parameters has no values of its own: no document grows by it."""
    observation = {"resourceType": "Observation", "code": {"coding": [LOINC]}, "valueQuantity": {"value": 1}}
    assert set(search_values(observation)) == {"code", "value-quantity", ":modifiers"}


def test_modifiers() -> None:
    """What only modifiers ask for stands in one array, under the parameter's code and the modifier."""
    patient = {
        "resourceType": "Patient",
        "identifier": [
            {
                "type": {"text": "Case Number", "coding": [{"system": "urn:types", "code": "MR"}]},
                "value": "A|1",
            },
            {"type": {"coding": [{"display": "no code"}]}, "value": "2"},
        ],
        "managingOrganization": {"identifier": {"system": "urn:o", "value": "X"}},
        "maritalStatus": {"text": "not searched by any parameter"},
    }
    assert search_values(patient)[":modifiers"] == [
        "identifier:text=case number",
        r"identifier:of-type=urn:types|mr|a\|1",
        "organization:identifier=urn:o|x",
        "organization:identifier=x",
    ]


@pytest.fixture(scope="module")
def examples(shared_data: Path) -> list[dict[str, Any]]:
    """The official examples of R4."""
    found = []
    with tarfile.open(shared_data / "fhir" / "r4-examples.tar.gz") as archive:
        for member in archive:
            if member.name.endswith(".json") and (file := archive.extractfile(member)):
                found.append(parse(file.read()))
    assert len(found) > 700
    return found


def test_official_examples(examples: list[dict[str, Any]]) -> None:
    """The values of all official examples can be stored, and a bare field never holds an array."""
    used = set()
    for resource in examples:
        values = search_values(resource)
        bson.encode(values, codec_options=CODEC_OPTIONS)
        for field in kept_fields(resource["resourceType"]):
            code = field.parameter.code
            if code in values:
                assert isinstance(values[code], list) is not field.is_bare
                used.add((resource["resourceType"], code))
    assert len(used) > 800


def test_all_types() -> None:
    """The extractor of each resource type can be made."""
    for resource_type in resource_types():
        search_values({"resourceType": resource_type})
