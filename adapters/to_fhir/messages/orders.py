"""ORM^O01, OML^O21 and REF^I12: what is ordered, asked for, or taken back. HL7 v2.5.1 §4.4, chapter 11"""

from typing import Any

from adapters.to_fhir.datatypes.codes import code, concept
from adapters.to_fhir.datatypes.identifiers import ei, ei_typed, identities_of
from adapters.to_fhir.datatypes.times import date_time
from adapters.to_fhir.drafts import Draft, OrderControl
from adapters.to_fhir.messages import clinical
from adapters.to_fhir.messages.common import filled, missing, persona, subject_parts, visit
from adapters.to_fhir.messages.orders_common import about, add_notes, service_request, specimen, supporting
from adapters.to_fhir.messages.orders_walk import Order, walk
from adapters.to_fhir.messages.pharmacy import prescription
from adapters.to_fhir.rules import Rule, SegmentMap, text
from adapters.to_fhir.scope import Scope
from adapters.to_fhir.segments.clinical import DG1
from adapters.to_fhir.tables.codes import V2
from adapters.to_fhir.value import Value
from hl7.errors import SEGMENT_SEQUENCE, HL7Error, Location
from hl7.message import Segment

_NEW = "NW"
_NOT_TAKEN = frozenset({"ODS", "ODT", "RQD"})


def orders(scope: Scope) -> None:
    """Map ORM^O01 and OML^O21."""
    persona(scope, "minimal")
    visit(scope, "minimal")
    found = walk(scope.message.segments)
    taken = [one for one in found.orders if not one.is_prior]
    if len(taken) < len(found.orders):
        scope.warn("results of before that come with an order are not taken")
    if not taken or taken[0].orc is None:
        raise missing("ORC")
    told = ""
    for place, order in enumerate(taken, 1):
        told = told if order.orc is None else order.orc.get(1)
        if order.orc is None and told != _NEW:
            raise _without_control(order)
        _order(scope, order, place)


def _without_control(order: Order) -> HL7Error:
    """Return that it is not said what is to be done with an order: several behind one ORC are all new."""
    detail = order.detail
    where = Location("ORC") if detail is None else Location(detail.name, detail.sequence)
    return HL7Error("an order that is not new, without an ORC", code=SEGMENT_SEQUENCE, location=where)


def _order(scope: Scope, order: Order, place: int) -> None:
    if order.detail is not None and order.detail.name in _NOT_TAKEN:
        where = Location(order.detail.name, order.detail.sequence)
        raise HL7Error("orders of meals and of supplies are not taken", code=SEGMENT_SEQUENCE, location=where)
    draft = (
        prescription(scope, order, place)
        if order.detail is not None and order.detail.name in ("RXO", "RXE")
        else service_request(scope, order, place, "full")
    )
    if draft is None:
        raise missing("ORC" if order.orc is not None else "OBR", 1, 2)
    control(scope, draft, order)
    if draft.type != "ServiceRequest":
        return
    resource = draft.resource
    resource.setdefault("status", "active")
    control_code = "NW" if order.orc is None else order.orc.get(1)
    if "code" not in resource and control_code in ("NW", "XO", "RO", "SN"):
        raise missing("OBR", 1, 4)
    samples = [specimen(scope, one, draft) for one in order.samples]
    if samples:
        resource["specimen"] = [one.reference for one in samples]
    told = _supporting(scope, order, draft, place)
    if told:
        resource["supportingInfo"] = [one.reference for one in told]
    reasons = _reasons(scope, order, draft)
    if reasons:
        resource["reasonReference"] = [one.reference for one in reasons]


def control(scope: Scope, draft: Draft, order: Order) -> None:
    """Add what ORC-1 asks or tells of an order."""
    orc = order.orc
    if orc is not None and orc.get(1):
        effect = OrderControl(draft.key, orc.get(1), orc[2].text, orc[3].text, orc.get(16, 2) or orc.get(16))
        scope.effects.append(effect)


