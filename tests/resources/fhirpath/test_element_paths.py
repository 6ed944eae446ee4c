"""Expressions come down to JSON paths: https://hl7.org/fhir/R4/search.html, https://hl7.org/fhir/R4/json.html."""

import pytest

from resources.fhirpath.element_paths import (
    AtIndex,
    Condition,
    ElementIs,
    ElementPath,
    HasExtension,
    NotStaticError,
    ReferenceTo,
    Step,
    component_paths,
    element_paths,
)

EXTENSION = "http://hl7.org/fhir/StructureDefinition/"


def shown_condition(condition: Condition) -> str:
    """Return a condition in a short form."""
    match condition:
        case ElementIs(key=key, value=value):
            return f"{key}={value.removeprefix(EXTENSION)}"
        case ReferenceTo(type_name=type_name):
            return f"to {type_name}"
        case HasExtension(url=url):
            return f"has {url.removeprefix(EXTENSION)}"
        case AtIndex(index=index):
            return f"at {index}"


def shown_step(step: Step) -> str:
    """Return a step in a short form: `*` for an array, the condition in brackets."""
    condition = f"[{shown_condition(step.condition)}]" if step.condition else ""
    return step.key + "*" * step.is_array + condition


def shown(path: ElementPath) -> str:
    """Return a path in a short form: `name*.family: string`, `^` if from the resource."""
    steps = ".".join(map(shown_step, path.steps))
    presence = f"{steps}presence of {' '.join(path.presence_of)}" if path.presence_of else steps
    return f"{'^' * path.from_resource}{presence}: {path.type}"


