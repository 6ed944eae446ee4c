"""Appointment/$hold and $book: a time for a while, and for good; also moving and cancelling it.

They plan what is written; whether it may be is for the rules to say, when it is.
https://profiles.ihe.net/ITI/Scheduling/ITI-116.html, https://profiles.ihe.net/ITI/Scheduling/ITI-117.html
"""

from collections.abc import Mapping
from typing import Any

from fhir_server.context import Context, Request, Response
from fhir_server.operations.inputs import Inputs, inputs
from fhir_server.operations.operation import Operation
from fhir_server.operations.outputs import entry
from fhir_server.store import Version, instant
from fhir_server.workflows.made import changed
from fhir_server.workflows.records import Records
from fhir_server.workflows.scheduling.facts import proposed_instead, with_persons
from fhir_server.workflows.scheduling.find_operation import own_patient, references
from fhir_server.workflows.scheduling.looking import Offer, Wish, all_records, offers, proposal
from fhir_server.workflows.scheduling.rules import NOBODY_FREE, NOT_OFFERED
from fhir_server.workflows.scheduling.vocabulary import (
    HOLD,
    NEEDS_APPROVAL,
    OFFER,
    actors,
    kind,
    named_slots,
    reference,
    tagged,
    times,
    with_tags,
)
from fhir_server.write_path import commit, new_resource, replacement
from resources.operation_outcome import Conflict, InvalidContent, Issue, ResourceNotFound, error

Resource = Mapping[str, Any]
_MOST_TRIES = 5
_SENT = (
    "status",
    "cancelationReason",
    "reasonCode",
    "reasonReference",
    "comment",
    "description",
    "serviceCategory",
    "serviceType",
    "specialty",
    "appointmentType",
    "basedOn",
    "patientInstruction",
)


async def hold(request: Request, context: Context) -> Response:
    """Keep the Slot of an Appointment for the patient for some minutes, in which `$book` books it."""
    given = inputs(
        request, HOLD_OPERATION.parameters, resource_name="appt-resource", lenient=context.preferences.lenient
    )
    sent, records = _sent(given), all_records(context)
    appointment = await _arranged(sent, None, given, context, records)
    if not named_slots(appointment):
        raise InvalidContent(error("required", "appt-resource names the Slot", "Appointment.slot"))
    appointment = _agreed(with_tags(changed(appointment, status="pending"), HOLD))
    try:
        if await _free_slots(appointment, records) is None:
            raise NOT_OFFERED.error("It is not free")
        return await _stored(None, appointment, context)
    except (Conflict, ResourceNotFound) as failure:
        issue = Issue("fatal", "not-found", "It is not free any more", (), NOT_OFFERED.id)
        raise ResourceNotFound(issue) from failure


async def book(request: Request, context: Context) -> Response:
    """Book an Appointment, change one that is held or booked, or cancel it (status cancelled, with a reason).

    One without Slot and practitioner is given to the best doctor of its specialty who is free then. What
    patients may not book themselves becomes a request (pending), which the doctor answers.
    """
    given = inputs(
        request, BOOK.parameters, resource_name="appt-resource", lenient=context.preferences.lenient
    )
    sent, records = _sent(given), all_records(context)
    version = await _existing(sent, given, context)
    before = None if version is None else version.resource
    if before is not None and sent.get("status") == "cancelled":
        return await _stored(version, _merged(before, sent), context)
    if before is None and _wants_assignment(sent):
        return await _assigned(sent, given, context, records)
    appointment = await _arranged(sent, before, given, context, records)
    status = "booked" if await _is_booked_at_once(appointment, before, context, records) else "pending"
    appointment = changed(with_tags(appointment), status=status)
    return await _stored(version, _agreed(appointment), context)


def _sent(given: Inputs) -> dict[str, Any]:
    sent = dict(given.resource("appt-resource") or {})
    if sent and sent.get("resourceType") != "Appointment":
        raise InvalidContent(error("value", "appt-resource is an Appointment"))
    comment = given.text("comment")
    return {**sent, **({"comment": comment} if comment else {})}


