"""The example searches of the specification, with resources that each should find and should not.

https://hl7.org/fhir/R4/search.html
"""

import httpx
import pytest

from tests.fhir_server.search.searching import Resource, check, store

LOINC, UCUM, SCT = "http://loinc.org", "http://unitsofmeasure.org", "http://snomed.info/sct"
ACME = "http://acme.org/conditions/codes"
MRN = "http://terminology.hl7.org/CodeSystem/v2-0203"


def _patient(id_: str, **elements: object) -> Resource:
    return {"resourceType": "Patient", "id": id_, **elements}


def _observation(name: str, code: str = "1234-5", **elements: object) -> Resource:
    coded = {"coding": [{"system": LOINC, "code": code}]}
    return {"resourceType": "Observation", "id": name, "status": "final", "code": coded, **elements}


def _amount(value: float, unit: str = "", code: str = "") -> Resource:
    coded = {"system": UCUM, "code": code} if code else {}
    return {"valueQuantity": {"value": value, **({"unit": unit} if unit else {}), **coded}}


def _subject(reference: str) -> Resource:
    return {"subject": {"reference": reference}}


def _risk(name: str, probability: float) -> Resource:
    predictions = [{"probabilityDecimal": probability}]
    risk = {"resourceType": "RiskAssessment", "id": name, "status": "final", "prediction": predictions}
    return {**risk, **_subject("Patient/eve")}


def _condition(name: str, **code: object) -> Resource:
    return {"resourceType": "Condition", "id": name, "code": code, **_subject("Patient/eve")}


def _report(name: str, subject: str, **elements: object) -> Resource:
    report = {"resourceType": "DiagnosticReport", "id": name, "status": "final", "code": {"text": "lipids"}}
    return {**report, **_subject(subject), **elements}


def _value_set(name: str, url: str) -> Resource:
    return {"resourceType": "ValueSet", "id": name, "status": "draft", "url": url}


def _composition(name: str, *sections: str) -> Resource:
    return {
        "resourceType": "Composition",
        "id": name,
        "status": "final",
        "type": {"text": "letter"},
        "date": "2020-01-01",
        "author": [{"reference": "Practitioner/joe"}],
        "title": "Letter",
        "section": [
            {"title": one, "code": {"coding": [{"system": LOINC, "code": one}]}, "entry": [{"display": "x"}]}
            for one in sections
        ],
    }


RESOURCES: list[Resource] = [
    {"resourceType": "Practitioner", "id": "joe", "name": [{"given": ["Joe"]}], "address": [{"state": "MN"}]},
    {
        "resourceType": "Practitioner",
        "id": "joan",
        "name": [{"given": ["Joan"]}],
        "address": [{"state": "MN"}],
    },
    _patient(
        "eve",
        name=[{"given": ["Eve"], "family": "Carreno Quinones"}],
        gender="female",
        active=True,
        birthDate="2013-01-14",
        identifier=[
            {"system": "http://acme.org/patient", "value": "2345"},
            {"type": {"coding": [{"system": MRN, "code": "MR"}]}, "value": "446053"},
        ],
        generalPractitioner=[{"reference": "Practitioner/joe"}],
    ),
    _patient("evelyn", name=[{"given": ["Evelyn"]}], gender="female", active=False, birthDate="2013-01"),
    _patient(
        "severine",
        name=[{"given": ["Severine"]}],
        identifier=[{"system": "http://acme.org/other", "value": "2345"}, {"value": "446053"}],
        generalPractitioner=[{"reference": "Practitioner/joan"}],
    ),
    _patient("peter", name=[{"given": ["Peter"]}], gender="male", birthDate="2014"),
    {
        "resourceType": "Group",
        "id": "102",
        "type": "person",
        "actual": True,
        "member": [{"entity": {"reference": "Patient/peter"}}],
        "characteristic": [
            {
                "code": {"text": "x", "coding": [{"code": "gender"}]},
                "exclude": False,
                "valueCodeableConcept": {"coding": [{"code": "mixed"}]},
            }
        ],
    },
    _risk("risk-0.7", 0.7),
    _risk("risk-0.8", 0.8),
    _risk("risk-0.9", 0.9),
    _condition("ha125", coding=[{"system": ACME, "code": "ha125"}]),
    _condition("ha125-elsewhere", coding=[{"system": "http://elsewhere.org", "code": "ha125"}]),
    _condition("headache", text="Headache, at times"),
    _condition("needs-review", text="x")
    | {"meta": {"tag": [{"system": "http://acme.org/codes", "code": "needs-review"}]}},
    _observation("mg", **_amount(5.4, "mg", "mg"), **_subject("Patient/peter")),
    _observation("gram", **_amount(0.0054, "g", "g")),
    _observation("by-unit", **_amount(5.43, "mg")),
    _observation("plain", **_amount(5.36), effectiveDateTime="2013-01-14T10:00:00Z"),
    _observation("other", **_amount(5.5, "mg", "mg"), effectiveDateTime="2013-01-15T00:00:00Z"),
    _observation(
        "pressure",
        "85354-9",
        component=[
            {"code": {"coding": [{"system": LOINC, "code": "8480-6"}]}, "valueQuantity": {"value": 107}},
            {"code": {"coding": [{"system": LOINC, "code": "8462-4"}]}, "valueQuantity": {"value": 55}},
        ],
        effectivePeriod={"start": "2013-01-13", "end": "2013-01-16"},
    ),
    _observation("potassium", "2823-3", **_amount(5.8, "mmol/L", "mmol/L"), **_subject("Patient/eve")),
    _observation(
        "abroad",
        "8480-6",
        subject={
            "reference": "http://acme.org/fhir/Patient/23",
            "identifier": {"system": "http://acme.org/fhir/identifier/mrn", "value": "123456"},
        },
    ),
    _report("of-peter", "Patient/peter")
    | {"meta": {"profile": ["http://hl7.org/fhir/StructureDefinition/lipid"]}},
    _report("of-eve", "Patient/eve", result=[{"reference": "Observation/potassium"}]),
    _value_set("vs-123", "http://acme.org/fhir/ValueSet/123"),
    _value_set("vs-1234", "http://acme.org/fhir/ValueSet/1234"),
    _value_set("vs-oid", "urn:oid:1.2.3.4.5"),
    _composition("with-section", "48765-2", "10164-2"),
    _composition("without-section", "10164-2"),
    {
        "resourceType": "AuditEvent",
        "id": "seen",
        "type": {"code": "rest"},
        "recorded": "2020-01-01T00:00:00Z",
        "agent": [{"requestor": True, "who": {"reference": "Practitioner/joe"}}],
        "source": {"observer": {"display": "x"}},
        "entity": [{"what": {"reference": "Observation/potassium"}}],
    },
    {
        "resourceType": "List",
        "id": "42",
        "status": "current",
        "mode": "working",
        "entry": [{"item": {"reference": "Patient/eve"}}, {"item": {"reference": "Observation/mg"}}],
    },
]


