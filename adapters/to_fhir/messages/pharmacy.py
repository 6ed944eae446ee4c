"""RDE^O11, RDS^O13, and ORM^O01 with RXO: prescriptions and what was dispensed. HL7 v2.5.1 §4.13"""

from decimal import Decimal
from typing import Any

from adapters.to_fhir.datatypes.actors import practitioner
from adapters.to_fhir.datatypes.codes import code, concept, simple
from adapters.to_fhir.datatypes.identifiers import ei_typed, identities_of
from adapters.to_fhir.datatypes.quantities import decimal, unit
from adapters.to_fhir.datatypes.times import date_time
from adapters.to_fhir.drafts import Draft, Reversal
from adapters.to_fhir.messages.clinical import told
from adapters.to_fhir.messages.common import filled, missing, persona, visit
from adapters.to_fhir.messages.orders_common import about, add_notes, filler, placer
from adapters.to_fhir.messages.orders_walk import Order, walk
from adapters.to_fhir.rules import Convert, Rule, SegmentMap, always, text
from adapters.to_fhir.scope import Scope
from adapters.to_fhir.value import NULL, Value
from hl7.errors import Location
from hl7.message import Segment

# What takes an order, and what was dispensed on it, back (table 0119).
_TAKEN_BACK = frozenset({"CA", "CR", "DC", "DR", "OC", "OD"})
_DOSE = "http://terminology.hl7.org/CodeSystem/dose-rate-type"


def _with_units(field: int) -> Convert:
    """Return the converter of an NM to a Quantity whose units are in another field of the segment."""

    def convert(value: Value, scope: Scope) -> dict[str, Any] | None:
        found = decimal(value, scope)
        if found is None or scope.segment is None:
            return None
        raw = scope.segment.raw_fields[field] if len(scope.segment.raw_fields) > field else ""
        return {"value": found} | (unit(Value(raw, scope.reader)) if raw and raw != NULL else {})

    return convert


def _dose(highest: int, units: int) -> Convert:
    """Return the converter of a dose: a Quantity, or a Range if it has a maximum."""

    def convert(value: Value, scope: Scope) -> dict[str, Any] | None:
        segment = scope.segment
        low = _with_units(units)(value, scope)
        if low is None or segment is None:
            return None
        kind = {"coding": [{"system": _DOSE, "code": "ordered", "display": "Ordered"}]}
        if segment[highest] and not segment[highest].is_null:
            raw = segment[highest].repetition(1).raw
            high = _with_units(units)(Value(raw, scope.reader), scope)
            return {"type": kind, "doseRange": {"low": low, "high": high}}
        return {"type": kind, "doseQuantity": low}

    return convert


def _whole(value: Value, scope: Scope) -> int | None:
    found: Decimal | None = decimal(value, scope)
    return int(found) if found is not None and found >= 0 and found == int(found) else None


def _text_of(value: Value, _scope: Scope) -> str | None:
    return value[2] or value[1] or None


ORC = SegmentMap(
    "ORC[MedicationRequest]",
    "MedicationRequest",
    (
        Rule("ORC-1", "status", always("active"), "ours", lambda segment, _: not segment[5],
             "ORC-5 is empty"),
        Rule("ORC-2", "identifier[]", ei_typed("PLAC"), "ours"),
        Rule("ORC-3", "identifier[]", ei_typed("FILL"), "ours"),
        Rule("ORC-5", "", code("OrderStatus", "status", fallback="unknown"), "ours",
             lambda segment, _: segment.get(5) != "DC", "ORC-5 is not DC"),
        Rule("ORC-9", "authoredOn", date_time, "ours"),
        Rule("ORC-12", "requester", practitioner, "ours"),
    ),
)  # fmt: skip

RXO = SegmentMap(
    "RXO[MedicationRequest]",
    "MedicationRequest",
    (
        Rule("RXO-1", "medicationCodeableConcept", concept(), "RXO[MedicationRequest] 1"),
        Rule("RXO-2", "dosageInstruction.0.doseAndRate[]", _dose(3, 4), "RXO[MedicationRequest] 2"),
        Rule("RXO-7", "dosageInstruction.0.text", _text_of, "ours"),
        Rule("RXO-9", "substitution.allowedCodeableConcept", concept("AllowSubstitution", "0161"),
             "RXO[MedicationRequest] 9"),
        Rule("RXO-11", "dispenseRequest.quantity", _with_units(12), "RXO[MedicationRequest] 11"),
        Rule("RXO-13", "dispenseRequest.numberOfRepeatsAllowed", _whole, "RXO[MedicationRequest] 13"),
        Rule("RXO-14", "requester", practitioner, "RXO[MedicationRequest] 14"),
        Rule("RXO-20", "reasonCode[]", concept(), "ours"),
    ),
)  # fmt: skip