async def _existing(sent: Resource, given: Inputs, context: Context) -> Version | None:
    """Return the Appointment that is changed, as the caller may see it; None for a new one."""
    named = given.text("appt-id") or next(iter(references(given, "appt-reference", "Appointment")), None)
    appointment_id = (named or "").rpartition("/")[2] or sent.get("id")
    if not isinstance(appointment_id, str):
        return None
    version = await context.store.read("Appointment", appointment_id)
    if version is not None and version.resource is not None:
        return version
    if named or (sent.get("status") == "cancelled"):
        raise ResourceNotFound(error("not-found", "There is no such Appointment"))
    return None


def _merged(before: Resource, sent: Resource) -> dict[str, Any]:
    return changed(before, **{name: sent[name] for name in _SENT if name in sent})


async def _arranged(
    sent: Resource, before: Resource | None, given: Inputs, context: Context, records: Records
) -> dict[str, Any]:
    """Return the Appointment that is wanted, with its Slots, its times and all who take part."""
    base = {**sent, "resourceType": "Appointment"} if before is None else _merged(before, sent)
    if before is None:
        base.pop("id", None)
    elif times(sent) not in (None, times(before)) and "slot" not in sent:
        base.pop("slot", None)
    for name in ("slot", "start", "end"):
        if name in sent:
            base[name] = sent[name]
    slots = [one for name in named_slots(base) if (one := await records.read(name)) is not None]
    if slots and ("start" not in base or (before is not None and "start" not in sent and "slot" in sent)):
        base["start"] = min((one["start"] for one in slots), key=str)
        base["end"] = max((one["end"] for one in slots), key=str)
    base.pop("minutesDuration", None)
    if (time := times(base)) is not None and (time[1] - time[0]).total_seconds() >= 60:
        base["minutesDuration"] = int((time[1] - time[0]).total_seconds()) // 60
    patient = own_patient(next(iter(references(given, "patient-reference", "Patient")), None), context)
    listed = list(sent.get("participant", base.get("participant", ())))
    if before is not None and "slot" in sent and named_slots(before) != named_slots(base):
        # Those of the old Slots leave with them.
        old = [one for name in named_slots(before) if (one := await records.read(name)) is not None]
        left = set(await _people_of(old, records)) - set(await _people_of(slots, records))
        listed = [one for one in listed if reference(one.get("actor")) not in left]
    if patient is not None and patient not in actors({"participant": listed}):
        listed.insert(0, {"actor": {"reference": patient}, "required": "required", "status": "accepted"})
    return {**base, "participant": listed}


async def _people_of(slots: list[dict[str, Any]], records: Records) -> list[str]:
    found: list[str] = []
    for slot in slots:
        schedule = await records.read(reference(slot.get("schedule"))) or {}
        found += await with_persons([reference(one) for one in schedule.get("actor", ())], records)
    return found


async def _free_slots(appointment: Resource, records: Records) -> list[dict[str, Any]] | None:
    slots = [await records.read(one) for one in named_slots(appointment)]
    free = [one for one in slots if one is not None and one.get("status") == "free"]
    return free if len(free) == len(slots) else None


def _is_patient(context: Context) -> bool:
    principal = context.principal
    return principal is not None and principal.account_id is not None and principal.roles <= {"PT"}


async def _is_booked_at_once(
    appointment: Resource, before: Resource | None, context: Context, records: Records
) -> bool:
    """Tell whether nobody has to confirm what the caller wants."""
    if not _is_patient(context):
        return True
    if before is not None and times(before) == times(appointment) and before.get("status") == "booked":
        return True
    is_request = before is not None and before.get("status") == "pending" and not _is_kept(before)
    if before is not None and is_request:
        return await _is_proposed(appointment, before, records)
    slots = [one for name in named_slots(appointment) if (one := await records.read(name)) is not None]
    schedules = [await records.read(reference(one.get("schedule"))) or {} for one in slots]
    return bool(slots) and not any(tagged(one, NEEDS_APPROVAL) for one in schedules)


def _is_kept(appointment: Resource) -> bool:
    return tagged(appointment, HOLD) or tagged(appointment, OFFER)


async def _is_proposed(appointment: Resource, before: Resource, records: Records) -> bool:
    proposed = await proposed_instead(f"Appointment/{before['id']}", records)
    return proposed is not None and times(proposed) == times(appointment)