@pytest.fixture(scope="module", autouse=True)
def _stored(client: httpx.Client) -> None:
    store(client, RESOURCES)


TABLE: list[tuple[str, str, str, str]] = [
    # The feature, the anchor of the example in search.html, the search, what it finds
    ("search.all._id", "id", "Patient?_id=eve", "eve"),
    ("search.all._tag", "tag", "Condition?_tag=http://acme.org/codes|needs-review", "needs-review"),
    (
        "search.all._profile",
        "profile",
        "DiagnosticReport?_profile=http://hl7.org/fhir/StructureDefinition/lipid",
        "of-peter",
    ),
    ("search.all._lastUpdated", "lastUpdated", "Patient?_lastUpdated=gt2010-10-01&_id=eve", "eve"),
    ("search.all._lastUpdated", "lastUpdated", "Patient?_lastUpdated=lt2010-10-01", ""),
    ("search.string", "string", "Patient?given=eve", "eve evelyn"),
    ("search.string.contains", "string", "Patient?given:contains=eve", "eve evelyn severine"),
    ("search.string.exact", "string", "Patient?given:exact=Eve", "eve"),
    ("search.string.exact", "string", "Patient?given:exact=eve", ""),
    ("search.string", "string", "Patient?family=carreno", "eve"),
    ("search.string", "string", "Patient?family=quinones", "eve"),
    ("search.number", "number", "RiskAssessment?probability=0.8", "risk-0.8"),
    ("search.token", "token", "Patient?identifier=http://acme.org/patient|2345", "eve"),
    ("search.token", "token", "Patient?gender=male", "peter"),
    ("search.token.not", "token", "Patient?gender:not=male", "eve evelyn severine"),
    ("search.token", "token", "Patient?active=true", "eve"),
    ("search.token", "token", "Composition?section=48765-2", "with-section"),
    ("search.token.not", "token", "Composition?section:not=48765-2", "without-section"),
    ("search.token", "token", f"Condition?code={ACME}|ha125", "ha125"),
    ("search.token", "token", "Condition?code=ha125", "ha125 ha125-elsewhere"),
    ("search.uri", "uri", "ValueSet?url=http://acme.org/fhir/ValueSet/123", "vs-123"),
    ("search.uri", "uri", "ValueSet?url=urn:oid:1.2.3.4.5", "vs-oid"),
    ("search.quantity", "quantity", f"Observation?value-quantity=5.4|{UCUM}|mg", "mg gram"),
    ("search.quantity.ucum", "quantity", f"Observation?value-quantity=5.40e-3|{UCUM}|g", "mg gram"),
    ("search.quantity", "quantity", "Observation?value-quantity=5.4||mg", "mg gram by-unit"),
    ("search.quantity", "quantity", "Observation?value-quantity=5.4", "mg by-unit plain"),
    ("search.reference", "reference", "Observation?subject=Patient/peter", "mg"),
    ("search.reference", "reference", "Observation?subject=http://acme.org/fhir/Patient/23", "abroad"),
    ("search.reference.type", "reference", "Observation?subject:Patient=peter", "mg"),
    ("search.composite", "composite", f"Observation?component-code-value-quantity={LOINC}|8480-6$lt60", ""),
    (
        "search.composite",
        "composite",
        f"Observation?component-code-value-quantity={LOINC}|8462-4$lt60",
        "pressure",
    ),
    (
        "search.composite",
        "composite",
        f"DiagnosticReport?result.code-value-quantity={LOINC}|2823-3$gt5.4|{UCUM}|mmol/L",
        "of-eve",
    ),
    ("search.composite", "composite", "Group?characteristic-value=gender$mixed", "102"),
    ("search.or", "combining", "Patient?given=peter,severine", "peter severine"),
    ("search.and", "combining", "Patient?identifier=2345&identifier=446053", "eve severine"),
    ("search.and", "combining", "Observation?date=ge2013-01-14&date=le2013-01-14", "plain pressure"),
    ("search.escaping", "escaping", r"Condition?code=ha125\,x", ""),
    ("search.chain", "chaining", "DiagnosticReport?subject:Patient.name=peter", "of-peter"),
    ("search.chain", "chaining", "DiagnosticReport?subject.name=peter", "of-peter"),
    (
        "search.chain",
        "chaining",
        "Patient?general-practitioner:Practitioner.name=Joe&general-practitioner:Practitioner.address-state=MN",
        "eve",
    ),
    ("search.has", "has", "Patient?_has:Observation:patient:code=1234-5", "peter"),
    ("search.has", "has", "Patient?_has:Observation:patient:_has:AuditEvent:entity:agent=joe", "eve"),
    ("search.has", "has", "Observation?patient._has:Group:member:_id=102", "mg"),
    ("search.list", "list", "Patient?_list=42", "eve"),
    ("search.list", "list", "Patient?_list=42&gender=male", ""),
    ("search.token.text", "modifiers", "Condition?code:text=headache", "headache"),
    ("search.token.of-type", "modifiers", f"Patient?identifier:of-type={MRN}|MR|446053", "eve"),
    ("search.uri.below", "uri", "ValueSet?url:below=http://acme.org/fhir/", "vs-123 vs-1234"),
    ("search.uri.above", "uri", "ValueSet?url:above=http://acme.org/fhir/ValueSet/123/_history/5", "vs-123"),
    (
        "search.reference.identifier",
        "modifiers",
        "Observation?subject:identifier=http://acme.org/fhir/identifier/mrn|123456",
        "abroad",
    ),
    ("search.missing", "modifiers", "Patient?gender:missing=true", "severine"),
    ("search.token.missing", "modifiers", "Patient?active:missing=false", "eve evelyn"),
    ("search.string.missing", "modifiers", "Patient?family:missing=false", "eve"),
    ("search.date.missing", "modifiers", "Patient?birthdate:missing=true", "severine"),
    ("search.reference.missing", "modifiers", "Patient?general-practitioner:missing=true", "evelyn peter"),
    ("search.quantity.missing", "modifiers", "Observation?value-quantity:missing=true", "pressure abroad"),
    ("search.number.missing", "modifiers", "RiskAssessment?probability:missing=true", ""),
    ("search.uri.missing", "modifiers", "ValueSet?url:missing=false", "vs-123 vs-1234 vs-oid"),
]