RXE = SegmentMap(
    "RXE[MedicationRequest]",
    "MedicationRequest",
    (
        Rule("RXE-2", "medicationCodeableConcept", concept(), "ours"),
        Rule("RXE-3", "dosageInstruction.0.doseAndRate[]", _dose(4, 5), "ours"),
        Rule("RXE-7", "dosageInstruction.0.text", _text_of, "ours"),
        Rule("RXE-9", "substitution.allowedCodeableConcept", concept("AllowSubstitution", "0161"), "ours"),
        Rule("RXE-10", "dispenseRequest.quantity", _with_units(11), "ours"),
        Rule("RXE-12", "dispenseRequest.numberOfRepeatsAllowed", _whole, "ours"),
        Rule("RXE-13", "requester", practitioner, "ours"),
        Rule("RXE-27", "reasonCode[]", concept(), "ours"),
        Rule("RXE-15", "identifier[]", ei_typed("FILL"), "ours"),
    ),
)

RXR = SegmentMap(
    "RXR[MedicationRequest]",
    "Dosage",
    (
        Rule("RXR-1", "route", concept("RouteOfAdministration", "0162"), "RXR[MedicationRequest] 1"),
        Rule("RXR-2", "site", concept("BodyParts", "0550"), "RXR[MedicationRequest] 2"),
        Rule("RXR-4", "method", concept("AdministrationMethod", "0165"), "RXR[MedicationRequest] 4"),
    ),
)

TQ1 = SegmentMap(
    "TQ1[MedicationRequest]",
    "MedicationRequest",
    (
        Rule("TQ1-3", "dosageInstruction.0.timing.code", concept("RepeatPattern", "0335"),
             "TQ1[MedicationRequest] 3"),
        Rule("TQ1-7", "dosageInstruction.0.timing.repeat.boundsPeriod.start", date_time,
             "TQ1[MedicationRequest] 7"),
        Rule("TQ1-8", "dosageInstruction.0.timing.repeat.boundsPeriod.end", date_time,
             "TQ1[MedicationRequest] 8"),
        Rule("TQ1-9", "priority", simple("ExtendedPriorityCodes"), "TQ1[MedicationRequest] 9"),
        Rule("TQ1-11", "dosageInstruction.0.patientInstruction", text, "TQ1[MedicationRequest] 11"),
    ),
)  # fmt: skip

RXD = SegmentMap(
    "RXD[MedicationDispense]",
    "MedicationDispense",
    (
        Rule("RXD", "status", always("completed"), "ours"),
        Rule("RXD-2", "medicationCodeableConcept", concept(), "ours"),
        Rule("RXD-3", "whenHandedOver", date_time, "ours"),
        Rule("RXD-4", "quantity", _with_units(5), "ours"),
        Rule("RXD-9", "note[]", lambda value, _: {"text": value.text} if value.text else None, "ours"),
        Rule("RXD-10", "performer[]", lambda value, scope: _actor(value, scope), "ours"),
    ),
)


def _actor(value: Value, scope: Scope) -> dict[str, Any] | None:
    who = practitioner(value, scope)
    return None if who is None or "reference" not in who else {"actor": who}


def prescription(scope: Scope, order: Order, place: int) -> Draft | None:
    """Add an order of a medicine as a MedicationRequest; what the pharmacy made of it (RXE) counts first."""
    numbers = [one for one in (placer(scope, order), filler(scope, order)) if one is not None]
    if not numbers:
        return None
    draft = Draft(
        f"prescription:{place}", {"resourceType": "MedicationRequest"}, tuple(dict.fromkeys(numbers))
    )
    if order.orc is not None:
        filled(scope, draft, ORC, order.orc)
    segments = [one for one in (order.detail, *order.further) if one is not None]
    encoded = next((one for one in segments if one.name == "RXE"), None)
    asked = next((one for one in segments if one.name == "RXO"), None)
    if encoded is not None:
        filled(scope, draft, RXE, encoded)
    elif asked is not None:
        filled(scope, draft, RXO, asked)
    if "reference" not in draft.resource.get("requester", {}) and asked is not None and asked[14]:
        # Both name the one who orders: a number tells more than a name.
        who = practitioner(Value(asked[14].repetition(1).raw, scope.reader), scope)
        if who is not None and ("reference" in who or "requester" not in draft.resource):
            draft.resource["requester"] = who
    _dosage(scope, order, draft)
    resource = draft.resource
    resource.setdefault("status", "active")
    if resource["status"] == "revoked":
        resource["status"] = "cancelled"  # as prescriptions call it
    resource["intent"] = "order"
    if "medicationCodeableConcept" not in resource:
        raise missing("RXE" if encoded is not None else "RXO", 1, 2 if encoded is not None else 1)
    resource |= about(scope)
    _one_number(resource)
    if order.notes:
        add_notes(scope, draft, "note", order.notes)
    scope.drafts[draft.key] = draft
    return draft