def _agreed(appointment: Resource) -> dict[str, Any]:
    """Return an Appointment in which those whose Slot is booked have accepted, or are asked anew."""
    is_booked = appointment["status"] == "booked"
    listed = []
    for one in appointment["participant"]:
        if kind(reference(one.get("actor"))).startswith("Practitioner"):
            status = "accepted" if is_booked else "needs-action"
            listed.append({**one, "status": status})
        else:
            listed.append(one)
    return changed(appointment, participant=listed)


def _wants_assignment(sent: Resource) -> bool:
    return (
        not named_slots(sent)
        and not actors(sent, "Practitioner", "PractitionerRole", "Location")
        and bool(sent.get("specialty") or sent.get("serviceType"))
        and times(sent) is not None
    )


async def _assigned(sent: Resource, given: Inputs, context: Context, records: Records) -> Response:
    """Book the best of those who are free, the next one if somebody else was faster."""
    time = times(sent)
    patient = own_patient(next(iter(references(given, "patient-reference", "Patient")), None), context)
    patient = patient or next(iter(actors(sent, "Patient")), None)
    assert time is not None  # noqa: S101 - _wants_assignment has seen it
    wish = Wish(*time, patient, _tokens(sent, "specialty"), _tokens(sent, "serviceType"))
    for offer in (await offers(wish, records))[:_MOST_TRIES]:
        try:
            return await _stored(None, _given_to(offer, wish, sent, context), context)
        except Conflict:
            continue
    raise NOBODY_FREE.error("Nobody of this specialty is free then", "Appointment.specialty")


def _given_to(offer: Offer, wish: Wish, sent: Resource, context: Context) -> dict[str, Any]:
    waits = _is_patient(context) and tagged(offer.schedule, NEEDS_APPROVAL)
    kept = {name: sent[name] for name in _SENT if name in sent and name != "status"}
    proposed = {**proposal(offer, wish), **kept, "status": "pending" if waits else "booked"}
    return _agreed(proposed)


def _tokens(sent: Resource, element: str) -> tuple[str, ...]:
    return tuple(
        f"{coding['system']}|{coding['code']}" if "system" in coding else coding["code"]
        for one in sent.get(element, ())
        for coding in one.get("coding", ())
        if "code" in coding
    )


async def _stored(version: Version | None, appointment: Resource, context: Context) -> Response:
    """Store an Appointment, and answer a Bundle of it."""
    if version is None:
        body = {**appointment, "created": appointment.get("created", instant(context.now()))}
        write = new_resource("Appointment", context.new_id(), body)
    else:
        write = replacement("Appointment", version.id, appointment, if_match=version.number)
    (written,) = await commit(context, [write])
    assert written.version is not None  # noqa: S101 - a version was stored
    assert written.version.resource is not None  # noqa: S101
    entries = [entry("match", written.version.resource, context.base_url)]
    return Response(200, {"resourceType": "Bundle", "type": "searchset", "total": 1, "entry": entries})


_TYPES = {"appt-resource": "Appointment", "appt-reference": "Reference", "patient-reference": "Reference"}
_DOCS = {
    "appt-resource": "The Appointment, as `$find` proposes it.",
    "appt-id": "The id of an Appointment that is changed.",
    "appt-reference": "The same as a Reference.",
    "patient-reference": "For whom it is.",
    "comment": "A comment.",
}
HOLD_OPERATION = Operation(
    code="hold",
    definition="metadata/OperationDefinition/hold",
    handler=hold,
    types=frozenset({"Appointment"}),
    parameters=("appt-resource", "patient-reference", "comment"),
    parameter_types=_TYPES,
    parameter_docs=_DOCS,
    on_type=True,
    affects_state=True,
    returns="Bundle",
)
BOOK = Operation(
    code="book",
    definition="metadata/OperationDefinition/book",
    handler=book,
    types=frozenset({"Appointment"}),
    parameters=("appt-resource", "appt-id", "appt-reference", "patient-reference", "comment"),
    parameter_types=_TYPES,
    parameter_docs=_DOCS,
    on_type=True,
    affects_state=True,
    returns="Bundle",
)
