"""DFT^P03 and BAR^P01, P02: charges, and accounts. HL7 v2.5.1 chapter 6"""

from typing import Any

from adapters.to_fhir.datatypes.actors import practitioner
from adapters.to_fhir.datatypes.codes import code, concept
from adapters.to_fhir.datatypes.identifiers import ei, identities_of
from adapters.to_fhir.datatypes.quantities import decimal, money
from adapters.to_fhir.datatypes.times import date, date_time
from adapters.to_fhir.drafts import Draft, Reversal
from adapters.to_fhir.messages import clinical
from adapters.to_fhir.messages.common import filled, missing, persona, subject_parts, visit
from adapters.to_fhir.rules import Rule, SegmentMap
from adapters.to_fhir.scope import Scope
from adapters.to_fhir.segments.patients import PID_ACCOUNT
from adapters.to_fhir.value import Value
from hl7.errors import REQUIRED_FIELD_MISSING, TABLE_VALUE_NOT_FOUND
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
        Rule("FT1-4", "occurrenceDateTime", lambda value, scope: date_time(value.part(1), scope) if len(
            value.parts) > 1 else date_time(value, scope), "ours"),
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
    """Map DFT^P03: each FT1 is a charge, or takes one back."""
    found = scope.message.all("FT1")
    if not found:
        raise missing("FT1")
    persona(scope, "minimal")
    visit(scope, "minimal")
    for segment in found:
        _charge(scope, segment)


def _charge(scope: Scope, segment: Segment) -> None:
    kind = segment.get(6)
    scope.place.segment, scope.place.sequence, scope.place.field = "FT1", segment.sequence, 6
    if kind not in (*_REVERSALS, *_CHARGES):
        # Payments and adjustments are booked by those who take them; nothing is done by halves.
        raise scope.error("of transactions only charges and their reversals are taken", TABLE_VALUE_NOT_FOUND)
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
        scope.effects.append(Reversal(draft.key))
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
    """Map BAR^P01 (an account begins) and P02 (accounts end)."""
    persona(scope, "minimal")
    pid = scope.message.first("PID")
    assert pid is not None  # noqa: S101 - see persona
    account = Draft("account", {"resourceType": "Account"})
    filled(scope, account, PID_ACCOUNT, pid)
    account.identities = identities_of(account.resource.get("identifier", []))
    if not account.identities:
        raise missing("PID", 1, 18)
    account.resource["subject"] = [scope.drafts[scope.subject].reference]
    if scope.message.header.trigger_event == "P02":
        account.resource["status"] = "inactive"
        scope.drafts[account.key] = account
        return
    scope.drafts[account.key] = account
    stay = visit(scope, "minimal")
    if stay is not None:
        stay.resource["account"] = [account.reference]
    clinical.diagnoses(scope)
    clinical.procedures(scope)
    clinical.coverages(scope)
    coverages = [one for one in scope.drafts.values() if one.type == "Coverage"]
    if coverages:
        account.resource["coverage"] = [
            {"coverage": one.reference, "priority": place} for place, one in enumerate(coverages, 1)
        ]


__all__ = ["FT1", "bar", "date", "dft"]
