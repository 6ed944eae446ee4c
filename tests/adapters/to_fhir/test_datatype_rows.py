"""Each component of the datatypes that functions carry out goes where the catalogue says (HL7's guide)."""

from collections.abc import Mapping
from typing import Any

import pytest

from adapters.to_fhir import catalogue
from adapters.to_fhir.datatypes.actors import coded_organization, organization, place, practitioner
from adapters.to_fhir.datatypes.codes import as_text, code, coding, concept
from adapters.to_fhir.datatypes.people import xcn_name
from adapters.to_fhir.datatypes.quantities import embedded, structured, unit
from adapters.to_fhir.rules import Convert
from adapters.to_fhir.scope import Scope
from adapters.to_fhir.value import Reader, Value
from hl7.parser import parse
from tests.adapters.to_fhir.mapped import CHANNEL

_CWE = "a^A^LN^b^B^SCT^1^2^words^c^C^UCUM^3"
_XCN = "7^Muster&von^Mara^Kim^Jr^Dr^MD^^&2.999.7&ISO^L^5^M10^DN^^^^^G^20200101^20300101^PhD"
_XON = "Lab^L^30^4^M10^&2.999.7&ISO^XX"
_PL = "W1^R2^B3^GH^^^H7^F8^By the window^N9&LAB^&2.999.7&ISO"
_OID = "urn:oid:1.2.7"

_UNITS = Value("", Reader.of(parse(b"MSH|^~\\&|A\r")))


def _unit(value: Value, _scope: Scope) -> Any:
    return unit(value)


def _number(value: Value, scope: Scope) -> Any:
    found = structured(value, scope, _UNITS)
    return None if found is None else {found[0]: found[1]}


_EXAMPLES: Mapping[str, tuple[Convert, str, str, Any]] = {
    "CWE[CodeableConcept] 1": (concept(), _CWE, "coding.0.code", "a"),
    "CWE[CodeableConcept] 2": (concept(), _CWE, "coding.0.display", "A"),
    "CWE[CodeableConcept] 3": (concept(), _CWE, "coding.0.system", "http://loinc.org"),
    "CWE[CodeableConcept] 4": (concept(), _CWE, "coding.1.code", "b"),
    "CWE[CodeableConcept] 5": (concept(), _CWE, "coding.1.display", "B"),
    "CWE[CodeableConcept] 6": (concept(), _CWE, "coding.1.system", "http://snomed.info/sct"),
    "CWE[CodeableConcept] 7": (concept(), _CWE, "coding.0.version", "1"),
    "CWE[CodeableConcept] 8": (concept(), _CWE, "coding.1.version", "2"),
    "CWE[CodeableConcept] 9": (concept(), _CWE, "text", "words"),
    "CWE[CodeableConcept] 10": (concept(), _CWE, "coding.2.code", "c"),
    "CWE[CodeableConcept] 11": (concept(), _CWE, "coding.2.display", "C"),
    "CWE[CodeableConcept] 12": (concept(), _CWE, "coding.2.system", "http://unitsofmeasure.org"),
    "CWE[CodeableConcept] 13": (concept(), _CWE, "coding.2.version", "3"),
    "CWE[Coding] 1": (coding(), _CWE, "code", "a"),
    "CWE[Coding] 2": (coding(), _CWE, "display", "A"),
    "CWE[Coding] 3": (coding(), _CWE, "system", "http://loinc.org"),
    "CWE[Coding] 7": (coding(), _CWE, "version", "1"),
    "CWE[Organization] 1": (coded_organization, "PMC^Sanofi^MVX", "Organization.identifier.0.value", "PMC"),
    "CWE[Organization] 2": (coded_organization, "PMC^Sanofi^MVX", "Organization.name", "Sanofi"),
    "CWE[Organization] 3": (
        coded_organization, "PMC^Sanofi^MVX", "Organization.identifier.0.system", "http://hl7.org/fhir/sid/mvx"
    ),
    "CWE[Organization] 9": (coded_organization, "^^^^^^^^Sanofi", "Organization.name", "Sanofi"),
    "CWE[Quantity] 1": (_unit, "mm^millimeter^ISO+", "code", "mm"),
    "CWE[Quantity] 2": (_unit, "mm^millimeter^UCUM", "unit", "millimeter"),
    "CWE[Quantity] 3": (_unit, "mm^millimeter^UCUM", "system", "http://unitsofmeasure.org"),
    "CWE[code] 1": (code("AdministrativeSex", "gender"), "F^^^M", "gender", "female"),
    "CWE[code] 4": (code("AdministrativeSex", "gender"), "^^^M", "gender", "male"),
    "CWE[string] 2": (as_text, "a^A", "", "A"),
    "CWE[string] 9": (as_text, _CWE, "", "words"),
    "ED[Attachment] 3": (embedded, "^application^pdf^Base64^QUJD", "contentType", "application/pdf"),
    "ED[Attachment] 5": (embedded, "^application^pdf^Base64^QUJD", "data", "QUJD"),
    "PL[Location] 1": (place, "W1", "Location.name", "W1"),
    "PL[Location] 2": (place, "^R2", "Location.name", "R2"),
    "PL[Location] 3": (place, "^^B3", "Location.name", "B3"),
    "PL[Location] 4": (place, "^^^GH", "Location.name", "GH"),
    "PL[Location] 7": (place, "^^^^^^H7", "Location.name", "H7"),
    "PL[Location] 8": (place, "^^^^^^^F8", "Location.name", "F8"),
    "PL[Location] 9": (place, _PL, "Location.description", "By the window"),
    "PL[Location] 10": (place, _PL, "Location.identifier.1.value", "N9"),
    "PL[Location] 11": (place, _PL.replace("&LAB", ""), "Location.identifier.1.system", _OID),
    "SN[Quantity] 1": (_number, ">^5", "valueQuantity.comparator", ">"),
    "SN[Quantity] 2": (_number, ">^5", "valueQuantity.value", 5),
    "SN[Range] 2": (_number, "^1^-^5", "valueRange.low.value", 1),
    "SN[Range] 4": (_number, "^1^-^5", "valueRange.high.value", 5),
    "SN[Ratio] 1": (_number, "<^1^:^128", "valueRatio.numerator.comparator", "<"),
    "SN[Ratio] 2": (_number, "^1^:^128", "valueRatio.numerator.value", 1),
    "SN[Ratio] 4": (_number, "^1^:^128", "valueRatio.denominator.value", 128),
    "XCN[Practitioner] 1": (practitioner, _XCN, "Practitioner.identifier.0.value", "7"),
    "XCN[Practitioner] 7": (practitioner, _XCN, "Practitioner.qualification.0.code.coding.0.code", "MD"),
    "XCN[Practitioner] 9": (practitioner, _XCN, "Practitioner.identifier.0.system", _OID),
    "XCN[Practitioner] 11": (practitioner, _XCN, "Practitioner.identifier.0.extension.0.valueString", "5"),
    "XCN[Practitioner] 13": (practitioner, _XCN, "Practitioner.identifier.0.type.coding.0.code", "DN"),
    "XON[Organization] 1": (organization, _XON, "Organization.name", "Lab"),
    "XON[Organization] 3": (organization, _XON, "Organization.identifier.0.value", "30"),
    "XON[Organization] 4": (organization, _XON, "Organization.identifier.0.extension.0.valueString", "4"),
    "XON[Organization] 6": (organization, _XON, "Organization.identifier.0.system", _OID),
    "XON[Organization] 7": (organization, _XON, "Organization.identifier.0.type.coding.0.code", "XX"),
    "XON[Organization] 10": (organization, f"{_XON}^^^31", "Organization.identifier.0.value", "31"),
}  # fmt: skip
"""By the row of the guide: the converter, a field, and the element that it makes, with its value.

An element of an actor is one of the resource that is made last; `Organization.name` names its type.
"""