_PREFIXES: dict[tuple[str, str], list[tuple[str, str]]] = {
    # Each prefix, about numbers, amounts with units, and intervals of time
    ("number", "RiskAssessment?probability={}0.8"): [
        ("eq", "risk-0.8"),
        ("ne", "risk-0.7 risk-0.9"),
        ("gt", "risk-0.9"),
        ("lt", "risk-0.7"),
        ("ge", "risk-0.8 risk-0.9"),
        ("le", "risk-0.7 risk-0.8"),
        ("sa", "risk-0.9"),
        ("eb", "risk-0.7"),
        ("ap", "risk-0.8"),
    ],
    ("quantity", "Observation?value-quantity={}5.4||mg"): [
        ("eq", "mg gram by-unit"),
        ("ne", "other"),
        ("gt", "by-unit other"),
        ("lt", ""),
        ("ge", "mg gram by-unit other"),
        ("le", "mg gram"),
        ("sa", "by-unit other"),
        ("eb", ""),
        ("ap", "mg gram by-unit other"),
    ],
    ("date", "Observation?date={}2013-01-14"): [
        ("eq", "plain"),
        ("ne", "other pressure"),
        ("gt", "other pressure"),
        ("lt", "pressure"),
        ("ge", "plain other pressure"),
        ("le", "plain pressure"),
        ("sa", "other"),
        ("eb", ""),
        ("ap", "plain other pressure"),
    ],
}
TABLE += [
    (f"search.{kind}.prefix.{prefix}", "prefix", search.format(prefix), expected)
    for (kind, search), rows in _PREFIXES.items()
    for prefix, expected in rows
]


@pytest.mark.parametrize(
    ("anchor", "search", "expected"),
    [pytest.param(*row, id=row[1], marks=pytest.mark.feature(feature)) for feature, *row in TABLE],
)
def test_an_example_of_the_specification(
    client: httpx.Client, anchor: str, search: str, expected: str
) -> None:
    """Each example finds what the text says, and nothing else."""
    check(client, (anchor, search, expected))
