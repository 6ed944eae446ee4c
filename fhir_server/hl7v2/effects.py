"""What a message does beside what it says of its own resources: merges, beds, charges taken back, answers."""

from collections.abc import Mapping

from adapters.channels import Channel
from adapters.to_fhir.drafts import (
    BedState,
    Draft,
    Guarantor,
    Mapped,
    Merge,
    OrderControl,
    Payers,
    Payment,
    Reversal,
    Withdrawal,
    linked,
)
from fhir_server.context import Context
from fhir_server.hl7v2.looking import Found, Stored
from fhir_server.hl7v2.merges import merge_all
from fhir_server.hl7v2.ordering import answer
from fhir_server.hl7v2.plans import Plan, Resource
from fhir_server.workflows.beds import terms
from fhir_server.workflows.records import local
from hl7.errors import UNKNOWN_KEY, HL7Error, Location


async def add_effects(
    plan: Plan, mapped: Mapped, found: Found, channel: Channel, context: Context, held: Mapping[str, str]
) -> None:
    """Add to a plan what the effects of a message are; of reports that are `held` back there are none.

    Raises HL7Error (204) for a charge or a record that is not known.
    """
    _occupy(plan)
    for effect in mapped.effects:
        if isinstance(effect, BedState):
            _bed(plan, effect)
        elif isinstance(effect, Withdrawal) and effect.report not in held:
            await _withdraw(plan, mapped.draft(effect.report), found, context)
        elif isinstance(effect, Reversal) and effect.what not in found.stored:
            text = "there is nothing of this number to take back"
            raise HL7Error(text, code=UNKNOWN_KEY, location=effect.place)
        elif isinstance(effect, OrderControl) and mapped.draft(effect.order).presence == "full":
            plan.answers.append(answer(effect))
        elif isinstance(effect, Payment):
            _check_payment(plan, effect, mapped, found, context)
        elif isinstance(effect, Payers) and not plan.is_old:
            _pay(plan, effect)
    if any(isinstance(effect, Merge) for effect in mapped.effects):
        await _merge(plan, mapped, found, channel, context)


def _occupy(plan: Plan) -> None:
    """Let a bed that was not known be occupied, if the patient has it; of others the rules see to it."""
    for encounter in [one for one in plan.after.values() if one["resourceType"] == "Encounter"]:
        for place, how in terms.uses(encounter):
            bed = plan.after.get(place)
            is_new = bed is not None and place not in plan.before
            if bed is not None and is_new and how == "active" and terms.kind_of(bed) == "bd":
                plan.after[place] = {**bed, "operationalStatus": terms.state("O")}


async def _merge(plan: Plan, mapped: Mapped, found: Found, channel: Channel, context: Context) -> None:
    patients: dict[str, Resource] = {}
    for effect in mapped.effects:
        if isinstance(effect, Merge):
            current = plan.current(plan.references[effect.survivor])
            assert current is not None  # noqa: S101 - it was added
            patients[effect.survivor] = current
    merging = await merge_all(mapped, found, patients, channel, context)
    stored = {one.resource["id"]: one for one in found.stored.values()}
    for patient_id, resource in merging.patients.items():
        plan.put(resource, stored.get(patient_id))
    for journal in merging.journals:
        plan.put(journal, None)
    plan.merging = merging


def _bed(plan: Plan, effect: BedState) -> None:
    """Set the state of a bed, if it may be so: one that the patient has is occupied, whatever is told."""
    reference = plan.references.get(effect.place, "")
    bed = plan.current(reference)
    encounter = next((one for name, one in plan.after.items() if name.startswith("Encounter/")), None)
    if bed is None or reference not in plan.before or reference in dict(terms.uses(encounter)):
        return
    was = terms.state_of(bed)
    if effect.code == was or effect.code not in terms.NAMES or effect.code == "O":
        return
    if was is not None and effect.code not in terms.NEXT.get(was, ""):
        text = "the bed cannot be in this state after the one that it is in"
        plan.warnings.append(HL7Error(text, code="207", location=Location("PV1", 1, 40), severity="W"))
        return
    plan.put({**bed, "operationalStatus": terms.state(effect.code)}, plan.before[reference])


def _check_payment(plan: Plan, effect: Payment, mapped: Mapped, found: Found, context: Context) -> None:
    """Raise HL7Error (204) for a payment of an invoice that is not known, or another patient's.

    A currency that the message does not name is that of the invoice.
    """
    invoice = found.resource(effect.invoice)
    patient = tuple(plan.references[mapped.subject].split("/"))
    if invoice is None or local(invoice.get("subject", {}).get("reference"), context.base_url) != patient:
        place = Location("FT1", int(effect.payment.partition(":")[2]), 23)
        raise HL7Error("there is no such invoice of this patient", code=UNKNOWN_KEY, location=place)
    reference = plan.references[effect.payment]
    payment = plan.after.get(reference)
    currency = invoice.get("totalGross", {}).get("currency")
    if payment is not None and "currency" not in payment["paymentAmount"] and currency:
        amount = {**payment["paymentAmount"], "currency": currency}
        details = [{**one, "amount": amount} for one in payment["detail"]]
        plan.put({**payment, "paymentAmount": amount, "detail": details}, plan.before.get(reference))


def _pay(plan: Plan, effect: Payers) -> None:
    """Have an account list who vouches for it, and which insurances pay, in their order."""
    reference = plan.references[effect.account]
    account = plan.current(reference)
    if account is None:
        return
    after = dict(account)
    if effect.guarantors:
        after["guarantor"] = [_vouching(plan, one) for one in effect.guarantors]
    if effect.coverages:
        after["coverage"] = [
            {"coverage": {"reference": plan.references[key]}, "priority": place}
            for place, key in enumerate(effect.coverages, 1)
        ]
    plan.put(after, plan.before.get(reference))


def _vouching(plan: Plan, guarantor: Guarantor) -> Resource:
    period = {name: time for name, time in (("start", guarantor.start), ("end", guarantor.end)) if time}
    made: Resource = {"party": {"reference": plan.references[guarantor.party]}}
    return made | ({"period": period} if period else {})


async def _withdraw(plan: Plan, draft: Draft, found: Found, context: Context) -> None:
    """Withdraw the results of a report that are not in a message which lists all of them."""
    before = found.resource(draft.key)
    after = plan.current(plan.references[draft.key])
    if before is None or after is None:
        return
    listed = {linked(one, plan.references)["reference"] for one in draft.resource.get("result", ())}
    gone = [one for one in before.get("result", ()) if one.get("reference") not in listed]
    for one in gone:
        key = local(one.get("reference"), context.base_url)
        version = None if key is None else await context.store.read(*key)
        if version is None or version.resource is None:
            continue
        resource = version.resource
        if resource.get("status") not in ("entered-in-error", "cancelled"):
            is_final = resource.get("status") in ("final", "amended", "corrected")
            status = "entered-in-error" if is_final else "cancelled"
            plan.put({**resource, "status": status}, Stored(resource, version.number))
    if gone:
        result = [one for one in after.get("result", ()) if one not in gone]
        # A final report that has lost a result says something else than before.
        if after.get("status") == before.get("status") == "final":
            after = {**after, "status": "corrected"}
        plan.put({**after, "result": result}, found.stored[draft.key])