@pytest.mark.parametrize(
    ("resource_type", "expression", "expected"),
    [
        ("Patient", "Patient.active", ["active: boolean"]),
        ("Patient", "Patient.name.family", ["name*.family: string"]),
        ("Patient", "Patient.name.given", ["name*.given*: string"]),
        ("Patient", "Resource.meta.tag", ["meta.tag*: Coding"]),
        ("Patient", "Resource.id", ["id: id"]),
        ("Patient", "DomainResource.text", ["text: Narrative"]),
        ("Patient", "Patient", [": Patient"]),
        ("Patient", "name.text", ["name*.text: string"]),
        # another type's part of an expression for several types
        ("Patient", "Patient.name | Person.name", ["name*: HumanName"]),
        ("Group", "Patient.name | Person.name", []),
        ("Bundle", "DomainResource.text", []),
        # the same element twice
        ("Patient", "Patient.name | Patient.name", ["name*: HumanName"]),
        # choices of types
        (
            "Observation",
            "Observation.effective",
            [
                "effectiveDateTime: dateTime",
                "effectivePeriod: Period",
                "effectiveTiming: Timing",
                "effectiveInstant: instant",
            ],
        ),
        ("Observation", "(Observation.value as Quantity)", ["valueQuantity: Quantity"]),
        ("Observation", "Observation.value as Quantity", ["valueQuantity: Quantity"]),
        ("Observation", "Observation.value.as(Quantity)", ["valueQuantity: Quantity"]),
        ("Observation", "Observation.value.ofType(Quantity)", ["valueQuantity: Quantity"]),
        ("Observation", "Observation.value.as(FHIR.Quantity)", ["valueQuantity: Quantity"]),
        ("Observation", "Observation.value.as(DateTime)", ["valueDateTime: dateTime"]),
        ("Observation", "(Observation.value as CodeableConcept).text", ["valueCodeableConcept.text: string"]),
        ("Observation", "Observation.component.value.as(string)", ["component*.valueString: string"]),
        # a specialisation, where the type itself is not a choice: Age is a Quantity
        ("Condition", "Condition.onset.as(Quantity)", ["onsetAge: Age"]),
        ("ConceptMap", "(ConceptMap.source as uri)", ["sourceUri: uri"]),
        # an element of only some of the types
        ("Observation", "Observation.value.coding", ["valueCodeableConcept.coding*: Coding"]),
        # elements whose content is that of another element
        (
            "Observation",
            "Observation.component.referenceRange.low",
            ["component*.referenceRange*.low: Quantity"],
        ),
        ("Parameters", "Parameters.parameter.part.part.name", ["parameter*.part*.part*.name: string"]),
        ("Patient", "Patient.contact.name.family", ["contact*.name.family: string"]),
        (
            "ServiceRequest",
            "ServiceRequest.occurrence.as(Timing).repeat.count",
            ["occurrenceTiming.repeat.count: positiveInt"],
        ),
        # conditions
        ("Patient", "Patient.telecom.where(system='phone')", ["telecom*[system=phone]: ContactPoint"]),
        ("Patient", "Patient.telecom.where(system='phone').value", ["telecom*[system=phone].value: string"]),
        ("Encounter", "Encounter.subject.where(resolve() is Patient)", ["subject[to Patient]: Reference"]),
        ("Bundle", "Bundle.entry[0].resource", ["entry*[at 0].resource: Resource"]),
        (
            "QuestionnaireResponse",
            f"QuestionnaireResponse.item.where(hasExtension('{EXTENSION}x')).answer.value.ofType(Reference)",
            ["item*[has x].answer*.valueReference: Reference"],
        ),
        (
            "Patient",
            "Patient.deceased.exists() and Patient.deceased != false",
            ["presence of deceasedBoolean deceasedDateTime: boolean"],
        ),
        ("Group", "Patient.deceased.exists() and Patient.deceased != false", []),
        # extensions: of the types of their definition
        (
            "Patient",
            f"Patient.extension('{EXTENSION}patient-birthPlace')",
            ["extension*[url=patient-birthPlace].valueAddress: Address"],
        ),
        (
            "Patient",
            f"Patient.extension('{EXTENSION}patient-birthPlace').city",
            ["extension*[url=patient-birthPlace].valueAddress.city: string"],
        ),
        (
            "Patient",
            "Patient.extension('http://acme.org/x').value.as(Coding).code",
            ["extension*[url=http://acme.org/x].valueCoding.code: code"],
        ),
        (
            "Patient",
            "(Patient.extension.where(url='http://acme.org/x').value as date)",
            ["extension*[url=http://acme.org/x].valueDate: date"],
        ),
        (
            "Patient",
            "Patient.extension.where(url='a').extension.where(url='b').value.ofType(Coding)",
            ["extension*[url=a].extension*[url=b].valueCoding: Coding"],
        ),
        # extensions of a primitive stand beside it: https://hl7.org/fhir/R4/json.html#primitive
        (
            "Patient",
            "Patient.birthDate.extension('a').value.as(dateTime)",
            ["_birthDate.extension*[url=a].valueDateTime: dateTime"],
        ),
        (
            "Patient",
            "Patient.name.given.extension.where(url='a').value.as(code)",
            ["name*._given*.extension*[url=a].valueCode: code"],
        ),
        # a condition is tested on what may have such a child only
        ("Observation", "Observation.value.where(unit='g')", ["valueQuantity[unit=g]: Quantity"]),
        ("Patient", "Patient.name[0].given[1]", ["name*[at 0].given*[at 1]: string"]),
        # an extension of extensions has no value
        ("Patient", f"Patient.extension('{EXTENSION}patient-nationality')", []),
    ],
)
def test_paths(resource_type: str, expression: str, expected: list[str]) -> None:
    """An expression comes down to these paths, `*` marking arrays."""
    assert [shown(path) for path in element_paths(expression, resource_type)] == expected


def test_an_unknown_extension_may_have_any_value() -> None:
    """Without a definition an extension has all 50 types of https://hl7.org/fhir/R4/extensibility.html#Extension."""
    paths = element_paths("Patient.extension('http://example.org/x')", "Patient")
    assert len(paths) == 50
    assert shown(paths[0]) == "extension*[url=http://example.org/x].valueBase64Binary: base64Binary"


@pytest.mark.parametrize(
    ("resource_type", "expression", "expected"),
    [
        ("Patient", "Patient.birthDate", True),
        ("Patient", "Patient.name.family", False),
        ("Patient", "Patient.maritalStatus", True),
        ("Patient", "Patient.maritalStatus.coding", False),
        ("Bundle", "Bundle.entry[0].resource", True),
        ("Patient", "Patient.telecom.where(system='phone')", False),
    ],
)
def test_single(resource_type: str, expression: str, expected: bool) -> None:
    """At most one value is there if no array is on the way, or only one of its elements counts."""
    assert [path.single for path in element_paths(expression, resource_type)] == [expected]


