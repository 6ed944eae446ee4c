"""AppointmentResponse: a doctor confirms or declines what is asked for, or proposes another time.

https://hl7.org/fhir/R4/appointmentresponse.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fhir_server.store import instant
from fhir_server.workflows.consequences import Consequence, Put
from fhir_server.workflows.made import changed
from fhir_server.workflows.notices import notice
from fhir_server.workflows.pattern import Change, Violation, Watch
from fhir_server.workflows.records import Records
from fhir_server.workflows.scheduling.facts import proposed_instead, with_persons
from fhir_server.workflows.scheduling.notices import PROPOSED
from fhir_server.workflows.scheduling.rules import ANSWERED, NOT_INVITED, OWN_ANSWER
from fhir_server.workflows.scheduling.vocabulary import (
    BY_PATIENT,
    BY_PROVIDER,
    actors,
    answered,
    cancelled,
    is_proposal_open,
    kind,
    moment,
    reference,
    times,
)
from fhir_server.workflows.situation import Situation

Resource = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Facts:
    """The Appointment, who answers (a role and its person), and the last time that was proposed."""

    appointment: Resource | None = None
    who: tuple[str, ...] = ()
    proposed: Resource | None = None


async def gather(change: Change, records: Records) -> Facts:
    """Look up what is answered, and by whom."""
    answer = change.after
    if answer is None:
        return Facts()
    about = reference(answer.get("appointment"))
    await records.lock(f"W3/answers/{about}")
    appointment = await records.read(about)
    who = await with_persons([reference(answer.get("actor"))], records)
    for one in actors(appointment or {}, "PractitionerRole"):
        if set(await with_persons([one], records)) & set(who) and one not in who:
            who.append(one)
    proposed = None
    if kind(who[0] if who else "") in ("Patient", "RelatedPerson"):
        proposed = await proposed_instead(about, records)
    return Facts(appointment, tuple(who), proposed)


def check(change: Change, facts: Facts, situation: Situation) -> Iterable[Violation]:
    """Yield why an answer does not count."""
    answer, appointment = change.after, facts.appointment
    if answer is None or appointment is None:
        return
    if not situation.has_role("AD") and situation.person not in facts.who and not situation.is_only_patient():
        yield OWN_ANSWER.broken("Another one is asked", "AppointmentResponse.actor")
    if change.before is not None:
        if _said(change.before) != _said(answer):
            yield ANSWERED.broken("It was answered", "AppointmentResponse.participantStatus")
        return
    mine = _mine(facts)
    if mine is None:
        yield NOT_INVITED.broken("The actor does not take part", "AppointmentResponse.actor")
    elif not _waits(facts, mine):
        yield ANSWERED.broken("It does not wait for an answer", "AppointmentResponse.appointment")


def _said(answer: Resource) -> tuple[Any, ...]:
    said = [answer.get(name) for name in ("participantStatus", "start", "end")]
    return (*said, reference(answer.get("appointment")), reference(answer.get("actor")))


def _mine(facts: Facts) -> Resource | None:
    listed = (facts.appointment or {}).get("participant", ())
    return next((one for one in listed if reference(one.get("actor")) in facts.who), None)


def _is_by_patient(facts: Facts) -> bool:
    return kind(facts.who[0]) in ("Patient", "RelatedPerson")


def _waits(facts: Facts, mine: Resource) -> bool:
    appointment = facts.appointment or {}
    if appointment.get("status") != "pending":
        return False
    if mine.get("status") in ("needs-action", "tentative"):
        return True
    return _is_by_patient(facts) and facts.proposed is not None and is_proposal_open(appointment)


def follows(change: Change, facts: Facts, situation: Situation) -> Iterable[Consequence]:
    """Carry out the answer in the Appointment."""
    answer, appointment, mine = change.after, facts.appointment, _mine(facts)
    if change.before is not None or answer is None or appointment is None or mine is None:
        return
    by_patient = _is_by_patient(facts)
    said = answer.get("participantStatus")
    if said == "declined":
        yield Put(cancelled(appointment, BY_PATIENT if by_patient else BY_PROVIDER))
    elif said == "accepted":
        yield Put(_accepted(appointment, facts, by_patient=by_patient))
    elif said == "tentative":
        for one in facts.who:
            appointment = answered(appointment, one, "tentative")
        yield Put(appointment)
        start = moment(answer.get("start"))
        if start is not None and not by_patient:
            data = {"start": instant(start)}
            for one in actors(appointment, "Patient", "RelatedPerson"):
                yield notice(
                    PROPOSED,
                    f"Appointment/{appointment['id']}",
                    one,
                    situation.now,
                    occasion=instant(situation.now),
                    data=data,
                )


def _accepted(appointment: Resource, facts: Facts, *, by_patient: bool) -> Resource:
    """Return an Appointment that one more has accepted, booked if nobody is missing."""
    whose = list(facts.who)
    if by_patient and facts.proposed is not None:
        whose.append(reference(facts.proposed.get("actor")))
        whose += actors(appointment, "Practitioner", "PractitionerRole")
        start, end = facts.proposed["start"], facts.proposed["end"]
        if times(appointment) != times(facts.proposed):
            appointment = changed(appointment, start=start, end=end, slot=None, minutesDuration=None)
    for one in whose:
        appointment = answered(appointment, one, "accepted")
    waiting = any(
        one.get("status") in ("needs-action", "tentative")
        and one.get("required", "required") == "required"
        and reference(one.get("actor")).startswith("Practitioner")
        for one in appointment.get("participant", ())
    )
    return appointment if waiting else changed(appointment, status="booked")


WATCH = Watch(frozenset({"AppointmentResponse"}), gather=gather, check=check, follows=follows)
