"""A few resources as they should be, of types whose elements are of many kinds; nobody's data."""

from decimal import Decimal
from typing import Any

Resource = dict[str, Any]

_EXTENSION = {"url": "http://example.org/weight", "valueDecimal": Decimal("1.00")}

PATIENT: Resource = {
    "resourceType": "Patient",
    "meta": {"profile": ["http://example.org/profile"], "tag": [{"system": "urn:t", "code": "a"}]},
    "language": "en",
    "text": {
        "status": "generated",
        "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p>A patient</p></div>',
    },
    "contained": [{"resourceType": "Organization", "id": "o", "name": "Ward"}],
    "extension": [_EXTENSION, {"url": "urn:nested", "extension": [_EXTENSION]}],
    "identifier": [{"use": "official", "system": "urn:example:id", "value": "123"}],
    "active": True,
    "name": [
        {"use": "official", "family": "Example", "given": ["Ann", "B."], "period": {"start": "2000-01-01"}}
    ],
    "telecom": [{"system": "phone", "value": "555-0100", "rank": 1}],
    "gender": "female",
    "birthDate": "1970-12-31",
    "_birthDate": {"extension": [{"url": "urn:time", "valueDateTime": "1970-12-31T14:35:45-05:00"}]},
    "multipleBirthInteger": 2,
    "managingOrganization": {"reference": "#o"},
}

OBSERVATION: Resource = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}], "text": "Systolic"},
    "subject": {"reference": "Patient/1", "display": "A patient"},
    "effectivePeriod": {"start": "2020-01-01T10:00:00Z", "end": "2020-01-01T11:30:00.123+01:00"},
    "issued": "2020-01-01T10:30:00.000Z",
    "valueQuantity": {
        "value": Decimal("120.50"),
        "unit": "mmHg",
        "system": "http://unitsofmeasure.org",
        "code": "mm[Hg]",
    },
    "referenceRange": [
        {"low": {"value": Decimal("90")}, "high": {"value": Decimal("1.4E+2")}, "text": "usual"}
    ],
    "component": [
        {
            "code": {"text": "a"},
            "valueSampledData": {
                "origin": {"value": Decimal("0.0")},
                "period": Decimal("10.0"),
                "dimensions": 1,
                "data": "1 2 E",
            },
        },
        {"code": {"text": "b"}, "valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 3}}},
    ],
}

QUESTIONNAIRE: Resource = {
    "resourceType": "Questionnaire",
    "url": "http://example.org/q",
    "status": "draft",
    "title": "Questions",
    "item": [
        {
            "linkId": "1",
            "type": "group",
            "item": [{"linkId": "1.1", "type": "decimal", "text": "How much?", "required": True}],
        },
        {"linkId": "2", "type": "choice", "answerOption": [{"valueString": "yes"}, {"valueInteger": 7}]},
    ],
}

BUNDLE: Resource = {
    "resourceType": "Bundle",
    "type": "collection",
    "timestamp": "2020-02-29T00:00:00Z",
    "entry": [
        {
            "fullUrl": "urn:uuid:8f5f4a6c-1111-4b0e-9d6a-000000000001",
            "resource": {"resourceType": "Basic", "code": {"text": "x"}},
        }
    ],
}

BINARY: Resource = {"resourceType": "Binary", "contentType": "text/plain", "data": "QUJDRA=="}

BASIC: Resource = {
    "resourceType": "Basic",
    "code": {"coding": [{"system": "urn:c", "code": "c", "userSelected": False}]},
    "created": "2020-01",
    "modifierExtension": [{"url": "urn:m", "valueBoolean": True}],
}

TASK: Resource = {
    "resourceType": "Task",
    "status": "requested",
    "intent": "order",
    "input": [
        {
            "type": {"text": "t"},
            "valueTiming": {"repeat": {"boundsRange": {"low": {"value": 1}}, "count": 3}},
        },
        {"type": {"text": "u"}, "valueMoney": {"value": Decimal("9.90"), "currency": "EUR"}},
        {"type": {"text": "v"}, "valueBase64Binary": "QUJD"},
        {"type": {"text": "w"}, "valueOid": "urn:oid:1.2.3"},
        {"type": {"text": "x"}, "valueTime": "12:00:00"},
    ],
}

SKELETONS = (PATIENT, OBSERVATION, QUESTIONNAIRE, BUNDLE, BINARY, BASIC, TASK)
