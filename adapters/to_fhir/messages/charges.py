"""DFT^P03 and BAR^P01, P02: charges, payments, and accounts. HL7 v2.5.1 chapter 6"""

from typing import Any

from adapters.to_fhir.datatypes.actors import practitioner
from adapters.to_fhir.datatypes.codes import code, concept
from adapters.to_fhir.datatypes.identifiers import ei, identities_of
from adapters.to_fhir.datatypes.quantities import decimal, money
from adapters.to_fhir.datatypes.times import date, date_time
from adapters.to_fhir.drafts import Draft, Reversal
from adapters.to_fhir.messages import clinical
from adapters.to_fhir.messages.common import filled, missing, patient, persona, subject_parts, visit
from adapters.to_fhir.messages.payers import account, payers
from adapters.to_fhir.messages.payments import PAYMENT, first, payment
from adapters.to_fhir.rules import Rule, SegmentMap
from adapters.to_fhir.scope import Scope
from adapters.to_fhir.segments.patients import PID_ACCOUNT
from adapters.to_fhir.value import Value
from hl7.errors import REQUIRED_FIELD_MISSING, TABLE_VALUE_NOT_FOUND, Location
from hl7.message import Segment

_REVERSALS = ("CD", "CR")
_CHARGES = ("CG", "CO", "")


def _performer(value: Value, scope: Scope) -> dict[str, Any] | None:
    who = practitioner(value, scope)
    return None if who is None or "reference" not in who else {"actor": who}


def _quantity(value: Value, scope: Scope) -> dict[str, Any] | None:
    found = decimal(value, scope)
    return None if found is None else {"value": found}


FT1 = SegmentMap(
    "FT1[ChargeItem]",
    "ChargeItem",
    (
        Rule("FT1-2", "identifier[]", ei, "ours"),
        Rule("FT1-4", "occurrenceDateTime", first(date_time), "ours"),
        Rule("FT1-5", "enteredDate", date_time, "ours"),
        Rule("FT1-6", "", code("TransactionType[ChargeItem]", "status"), "ours"),
        Rule("FT1-7", "code", concept("", "0132"), "ours"),
        Rule("FT1-10", "quantity", _quantity, "ours"),
        Rule("FT1-11", "priceOverride", money, "ours"),
        Rule("FT1-12", "priceOverride", money, "ours", lambda segment, _: not segment[11], "FT1-11 is empty"),
        Rule("FT1-19", "reason[]", concept("", "0051"), "ours"),
        Rule("FT1-20", "performer[]", _performer, "ours"),
    ),
)  # fmt: skip


def dft(scope: Scope) -> None:
    """Map DFT^P03: each FT1 is a charge, or takes one back, or is a payment."""
    found = scope.message.all("FT1")
    if not found:
        raise missing("FT1")
    persona(scope, "minimal")
    visit(scope, "minimal")
    for segment in found:
        _charge(scope, segment)


def _charge(scope: Scope, segment: Segment) -> None:
    kind = segment.get(6)
    if kind == PAYMENT:
        payment(scope, segment)
        return
    scope.place.segment, scope.place.sequence, scope.place.field = "FT1", segment.sequence, 6
    if kind not in (*_REVERSALS, *_CHARGES):
        # An adjustment is a credit on an invoice, which the billing office gives here.
        text = "of transactions only charges, their reversals, and payments are taken"
        raise scope.error(text, TABLE_VALUE_NOT_FOUND)
    draft = Draft(f"charge:{segment.sequence}", {"resourceType": "ChargeItem"})
    filled(scope, draft, FT1, segment)
    resource = draft.resource
    draft.identities = identities_of(resource.get("identifier", []))
    if not draft.identities:
        _without_number(scope, segment, draft)
    resource.setdefault("status", "billable")
    resource["subject"] = scope.drafts[scope.subject].reference
    if "encounter" in scope.drafts:
        resource["context"] = scope.drafts["encounter"].reference
    scope.drafts[draft.key] = draft
    if kind in _REVERSALS:
        draft.presence = "known"
        draft.resource = {"resourceType": "ChargeItem", "status": "entered-in-error"}
        scope.effects.append(Reversal(draft.key, Location("FT1", segment.sequence, 2)))
    elif "code" not in resource:
        raise missing("FT1", segment.sequence, 7)


def _without_number(scope: Scope, segment: Segment, draft: Draft) -> None:
    """Know a charge without FT1-2 by all that its FT1 says, so that it is the same if it is sent again.

    Raises HL7Error (101) for one that takes back another, as nothing says which.
    """
    if segment.get(6) in _REVERSALS:
        raise missing("FT1", segment.sequence, 2)
    scope.place.field = 2
    scope.warn("a charge without a number cannot be taken back by a message", REQUIRED_FIELD_MISSING)
    draft.parts = ("charge", scope.sender, *subject_parts(scope), *clinical.visit_parts(scope), segment.raw)


def bar(scope: Scope) -> None:
    """Map BAR^P01 (an account begins) and P02 (accounts end, of which a message may name several)."""
    if scope.message.header.trigger_event == "P02":
        _ended(scope)
        return
    persona(scope, "minimal")
    begun = account(scope, "full")
    if begun is None:
        raise missing("PID", 1, 18)
    stay = visit(scope, "minimal")
    if stay is not None:
        stay.resource["account"] = [begun.reference]
    clinical.diagnoses(scope)
    clinical.procedures(scope)
    payers(scope, begun)


def _ended(scope: Scope) -> None:
    """Close the account of each PID. HL7 v2.5.1 §6.4.2"""
    pids = scope.message.all("PID")
    if not pids:
        raise missing("PID")
    for place, pid in enumerate(pids, 1):
        person = patient(scope, pid, "minimal", f"patient:{place}")
        draft = Draft(f"account:{place}", {"resourceType": "Account"})
        filled(scope, draft, PID_ACCOUNT, pid)
        draft.identities = identities_of(draft.resource.get("identifier", []))
        if not draft.identities:
            raise missing("PID", pid.sequence, 18)
        draft.resource |= {"subject": [person.reference], "status": "inactive"}
        scope.drafts[draft.key] = draft


__all__ = ["FT1", "bar", "date", "dft"]