def _one_number(resource: dict[str, Any]) -> None:
    seen = {(one.get("system"), one["value"]): one for one in reversed(resource.get("identifier", []))}
    if seen:
        resource["identifier"] = list(reversed(seen.values()))


def _dosage(scope: Scope, order: Order, draft: Draft) -> None:
    for timing in list(order.all("TQ1"))[:1]:
        filled(scope, draft, TQ1, timing)
    route = order.first("RXR")
    if route is not None:
        dosage: dict[str, Any] = {}
        with scope.within(draft.key, "dosageInstruction.0"):
            RXR(route, scope, dosage)
        listed = draft.resource.setdefault("dosageInstruction", [{}])
        listed[0] |= dosage


def rde(scope: Scope) -> None:
    """Map RDE^O11."""
    _each(scope, with_dispenses=False)


def rds(scope: Scope) -> None:
    """Map RDS^O13: the prescription if it is not known here, and what was dispensed, or is taken back."""
    _each(scope, with_dispenses=True)


def _each(scope: Scope, *, with_dispenses: bool) -> None:
    persona(scope, "minimal")
    visit(scope, "minimal")
    found = [one for one in walk(scope.message.segments).orders if not one.is_prior]
    if not found:
        raise missing("ORC")
    for place, order in enumerate(found, 1):
        draft = _known(scope, order, place, with_dispenses=with_dispenses)
        if not with_dispenses:
            from adapters.to_fhir.messages.orders import control

            control(scope, draft, order)
        else:
            dispensed = [
                one for one in (order.detail, *order.further) if one is not None and one.name == "RXD"
            ]
            if not dispensed:
                raise missing("RXD")
            for segment in dispensed:
                _dispense(scope, segment, draft)
                if order.orc is not None and order.orc.get(1) in _TAKEN_BACK:
                    _take_back(scope, segment)


def _known(scope: Scope, order: Order, place: int, *, with_dispenses: bool) -> Draft:
    segments = [one for one in (order.detail, *order.further) if one is not None]
    if not any(one.name in ("RXO", "RXE") for one in segments):
        raise missing("RXE")
    draft = prescription(scope, order, place)
    if draft is None:
        raise missing("ORC", 1, 2)
    if with_dispenses:
        draft.presence = "minimal"
    return draft


def _dispense(scope: Scope, segment: Segment, request: Draft) -> None:
    draft = Draft(f"dispense:{segment.sequence}", {"resourceType": "MedicationDispense"})
    filled(scope, draft, RXD, segment)
    resource = draft.resource
    if "medicationCodeableConcept" not in resource:
        raise missing("RXD", segment.sequence, 2)
    made = about(scope)
    resource["subject"] = made["subject"]
    if "encounter" in made:
        resource["context"] = made["encounter"]
    resource["authorizingPrescription"] = [request.reference]
    number = request.identities[0]
    medicine = told(resource["medicationCodeableConcept"])
    when = segment.get(3)
    draft.parts = ("dispense", number.system, number.value, segment.get(7), segment.get(1), when, *medicine)
    scope.drafts[draft.key] = draft


def _take_back(scope: Scope, segment: Segment) -> None:
    """Have a dispense that is known be an error: what was handed out is not changed."""
    draft = scope.drafts[f"dispense:{segment.sequence}"]
    draft.presence = "known"
    draft.resource = {"resourceType": "MedicationDispense", "status": "entered-in-error"}
    scope.effects.append(Reversal(draft.key, Location("RXD", segment.sequence)))


__all__ = ["identities_of", "prescription", "rde", "rds"]