def _supporting(scope: Scope, order: Order, draft: Draft, place: int) -> list[Draft]:
    """Add the OBX of an order: what has to be known to carry it out."""
    found = []
    for result in order.results:
        key = f"order:{place}:told:{result.obx.sequence}"
        resource = supporting(scope, result, key, _SURVEY)
        if resource is None:
            continue
        parts = ("told", *_number(draft), *clinical.told(resource["code"]), result.obx[4].text)
        made = Draft(key, resource, parts=parts)
        if result.notes:
            add_notes(scope, made, "note", result.notes)
        scope.drafts[key] = made
        found.append(made)
    return found


_SURVEY = {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "survey"}]
}


def _number(draft: Draft) -> tuple[str, ...]:
    first = draft.identities[0] if draft.identities else None
    return (first.system, first.value) if first is not None else draft.parts


def _reasons(scope: Scope, order: Order, draft: Draft) -> list[Draft]:
    """Add the DG1 of an order as the reasons of it."""
    found = []
    for segment in order.all("DG1"):
        key = f"{draft.key}:reason:{segment.sequence}"
        made = Draft(key, {"resourceType": "Condition"})
        filled(scope, made, DG1, segment)
        if not made.resource.get("code"):
            continue
        made.resource |= about(scope)
        known = clinical.entry(scope, "DG1-20", segment)
        made.parts = (
            ("diagnosis", known.system, known.value)
            if known is not None
            else ("reason", *_number(draft), *clinical.told(made.resource["code"]))
        )
        made.key = "diagnosis:" + made.id
        scope.drafts.setdefault(made.key, made)
        found.append(scope.drafts[made.key])
    return found


RF1 = SegmentMap(
    "RF1[ServiceRequest]",
    "ServiceRequest",
    (
        Rule("RF1-1", "", code("ReferralStatus", "status", fallback="unknown"), "ours"),
        Rule("RF1-2", "", code("ReferralPriority", "priority"), "ours"),
        Rule("RF1-3", "category[]", concept("", "0281"), "ours"),
        Rule("RF1-6", "identifier[]", ei_typed("PLAC"), "ours"),
        Rule("RF1-7", "authoredOn", date_time, "ours"),
        Rule("RF1-10", "reasonCode[]", concept("", "0336"), "ours"),
        Rule("RF1-11", "identifier[]", ei_typed("FILL"), "ours"),
    ),
)
_REFERRAL = {
    "coding": [{"system": "http://snomed.info/sct", "code": "3457005", "display": "Patient referral"}]
}


def referral(scope: Scope) -> None:
    """Map REF^I12: the request that somebody sees a patient."""
    segment = scope.message.first("RF1")
    if segment is None:
        raise missing("RF1")
    persona(scope, "minimal")
    visit(scope, "minimal")
    draft = Draft("referral", {"resourceType": "ServiceRequest"})
    filled(scope, draft, RF1, segment)
    resource = draft.resource
    draft.identities = identities_of(resource.get("identifier", []))
    if not draft.identities:
        raise missing("RF1", 1, 6)
    resource.setdefault("status", "active")
    resource["intent"] = "order"
    resource.setdefault("category", []).append(_REFERRAL)
    resource |= about(scope)
    _providers(scope, resource)
    scope.drafts[draft.key] = draft
    clinical.allergies(scope)
    clinical.diagnoses(scope)
    reasons = [one.reference for one in scope.drafts.values() if one.type == "Condition"]
    if reasons:
        resource["reasonReference"] = reasons


def _providers(scope: Scope, resource: dict[str, Any]) -> None:
    """Add who refers (PRD-1 RP), and who is to see the patient (RT): by their number, else by name only."""
    for segment in scope.message.all("PRD"):
        name = Value(segment[2].repetition(1).raw, scope.reader)
        shown = " ".join(filter(None, (name[5], name[2], name[1])))
        raw = segment[7].repetition(1).raw
        number = Value(raw, scope.reader)[1] if raw else ""
        who: dict[str, Any] = {"display": shown} if shown else {}
        if number:
            system = ei(Value(raw, scope.reader), scope)["system"]
            who["identifier"] = {"system": system, "value": number}
        if not who:
            continue
        if segment.get(1) == "RP":
            resource.setdefault("requester", {"type": "Practitioner", **who})
        elif segment.get(1) == "RT":
            resource.setdefault("performer", []).append({"type": "Practitioner", **who})


__all__ = ["RF1", "V2", "Segment", "orders", "referral", "subject_parts", "text"]