@pytest.mark.parametrize(
    ("resource_type", "expression", "expected"),
    [
        ("Patient", "Patient.gender", "http://hl7.org/fhir/administrative-gender"),
        ("Encounter", "Encounter.status", "http://hl7.org/fhir/encounter-status"),
        ("Patient", "Patient.language", None),  # preferred, not required
        ("Patient", "Patient.maritalStatus", None),  # no code
        ("Attachment", "contentType", "urn:ietf:bcp:13"),  # not expandable, yet known
        ("SearchParameter", "SearchParameter.base", "http://hl7.org/fhir/resource-types"),
        ("MessageDefinition", "MessageDefinition.focus.code", "http://hl7.org/fhir/resource-types"),
        ("OperationDefinition", "OperationDefinition.parameter.type", None),  # two systems
    ],
)
def test_codes_system(resource_type: str, expression: str, expected: str | None) -> None:
    """A code with a required binding has the system of its value set: https://hl7.org/fhir/R4/search.html#token."""
    if resource_type == "Attachment":
        paths = element_paths("Media.content.contentType", "Media")
    else:
        paths = element_paths(expression, resource_type)
    assert [path.codes_system for path in paths] == [expected]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("Encounter.subject", ("Patient", "Group")),
        ("Encounter.subject.where(resolve() is Patient)", ("Patient",)),
        ("Encounter.status", ()),
    ],
)
def test_targets(expression: str, expected: tuple[str, ...]) -> None:
    """A reference knows what it may point to: https://hl7.org/fhir/R4/references.html."""
    assert [path.targets for path in element_paths(expression, "Encounter")] == [expected]


@pytest.mark.parametrize(
    ("resource_type", "base", "component", "expected"),
    [
        ("Observation", "Observation.component", "code", [["code: CodeableConcept"]]),
        (
            "Observation",
            "Observation | Observation.component",
            "value.as(Quantity)",
            [["valueQuantity: Quantity"], ["valueQuantity: Quantity"]],
        ),
        ("Observation", "Patient | Observation.component", "code", [["code: CodeableConcept"]]),
        (
            "MolecularSequence",
            "MolecularSequence.variant",
            "%resource.referenceSeq.chromosome",
            [["^referenceSeq.chromosome: CodeableConcept"]],
        ),
    ],
)
def test_components(resource_type: str, base: str, component: str, expected: list[list[str]]) -> None:
    """A component's paths begin where the composite's lead: https://hl7.org/fhir/R4/search.html#composite."""
    found = component_paths(base, component, resource_type)
    assert [[shown(path) for path in paths] for paths in found] == expected


@pytest.mark.parametrize(
    "expression",
    [
        "Patient.nonsense",
        "Patient.name.nonsense",
        "Patient.name.first()",
        "Patient.name.where(use = 'official' and text = 'x')",
        "Patient.name.where(use = 'official').where(text = 'x')",
        "Patient.name.where(text)",
        "Patient.where(active = 'x')",
        "Patient.name.family + 'x'",
        "Patient.active and Patient.active",
        "Patient.deceased.exists() and Patient.active != false",
        "Patient.deceased.exists() and Patient.deceased != true",
        "Patient.name[Patient.active]",
        "Patient.name.given[0]",  # the first of all names, not of each
        "Patient.birthDate[0]",
        "Patient.name.where(given='x')",  # a list is not equal to a string
        "Patient.telecom.where(rank='1')",  # nor is a number
        "Patient.birthDate.where(use='x')",
        "Patient.birthDate.where(hasExtension('x'))",
        "Patient.birthDate.value",
        "Patient.extension.value.extension.value",  # 2,500 paths
        "Patient.extension.value.extension.value.extension.value.extension.value",
        "%context.name",
        "'text'",
        "today()",
    ],
)
def test_what_is_not_static_is_refused(expression: str) -> None:
    """An expression that needs an evaluator, or an element that does not exist, is an error."""
    with pytest.raises(NotStaticError):
        element_paths(expression, "Patient")