def _made(convert: Convert, raw: str) -> Any:
    message = parse(b"MSH|^~\\&|LAB|GENHOSP|||20240105120000||ORU^R01|1|P|2.5.1\r")
    scope = Scope.of(message, CHANNEL)
    found = convert(Value(raw, Reader.of(message)), scope)
    last = list(scope.drafts.values())[-1:]
    return {last[0].type: last[0].resource} if last else found


def _element(made: Any, path: str) -> Any:
    for name in filter(None, path.split(".")):
        made = made[int(name)] if name.isdigit() else made[name]
    return made


@pytest.mark.parametrize("row", _EXAMPLES)
def test_component(row: str) -> None:
    """The element that the row names has what the component says."""
    convert, raw, path, expected = _EXAMPLES[row]
    assert _element(_made(convert, raw), path) == expected


def test_each_component_has_an_example() -> None:
    """Nothing is claimed that no test makes."""
    assert _EXAMPLES.keys() == catalogue.DATATYPES_BY_CODE.keys()


def test_name_of_an_xcn() -> None:
    """All parts of the name, with how long it holds."""
    (name,) = _element(_made(practitioner, _XCN), "Practitioner.name")
    assert (name["family"], name["given"], name["prefix"]) == ("Muster", ["Mara", "Kim"], ["Dr"])
    assert (name["suffix"], name["use"]) == (["Jr", "PhD"], "official")
    assert name["period"] == {"start": "2020-01-01", "end": "2030-01-01"}
    assert [one["valueString"] for one in name["_family"]["extension"]] == ["von"]
    assert name["extension"][0]["valueCode"] == "NL1"
    assert _made(xcn_name, "7^Muster" + "^" * 15 + "20200101&20210101")["period"]["end"] == "2021-01-01"


def test_the_places_of_a_pl_are_within_one_another() -> None:
    """From the bed to the site: bed, room, ward, floor, building."""
    message = parse(b"MSH|^~\\&|LAB|GENHOSP\r")
    scope = Scope.of(message, CHANNEL)
    found = place(Value(_PL, Reader.of(message)), scope)
    assert found is not None
    names, reference = [], found["reference"]
    while reference:
        resource = scope.drafts[reference.removeprefix("draft:")].resource
        names.append(resource["name"])
        reference = resource.get("partOf", {}).get("reference")
    assert names == ["B3", "R2", "W1", "F8", "H7", "GH"]


def test_organizations_of_codes_of_ones_own() -> None:
    """A code of a system that only its sender knows does not make two organizations one."""
    message = parse(b"MSH|^~\\&|LAB|GENHOSP\r")
    scope = Scope.of(message, CHANNEL)
    for raw in ("1^Roche^L", "PMC^Sanofi^MVX"):
        coded_organization(Value(raw, Reader.of(message)), scope)
    local, known = scope.drafts.values()
    assert (local.identities, local.parts[0]) == ((), "name")
    assert [one.value for one in known.identities] == ["PMC"]
