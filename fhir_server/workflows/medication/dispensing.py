"""MedicationDispense: handed out on a prescription that is active, and no more than it says.

https://hl7.org/fhir/R4/medicationdispense.html
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from fhir_server.search.intervals import interval
from fhir_server.workflows.consequences import Consequence, Put
from fhir_server.workflows.made import changed
from fhir_server.workflows.medication.looking_up import (
    IN_FORCE,
    is_order,
    medication,
    substance_of,
    target,
    targets,
)
from fhir_server.workflows.medication.medicines import Substance, medicines
from fhir_server.workflows.medication.rules import (
    DISPENSED,
    EXPIRED_LOT,
    PRESCRIPTION,
    QUANTITY,
    SAME_PATIENT,
    SUBSTITUTION,
    VALIDITY,
)
from fhir_server.workflows.pattern import Change, Violation, Watch
from fhir_server.workflows.records import Records
from fhir_server.workflows.situation import Situation

Resource = Mapping[str, Any]

_COUNTED = ("preparation", "in-progress", "on-hold", "completed")
_KEPT = frozenset({"meta", "status", "statusReasonCodeableConcept", "statusReasonReference", "note", "text"})


@dataclass(frozen=True, slots=True)
class Facts:
    """The prescription of a dispense, what else was handed out on it, and both medicines."""

    prescription: Resource | None = None
    others: Sequence[Resource] = ()
    medicine: Resource | None = None
    of: Substance | None = None
    prescribed: Substance | None = None


async def gather(change: Change, records: Records) -> Facts:
    """Look up the prescription; nobody else hands out on it meanwhile."""
    dispense = change.after
    if dispense is None or not _moves(change):
        return Facts()
    medicine = await medication(dispense, records)
    reference = _authorizing(dispense, records.situation.base_url)
    if reference is None:
        return Facts(medicine=medicine)
    await records.lock(f"W6/{reference}")
    prescription = await records.read(reference)
    if prescription is None:
        return Facts(medicine=medicine)
    others = await records.search(
        "MedicationDispense", ("prescription", reference), ("status", ",".join(_COUNTED))
    )
    return Facts(
        prescription,
        [one for one in others if one["id"] != change.id],
        medicine,
        substance_of(dispense, medicine, records),
        substance_of(prescription, await medication(prescription, records), records),
    )


def _moves(change: Change) -> bool:
    """Tell whether a dispense is begun, goes on, or is changed before it is over."""
    after, before = change.after, change.before
    was = None if before is None else before.get("status")
    return after is not None and after.get("status") in _COUNTED and was != "completed"


def _authorizing(dispense: Resource, base_url: str) -> str | None:
    found = targets(dispense.get("authorizingPrescription"), base_url)
    return found[0] if len(found) == 1 and found[0].startswith("MedicationRequest/") else None


def check(change: Change, facts: Facts, situation: Situation) -> Iterable[Violation]:
    """Yield what is wrong with a dispense."""
    before, after = change.before, change.after
    if before is not None and before.get("status") == "completed":
        names = (
            set()
            if after is None
            else {name for name in {*before, *after} if before.get(name) != after.get(name)}
        )
        if after is None or names - _KEPT:
            yield DISPENSED.broken("It was handed out; mark it as entered-in-error and write another one")
        return
    if after is None or not _moves(change):
        return
    if has_expired(facts.medicine, situation.now):
        yield EXPIRED_LOT.broken("The lot has expired", "MedicationDispense.medication")
    prescription = facts.prescription
    if prescription is None or not is_order(prescription):
        message = "It names one prescription on this server"
        yield PRESCRIPTION.broken(message, "MedicationDispense.authorizingPrescription")
        return
    yield from _on(prescription, after, facts, situation)


def _on(
    prescription: Resource, dispense: Resource, facts: Facts, situation: Situation
) -> Iterable[Violation]:
    where = "MedicationDispense.authorizingPrescription"
    base_url = situation.base_url
    if prescription.get("status") != "active":
        yield PRESCRIPTION.broken("The prescription is not active", where)
    if target(prescription.get("subject"), base_url) != target(dispense.get("subject"), base_url):
        yield SAME_PATIENT.broken("The prescription is another patient's", where)
    valid = prescription.get("dispenseRequest", {}).get("validityPeriod", {})
    if "start" in valid and situation.now < interval(valid["start"])[0]:
        yield VALIDITY.broken("The prescription is not valid yet", where)
    if "end" in valid and situation.now >= interval(valid["end"])[1]:
        yield VALIDITY.broken("The prescription is not valid any more", where)
    yield from _within(prescription, dispense, facts.others)
    yield from _same(prescription, dispense, facts, situation)


def _within(prescription: Resource, dispense: Resource, others: Sequence[Resource]) -> Iterable[Violation]:
    allowed = _allowed(prescription)
    if allowed is None:
        return
    where = "MedicationDispense.quantity"
    asked = prescription["dispenseRequest"]["quantity"]
    if "value" not in dispense.get("quantity", {}):
        yield QUANTITY.broken("It says how much is handed out", where)
        return
    if _unit(dispense["quantity"]) != _unit(asked):
        yield QUANTITY.broken("The unit is not that of the prescription", where)
        return
    if not _value(dispense) > 0:
        yield QUANTITY.broken("It is more than nothing", where)
    left = allowed - sum((_value(one) for one in others), Decimal(0))
    if _value(dispense) > left:
        yield QUANTITY.broken(f"Of the prescription {max(left, Decimal(0))} are left", where)


def _allowed(prescription: Resource) -> Decimal | None:
    """Return how much may be handed out in all, None if the prescription does not say so."""
    request = prescription.get("dispenseRequest", {})
    quantity = request.get("quantity", {})
    if "value" not in quantity:
        return None
    return Decimal(quantity["value"]) * (1 + int(request.get("numberOfRepeatsAllowed", 0)))


def _value(dispense: Resource) -> Decimal:
    return Decimal(dispense.get("quantity", {}).get("value", 0))


def _unit(quantity: Resource) -> str:
    return str(quantity.get("code") or quantity.get("unit") or "")


def _same(
    prescription: Resource, dispense: Resource, facts: Facts, situation: Situation
) -> Iterable[Violation]:
    of, prescribed = facts.of, facts.prescribed
    if of is None or prescribed is None:
        return
    table = medicines(situation.settings.interactions)
    is_same = (
        table.are_same(of, prescribed)
        or not (of.codes or of.is_known)
        or not (prescribed.codes or prescribed.is_known)
    )
    if prescription.get("medicationReference") and prescription.get("medicationReference") == dispense.get(
        "medicationReference"
    ):
        is_same = True
    says_so = dispense.get("substitution", {}).get("wasSubstituted") is True
    if not is_same and not says_so:
        message = "It is another medicine than is prescribed; say so in substitution"
        yield SUBSTITUTION.broken(message, "MedicationDispense.medication")
    elif says_so and not _may_be_substituted(prescription):
        yield SUBSTITUTION.broken("The prescription allows no other", "MedicationDispense.substitution")


def _may_be_substituted(prescription: Resource) -> bool:
    said = prescription.get("substitution", {})
    codes = {one.get("code") for one in said.get("allowedCodeableConcept", {}).get("coding", ())}
    return said.get("allowedBoolean", True) is True and "N" not in codes


def has_expired(medicine: Resource | None, now: datetime) -> bool:
    """Tell whether a Medication is of a lot that has expired."""
    expires = (medicine or {}).get("batch", {}).get("expirationDate")
    return expires is not None and interval(expires)[1] <= now


def follows(change: Change, facts: Facts, _situation: Situation) -> Iterable[Consequence]:
    """Complete the prescription when all of it was handed out."""
    prescription = facts.prescription
    if change.after is None or prescription is None or not change.became("completed"):
        return
    allowed = _allowed(prescription)
    out = [change.after, *(one for one in facts.others if one.get("status") == "completed")]
    is_used_up = allowed is not None and sum((_value(one) for one in out), Decimal(0)) >= allowed
    if is_used_up and prescription.get("status") in IN_FORCE:
        yield Put(changed(prescription, status="completed"))


WATCH = Watch(frozenset({"MedicationDispense"}), gather=gather, check=check, follows=follows)
