"""What is said of a patient beside a visit: allergies, diagnoses, procedures, insurance, findings."""

from typing import Any

from adapters.to_fhir.datatypes.identifiers import ei
from adapters.to_fhir.drafts import Draft, Identity
from adapters.to_fhir.messages.common import ENCOUNTER, filled, subject_parts
from adapters.to_fhir.scope import Place, Scope
from adapters.to_fhir.segments.clinical import AL1, DG1, DG1_ENCOUNTER, IAM, IN1, PR1
from adapters.to_fhir.segments.results import observation
from adapters.to_fhir.value import Value
from hl7.errors import REQUIRED_FIELD_MISSING
from hl7.message import Segment


def told(concept: dict[str, Any] | None) -> tuple[str, str]:
    """Return what stands for a CodeableConcept in keys: its first code with its system, or its text."""
    coding = next(iter((concept or {}).get("coding", ())), None)
    if coding is not None:
        return coding.get("system", ""), coding["code"]
    return "", (concept or {}).get("text", "")


def visit_parts(scope: Scope) -> tuple[str, ...]:
    """Return what stands for the visit in keys, if there is one."""
    draft = scope.drafts.get(ENCOUNTER)
    if draft is None:
        return ()
    return (draft.identities[0].system, draft.identities[0].value) if draft.identities else draft.parts


def _about(scope: Scope, element: str) -> dict[str, Any]:
    """Return the elements that say about whom, and in which visit, something is."""
    made: dict[str, Any] = {element: scope.drafts[scope.subject].reference}
    draft = scope.drafts.get(ENCOUNTER)
    if draft is not None:
        made["encounter"] = draft.reference
    return made


def entry(scope: Scope, name: str, segment: Segment) -> Identity | None:
    """Return the identity that an EI of a segment gives (`DG1-20`)."""
    number = int(name.partition("-")[2])
    raw = segment[number].repetition(1).raw if segment[number] else ""
    made = ei(Value(raw, scope.reader), scope) if raw else None
    return None if made is None else Identity(made["system"], made["value"])


def _warn(scope: Scope, segment: Segment, field: int, text: str) -> None:
    """Tell the sender that a segment was left out for a field that it has not."""
    scope.place = Place(segment.name, segment.sequence, field)
    scope.warn(text, REQUIRED_FIELD_MISSING)


def allergies(scope: Scope) -> None:
    """Add AL1 and IAM; those that say not to what somebody is allergic are left out, with a warning."""
    for table, name in ((AL1, "AL1"), (IAM, "IAM")):
        for segment in scope.message.all(name):
            draft = Draft(f"allergy:{name}:{segment.sequence}", {"resourceType": "AllergyIntolerance"})
            filled(scope, draft, table, segment)
            resource = draft.resource
            if "code" not in resource:
                _warn(scope, segment, 3, "an allergy that does not say to what")
                continue
            if "_category" in resource and "category" not in resource:
                resource["category"] = [None]
            if resource.get("reaction") == [{}]:
                del resource["reaction"]
            verified = {"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"}
            if name == "IAM" and segment.get(6) == "D":
                resource["verificationStatus"] = {"coding": [{**verified, "code": "entered-in-error"}]}
                resource.pop("clinicalStatus", None)
            resource["patient"] = scope.drafts[scope.subject].reference
            draft.parts = ("allergy", *subject_parts(scope), *told(resource["code"]))
            draft.key = f"allergy:{'|'.join(told(resource['code']))}"
            scope.drafts[draft.key] = draft


def diagnoses(scope: Scope) -> None:
    """Add DG1 as Conditions, and as diagnoses of the encounter."""
    listed: list[dict[str, Any]] = []
    for segment in scope.message.all("DG1"):
        draft = Draft(f"diagnosis:{segment.sequence}", {"resourceType": "Condition"})
        filled(scope, draft, DG1, segment)
        resource = draft.resource
        if not resource.get("code"):
            scope.warn("a diagnosis that does not say which")
            continue
        resource |= _about(scope, "subject")
        known = entry(scope, "DG1-20", segment)
        if known is not None:
            draft.parts = ("diagnosis", known.system, known.value)
        else:
            draft.parts = ("diagnosis", *subject_parts(scope), *visit_parts(scope), *told(resource["code"]),
                           segment.get(6))  # fmt: skip
        draft.key = "diagnosis:" + draft.id
        if draft.key in scope.drafts:
            continue
        scope.drafts[draft.key] = draft
        diagnosis: dict[str, Any] = {"condition": draft.reference}
        with scope.within(ENCOUNTER, f"diagnosis.{len(listed)}"):
            DG1_ENCOUNTER(segment, scope, diagnosis)
        if segment.get(21) != "D":
            listed.append(diagnosis)
    if listed and ENCOUNTER in scope.drafts:
        scope.drafts[ENCOUNTER].resource["diagnosis"] = listed


def procedures(scope: Scope) -> None:
    """Add PR1."""
    for segment in scope.message.all("PR1"):
        draft = Draft(f"procedure:{segment.sequence}", {"resourceType": "Procedure"})
        filled(scope, draft, PR1, segment)
        resource = draft.resource
        if not resource.get("code"):
            scope.warn("a procedure that does not say which")
            continue
        resource |= _about(scope, "subject")
        known = entry(scope, "PR1-19", segment)
        if known is not None and segment.get(19):
            draft.parts = ("procedure", known.system, known.value)
        else:
            draft.parts = ("procedure", *subject_parts(scope), *visit_parts(scope), *told(resource["code"]),
                           str(resource.get("performedDateTime", "")))  # fmt: skip
        draft.key = "procedure:" + draft.id
        scope.drafts.setdefault(draft.key, draft)


def coverages(scope: Scope) -> None:
    """Add IN1, of which a payor is known."""
    for segment in scope.message.all("IN1"):
        draft = Draft(f"coverage:{segment.sequence}", {"resourceType": "Coverage"})
        filled(scope, draft, IN1, segment)
        resource = draft.resource
        if "payor" not in resource:
            _warn(scope, segment, 3, "an insurance that does not say whose")
            continue
        resource["beneficiary"] = scope.drafts[scope.subject].reference
        payor = resource["payor"][0].get("reference", "")
        plan = next((one["value"] for one in resource.get("class", ())), "")
        draft.parts = ("coverage", *subject_parts(scope), payor, plan, resource.get("subscriberId", ""))
        draft.key = "coverage:" + draft.id
        scope.drafts.setdefault(draft.key, draft)


_EXAM = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "exam"}]}


def findings(scope: Scope) -> None:
    """Add OBX that stand with a visit: what was found at the bedside, such as weight (ours)."""
    seen: dict[tuple[str, ...], int] = {}
    for segment in scope.message.all("OBX"):
        key = f"finding:{segment.sequence}"
        with scope.within(key):
            resource = observation(segment, scope)
        if resource is None or "status" not in resource:
            if resource is not None:
                _warn(scope, segment, 11, "a finding without a status")
            continue
        resource.setdefault("category", [_EXAM])
        resource |= _about(scope, "subject")
        parts = ("finding", *subject_parts(scope), *visit_parts(scope), *told(resource["code"]),
                 segment[4].text, str(resource.get("effectiveDateTime", "")))  # fmt: skip
        seen[parts] = seen.get(parts, 0) + 1
        more = (str(seen[parts]),) if seen[parts] > 1 else ()
        scope.drafts[key] = Draft(key, resource, parts=(*parts, *more))
