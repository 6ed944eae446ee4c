"""Answers made into records: by the definitions of items, and by their codes as observations.

What a patient says of their own health is marked as such: not confirmed by anybody, with the patient as the
source. https://hl7.org/fhir/uv/sdc/STU3/extraction.html
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fhir_server.workflows.intake.forms import SDC, answer_value, extension, items
from fhir_server.workflows.made import concept, key_id
from resources.definitions import Element, structure

Resource = Mapping[str, Any]

EXTRACTABLE = (
    "AllergyIntolerance",
    "Condition",
    "FamilyMemberHistory",
    "MedicationStatement",
    "Observation",
    "Procedure",
)
CONTEXT = f"{SDC}itemExtractionContext"
OBSERVATION = f"{SDC}observationExtract"
LINK_PERIOD = f"{SDC}observationLinkPeriod"
_BASE = "http://hl7.org/fhir/StructureDefinition/"
_TERMS = "http://terminology.hl7.org/CodeSystem"
_MOST = 500
# Where each type says who it is about, and by whom it is told.
_SUBJECT = {"AllergyIntolerance": "patient", "FamilyMemberHistory": "patient"}
_SOURCE = {
    "AllergyIntolerance": "asserter",
    "Condition": "asserter",
    "MedicationStatement": "informationSource",
}
_SOURCE |= {"Procedure": "asserter"}
_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "AllergyIntolerance": ("code",),
    "Condition": ("code",),
    "FamilyMemberHistory": ("relationship",),
    "MedicationStatement": ("medicationCodeableConcept", "medicationReference"),
    "Observation": ("code",),
    "Procedure": ("code",),
}


@dataclass(frozen=True, slots=True)
class Source:
    """What all that is extracted has in common: the response, and who says so about whom and when."""

    response: Resource
    is_patients_own: bool

    @property
    def reference(self) -> dict[str, Any]:
        """The response, as a reference."""
        return {"reference": f"QuestionnaireResponse/{self.response['id']}"}


def extracted(questionnaire: Resource, source: Source) -> list[dict[str, Any]]:
    """Return the resources that the answers are, each with an id that the place of the answer makes."""
    context = _context(questionnaire)
    found = []
    for place, one in enumerate(_level(items(questionnaire), items(source.response), source, context)):
        if place == _MOST:
            break
        identity = key_id("extract", source.reference["reference"], one["resourceType"], str(place))
        found.append({**one, "id": identity})
    return found


def _context(element: Resource) -> str | None:
    value = extension(element, CONTEXT)
    if isinstance(value, dict):
        value = str(value.get("expression", "")).partition("?")[0]
    return value if isinstance(value, str) and value in EXTRACTABLE else None


def _level(
    asked: list[dict[str, Any]], given: list[dict[str, Any]], source: Source, context: str | None
) -> Iterator[dict[str, Any]]:
    questions = {item.get("linkId"): item for item in asked}
    for item in given:
        question = questions.get(item.get("linkId"))
        if question is None:
            continue
        own = _context(question)
        if own is not None:
            yield from _by_definition(own, question, item, source)
            continue
        answers = [one for one in item.get("answer") or () if isinstance(one, dict)]
        if question.get("code") and _is_observed(question):
            yield from (
                _observation(question, answer, source)
                for answer in answers
                if answer_value(answer) is not None
            )
        for holder in (item, *answers):
            yield from _level(items(question), items(holder), source, context)


def _is_observed(question: Resource) -> bool:
    value = extension(question, OBSERVATION)
    return value is True or (value is None and extension(question, LINK_PERIOD) is not None)


def _by_definition(
    resource_type: str, question: Resource, item: Resource, source: Source
) -> Iterator[dict[str, Any]]:
    """Yield the resources of a group, or of each answer of a question that is a context by itself."""
    answers = [one for one in item.get("answer") or () if isinstance(one, dict)]
    if answers and "definition" in question:
        for answer in answers:
            resource: dict[str, Any] = {"resourceType": resource_type}
            _set(resource, question, answer)
            _fill(resource, items(question), items(answer))
            yield from _completed(resource, source)
        return
    resource = {"resourceType": resource_type}
    _fill(resource, items(question), items(item))
    yield from _completed(resource, source)


def _fill(resource: dict[str, Any], asked: list[dict[str, Any]], given: list[dict[str, Any]]) -> None:
    questions = {item.get("linkId"): item for item in asked}
    for item in given:
        question = questions.get(item.get("linkId"))
        if question is None:
            continue
        for answer in item.get("answer") or ():
            _set(resource, question, answer)
            _fill(resource, items(question), items(answer))
        _fill(resource, items(question), items(item))


def _set(resource: dict[str, Any], question: Resource, answer: Resource) -> None:
    """Put an answer where the definition of the question says."""
    definition, value = str(question.get("definition", "")), answer_value(answer)
    path = definition.partition("#")[2]
    resource_type = resource["resourceType"]
    if value is None or not definition.startswith(_BASE) or not path.startswith(f"{resource_type}."):
        return
    steps = path.split(".")[1:]
    elements = _elements(resource_type, steps)
    if elements is None:
        return
    holder = resource
    for step, element in zip(steps[:-1], elements, strict=False):
        holder = holder.setdefault(step, [{}])[0] if _is_list(element) else holder.setdefault(step, {})
    name, converted = _converted(steps[-1], [one.code for one in elements[-1].types], value)
    if name is None:
        return
    if _is_list(elements[-1]):
        holder.setdefault(name, []).append(converted)
    else:
        holder[name] = converted


def _is_list(element: Element) -> bool:
    return element.maximum is None or element.maximum > 1


def _elements(type_name: str, steps: list[str]) -> list[Element] | None:
    """Return the elements on a path, also within data types; None if there is no such path."""
    found: list[Element] = []
    within: list[str] = []
    for step in steps:
        known = structure(type_name).elements
        paths = [".".join([*within, name]) for name in (step, *_stems(step))]
        element = next((known[path] for path in paths if path in known), None)
        if element is None:
            return None
        found.append(element)
        kind = element.types[0].code if len(element.types) == 1 else ""
        if kind in ("", "BackboneElement", "Element"):
            within.append(step)
        else:
            type_name, within = kind, []
    return found


def _stems(step: str) -> Iterator[str]:
    """Yield the names of choices that a name such as `onsetDateTime` may belong to."""
    for place, letter in enumerate(step):
        if letter.isupper():
            yield f"{step[:place]}[x]"


def _converted(step: str, types: list[str], value: Any) -> tuple[str | None, Any]:
    """Return the name and the value of the element, by the types that it may have."""
    if step.endswith("[x]"):
        kind = _kind_of(value, types)
        name = f"{step[:-3]}{kind[0].upper()}{kind[1:]}" if kind else None
    elif len(types) > 1:
        name, kind = step, next((one for one in types if step.lower().endswith(one.lower())), None)
    else:
        name, kind = step, types[0] if types else None
    if kind is None:
        return None, None
    return name, _as(kind, value)


def _kind_of(value: Any, types: list[str]) -> str | None:
    wanted: tuple[str, ...]
    if isinstance(value, dict):
        wanted = (
            ("CodeableConcept", "Coding") if "code" in value and "value" not in value else ("Quantity", "Age")
        )
        if "reference" in value:
            wanted = ("Reference",)
    elif isinstance(value, bool):
        wanted = ("boolean",)
    elif isinstance(value, str):
        is_date = len(value) >= 4 and value[:4].isdecimal()
        wanted = (
            ("dateTime", "date", "string", "CodeableConcept") if is_date else ("string", "CodeableConcept")
        )
    else:
        wanted = ("integer", "decimal")
    return next((one for one in wanted if one in types), None)


def _as(kind: str, value: Any) -> Any:
    if kind == "CodeableConcept":
        return {"text": value} if isinstance(value, str) else {"coding": [value]}
    if kind in ("code", "string", "markdown") and isinstance(value, dict):
        return value.get("code" if kind == "code" else "display") or value.get("display")
    if kind == "Annotation":
        return {"text": value}
    if kind == "Dosage":
        return {"text": value}
    return value


def _completed(resource: dict[str, Any], source: Source) -> Iterator[dict[str, Any]]:
    """Yield a resource with what it needs; nothing if the answers do not say what it is about."""
    kind = resource["resourceType"]
    if not any(name in resource for name in _REQUIRED[kind]):
        return
    response = source.response
    subject, encounter = response.get("subject"), response.get("encounter")
    resource[_SUBJECT.get(kind, "subject")] = subject
    if encounter is not None and kind in ("Condition", "AllergyIntolerance", "Observation", "Procedure"):
        resource["encounter"] = encounter
    if kind == "MedicationStatement" and encounter is not None:
        resource["context"] = encounter
    by = response.get("source") or (subject if source.is_patients_own else None)
    if by is not None and kind in _SOURCE:
        resource[_SOURCE[kind]] = by
    _mark(resource, source)
    yield resource


def _mark(resource: dict[str, Any], source: Source) -> None:
    """Say how far a resource is to be believed, and where it comes from."""
    kind, authored = resource["resourceType"], source.response.get("authored")
    if kind == "Condition":
        resource.setdefault("clinicalStatus", concept(f"{_TERMS}/condition-clinical", "active"))
        resource["verificationStatus"] = concept(f"{_TERMS}/condition-ver-status", "unconfirmed")
        resource["category"] = [concept(f"{_TERMS}/condition-category", "problem-list-item")]
        resource["evidence"] = [{"detail": [source.reference]}]
    elif kind == "AllergyIntolerance":
        resource.setdefault("clinicalStatus", concept(f"{_TERMS}/allergyintolerance-clinical", "active"))
        status = concept(f"{_TERMS}/allergyintolerance-verification", "unconfirmed")
        resource["verificationStatus"] = status
    elif kind == "MedicationStatement":
        resource.setdefault("status", "active")
        resource["category"] = concept(f"{_TERMS}/medication-statement-category", "patientspecified")
        resource["derivedFrom"] = [source.reference]
    elif kind == "FamilyMemberHistory":
        resource.setdefault("status", "health-unknown" if "condition" not in resource else "partial")
    elif kind == "Procedure":
        resource.setdefault("status", "completed")
    if authored and kind in ("Condition", "AllergyIntolerance"):
        resource.setdefault("recordedDate", authored)
    if authored and kind == "MedicationStatement":
        resource.setdefault("dateAsserted", authored)


def _observation(question: Resource, answer: Resource, source: Source) -> dict[str, Any]:
    value, response = answer_value(answer), source.response
    name = next(key for key in answer if key.startswith("value"))
    if name in ("valueCoding", "valueDecimal", "valueUri", "valueReference", "valueDate"):
        coded = {"valueCoding": ("valueCodeableConcept", {"coding": [value]})}
        coded |= {"valueDecimal": ("valueQuantity", {"value": value}), "valueDate": ("valueDateTime", value)}
        name, value = coded.get(name, ("valueString", str(value)))
    made = {
        "resourceType": "Observation",
        "status": "final",
        "category": [concept(f"{_TERMS}/observation-category", "survey")],
        "code": {"coding": list(question["code"])},
        "subject": response.get("subject"),
        "encounter": response.get("encounter"),
        "effectiveDateTime": response.get("authored"),
        "performer": [one for one in [response.get("source") or response.get("author")] if one] or None,
        name: value,
        "derivedFrom": [source.reference],
    }
    return {key: part for key, part in made.items() if part is not None}
