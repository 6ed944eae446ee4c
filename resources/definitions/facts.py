"""What is kept of each official definition: facts, never narrative, descriptions or comments.

It stays FHIR's own JSON, so that the specification explains it. Only the types and the binding of an element
are made simpler, because the package has facts about them in extensions.

Source: https://hl7.org/fhir/R4/elementdefinition.html, https://hl7.org/fhir/R4/terminologies-systems.html
"""

from collections.abc import Mapping
from typing import Any

_EXTENSION_URL = "http://hl7.org/fhir/StructureDefinition/"
_FHIR_TYPE = _EXTENSION_URL + "structuredefinition-fhir-type"
_REGEX = _EXTENSION_URL + "regex"
_MAX_VALUE_SET = _EXTENSION_URL + "elementdefinition-maxValueSet"

Kept = Mapping[str, Any]
"""The elements to keep of an object: name -> what to keep of its value; None keeps all but extensions."""


def _all_of(names: str) -> dict[str, Any]:
    return dict.fromkeys(names.split())


_CONCEPT = _all_of("code display property") | {"designation": _all_of("language value use")}
_CONCEPT["concept"] = _CONCEPT

_VALUE_SET_PART = _all_of("system version filter valueSet") | {"concept": _all_of("code display")}

_MAPPED_CODE = _all_of("code display") | {
    "target": _all_of("code display equivalence dependsOn product"),
}

_PARAMETER = _all_of("name use min max type targetProfile searchType binding")
_PARAMETER["part"] = _PARAMETER

_ELEMENT = _all_of(
    """id path sliceName min max contentReference isModifier isSummary mustSupport fixedUri fixedCode
    fixedCodeableConcept fixedQuantity fixedBoolean fixedString patternCodeableConcept"""
) | {
    "slicing": _all_of("discriminator rules ordered"),
    "constraint": _all_of("key severity expression"),
}

_TERMINOLOGY = _all_of("url version name title status")

KEPT: Mapping[str, Kept] = {
    "StructureDefinition": _all_of("url kind abstract type baseDefinition derivation")
    | {"context": _all_of("type expression")},
    "CodeSystem": _TERMINOLOGY
    | _all_of("caseSensitive content valueSet hierarchyMeaning supplements")
    | {"property": _all_of("code uri type"), "concept": _CONCEPT},
    "ValueSet": _TERMINOLOGY
    | {"compose": _all_of("inactive") | {"include": _VALUE_SET_PART, "exclude": _VALUE_SET_PART}},
    "ConceptMap": _TERMINOLOGY
    | _all_of("sourceUri sourceCanonical targetUri targetCanonical")
    | {"group": _all_of("source sourceVersion target targetVersion unmapped") | {"element": _MAPPED_CODE}},
    "SearchParameter": _all_of(
        """url code base type expression xpathUsage target component multipleOr multipleAnd comparator
        modifier chain"""
    ),
    "CompartmentDefinition": _all_of("url code search") | {"resource": _all_of("code param")},
    "OperationDefinition": _all_of("url name kind affectsState code base resource system type instance")
    | {"parameter": _PARAMETER},
}


def facts(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts of one definition, as FHIR JSON; KeyError if its resource type is none of `KEPT`.

    A StructureDefinition gets its snapshot's elements as the list `element`.
    """
    kept: dict[str, Any] = _strip(definition, KEPT[definition["resourceType"]])
    if "snapshot" in definition:
        kept["element"] = [_element(element) for element in definition["snapshot"]["element"]]
    return kept


def _strip(value: Any, kept: Kept | None) -> Any:
    if isinstance(value, list):
        return [_strip(item, kept) for item in value]
    if not isinstance(value, dict):
        return value
    if kept is None:
        return {name: _strip(item, None) for name, item in value.items() if name != "extension"}
    return {name: _strip(item, kept[name]) for name, item in value.items() if name in kept}


def _element(element: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = _strip(element, _ELEMENT)
    if "type" in element:
        kept["type"] = [_type(reference, element["base"]["path"]) for reference in element["type"]]
    if "valueSet" in element.get("binding", {}):
        kept["binding"] = _binding(element["binding"])
    for flag in ("isModifier", "isSummary", "mustSupport"):
        if not kept.get(flag):
            kept.pop(flag, None)
    return kept


def _type(reference: Mapping[str, Any], base_path: str) -> dict[str, Any]:
    kept = {"code": reference["code"]}
    extensions = {extension["url"]: extension for extension in reference.get("extension", ())}
    if base_path == "Resource.id":
        # The package says string here, the specification id: https://hl7.org/fhir/R4/resource.html#id
        kept["code"] = "id"
    elif _FHIR_TYPE in extensions:
        kept["code"] = extensions[_FHIR_TYPE]["valueUrl"]
    elif reference["code"] == "http://hl7.org/fhirpath/System.String":
        kept["code"] = "string"
    if _REGEX in extensions:
        kept["regex"] = extensions[_REGEX]["valueString"]
    for name in ("profile", "targetProfile"):
        if name in reference:
            kept[name] = reference[name]
    return kept


def _binding(binding: Mapping[str, Any]) -> dict[str, str]:
    kept = {"strength": binding["strength"], "valueSet": _without_version(binding["valueSet"])}
    for extension in binding.get("extension", ()):
        if extension["url"] == _MAX_VALUE_SET:
            kept["maxValueSet"] = _without_version(extension["valueCanonical"])
    return kept


def _without_version(canonical: str) -> str:
    return canonical.partition("|")[0]
