"""VXU^V04: vaccinations. HL7 v2.5.1 §4.17, and the guide's VXU_V04"""

from typing import Any

from adapters.to_fhir.datatypes.actors import coded_organization, practitioner
from adapters.to_fhir.datatypes.codes import code, concept
from adapters.to_fhir.datatypes.identifiers import ei_typed
from adapters.to_fhir.datatypes.quantities import decimal, unit
from adapters.to_fhir.datatypes.times import date, date_time
from adapters.to_fhir.drafts import Draft
from adapters.to_fhir.messages.clinical import told
from adapters.to_fhir.messages.common import filled, missing, persona, subject_parts, visit
from adapters.to_fhir.messages.orders_common import about, add_notes, filler, placer, supporting
from adapters.to_fhir.messages.orders_walk import Order, walk
from adapters.to_fhir.rules import Rule, SegmentMap, always, text
from adapters.to_fhir.scope import Scope
from adapters.to_fhir.value import NULL, Value
from hl7.message import Segment

_FUNCTIONS = "http://terminology.hl7.org/CodeSystem/v2-0443"
_UNKNOWN_AMOUNT = "999"


def _who(function: str) -> Any:
    def convert(value: Value, scope: Scope) -> dict[str, Any] | None:
        who = practitioner(value, scope)
        if who is None:
            return None
        return {"function": {"coding": [{"system": _FUNCTIONS, "code": function}]}, "actor": who}

    return convert


def _dose(value: Value, scope: Scope) -> dict[str, Any] | None:
    """Return the amount with its units (RXA-7); 999 says that it is not known."""
    if value[1] == _UNKNOWN_AMOUNT or scope.segment is None:
        return None
    found = decimal(value, scope)
    raw = scope.segment.raw_fields[7] if len(scope.segment.raw_fields) > 7 else ""
    if found is None:
        return None
    return {"value": found} | (unit(Value(raw, scope.reader)) if raw and raw != NULL else {})


def _is_there(segment: Segment, _scope: Scope) -> bool:
    return segment.get(21) != "D"


ORC = SegmentMap(
    "ORC[Immunization]",
    "Immunization",
    (
        Rule("ORC-2", "identifier[]", ei_typed("PLAC"), "ORC[Immunization] 2"),
        Rule("ORC-3", "identifier[]", ei_typed("FILL"), "ORC[Immunization] 3"),
        Rule("ORC-9", "recorded", date_time, "ORC[Immunization] 9"),
        Rule("ORC-12", "performer[]", _who("OP"), "ORC[Immunization] 12"),
    ),
)

RXA = SegmentMap(
    "RXA[Immunization]",
    "Immunization",
    (
        Rule("RXA-3", "occurrenceDateTime", date_time, "RXA[Immunization] 3"),
        Rule("RXA-5", "vaccineCode", concept(), "RXA[Immunization] 5"),
        Rule("RXA-6", "doseQuantity", _dose, "RXA[Immunization] 6"),
        Rule("RXA-10", "performer[]", _who("AP"), "RXA[Immunization] 10"),
        Rule("RXA-15", "lotNumber", text, "RXA[Immunization] 15"),
        Rule("RXA-16", "expirationDate", date, "RXA[Immunization] 16"),
        Rule("RXA-17", "manufacturer", coded_organization, "RXA[Immunization] 17"),
        Rule("RXA-18", "statusReason", concept(), "RXA[Immunization] 18"),
        Rule("RXA-19", "reasonCode[]", concept(), "RXA[Immunization] 19"),
        Rule("RXA-20", "", code("CompletionStatus", "status", fallback="completed"), "RXA[Immunization] 20",
             _is_there, "RXA-21 is not D"),
        Rule("RXA-21", "status", always("entered-in-error"), "RXA[Immunization] 21",
             lambda segment, _: segment.get(21) == "D", "RXA-21 is D"),
        Rule("RXA-22", "recorded", date_time, "RXA[Immunization] 22",
             lambda segment, _: segment.get(21) == "A", "RXA-21 is A"),
    ),
)  # fmt: skip

RXR = SegmentMap(
    "RXR[Immunization]",
    "Immunization",
    (
        Rule("RXR-1", "route", concept("RouteOfAdministration", "0162"), "RXR[Immunization] 1"),
        Rule("RXR-2", "site", concept("BodyParts", "0550"), "RXR[Immunization] 2"),
    ),
)
# CVX 998: no vaccine was given; what stands there is what was found, such as a history.
_NONE_GIVEN = "998"


def vxu(scope: Scope) -> None:
    """Map VXU^V04."""
    persona(scope)
    visit(scope, "minimal")
    found = [one for one in walk(scope.message.segments).orders if one.detail is not None]
    for place, order in enumerate(found, 1):
        if order.detail is not None and order.detail.name == "RXA":
            _vaccination(scope, order, order.detail, place)


def _vaccination(scope: Scope, order: Order, rxa: Segment, place: int) -> None:
    draft = Draft(f"vaccination:{place}", {"resourceType": "Immunization"})
    if order.orc is not None:
        filled(scope, draft, ORC, order.orc)
    filled(scope, draft, RXA, rxa)
    route = order.first("RXR")
    if route is not None:
        filled(scope, draft, RXR, route)
    resource = draft.resource
    if "vaccineCode" not in resource or "occurrenceDateTime" not in resource:
        raise missing("RXA", rxa.sequence, 5 if "vaccineCode" not in resource else 3)
    resource.setdefault("status", "completed")
    made = about(scope, "patient")
    resource["patient"] = made["patient"]
    if "encounter" in made:
        resource["encounter"] = made["encounter"]
    number = filler(scope, order) or placer(scope, order)
    if number is not None and number.value != "9999":
        draft.parts = ("vaccination", number.system, number.value, *told(resource["vaccineCode"]))
    else:
        draft.parts = ("vaccination", *subject_parts(scope), *told(resource["vaccineCode"]),
                       resource["occurrenceDateTime"])  # fmt: skip
    if order.notes:
        add_notes(scope, draft, "note", order.notes)
    is_given = told(resource["vaccineCode"])[1] != _NONE_GIVEN
    if is_given:
        scope.drafts[draft.key] = draft
    _findings(scope, order, draft, is_given=is_given)


def _findings(scope: Scope, order: Order, draft: Draft, *, is_given: bool) -> None:
    """Add the OBX of a vaccination as Observations that are part of it."""
    for result in order.results:
        key = f"{draft.key}:told:{result.obx.sequence}"
        resource = supporting(scope, result, key, _THERAPY)
        if resource is None:
            continue
        if is_given:
            resource["partOf"] = [draft.reference]
        parts = ("told", *draft.parts, *told(resource["code"]), result.obx[4].text)
        scope.drafts[key] = Draft(key, resource, parts=parts)


_THERAPY = {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "therapy"}]
}
