"""What holds for each encounter: its end, who is responsible, and the appointment that it comes of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_server.search.intervals import interval
from fhir_server.workflows.encounters import rules
from fhir_server.workflows.encounters.history import completes
from fhir_server.workflows.encounters.terms import ENDED, attenders, people
from fhir_server.workflows.pattern import Change, Violation, Watch
from fhir_server.workflows.records import Records
from fhir_server.workflows.references import reference_of
from fhir_server.workflows.situation import Situation

Resource = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Facts:
    """Who was assigned though they do not work here, and the appointments that the encounter is of."""

    gone: tuple[str, ...] = ()
    appointments: tuple[Resource, ...] = ()


async def gather(change: Change, records: Records) -> Facts:
    """Look up who was assigned by the change, and the appointments that it names."""
    if change.after is None:
        return Facts()
    known = set(people(change.before))
    gone = await _gone([one for one in people(change.after) if one not in known], records)
    found = []
    if change.before is None or change.before.get("appointment") != change.after.get("appointment"):
        found = [await records.read(one) for one in change.after.get("appointment", ())]
    return Facts(gone, tuple(one for one in found if one is not None))


async def _gone(references: Sequence[str], records: Records) -> tuple[str, ...]:
    """Return those who are known to work here no more."""
    now = records.situation.now.isoformat()
    gone: list[str] = []
    asked: dict[str, str] = {}
    for one in references:
        resource = await records.read(one)
        kind = None if resource is None else resource["resourceType"]
        if resource is None or kind not in ("Practitioner", "PractitionerRole"):
            continue
        if kind == "Practitioner" and resource.get("active") is not False:
            asked[f"Practitioner/{resource['id']}"] = one
        elif kind == "Practitioner" or not _is_active(resource, now):
            gone.append(one)
    roles = await records.referring("PractitionerRole", "practitioner", asked)
    gone += [asked[one] for one in roles if not any(_is_active(role, now) for role in roles[one])]
    return tuple(gone)


def _is_active(role: Resource, now: str) -> bool:
    end = role.get("period", {}).get("end")
    return role.get("active") is not False and (end is None or interval(end)[1] > interval(now)[0])


def check(change: Change, facts: Facts, _situation: Situation) -> Iterable[Violation]:
    """Check the encounter as it is from now on."""
    encounter = change.after
    if encounter is None:
        return
    period = encounter.get("period", {})
    if encounter.get("status") == "finished" and "end" not in period:
        yield rules.PERIOD_END.broken("It is finished, and period.end is missing", "Encounter.period.end")
    if "start" in period and "end" in period and interval(period["end"])[1] <= interval(period["start"])[0]:
        yield rules.PERIOD_END.broken("It ended before it began", "Encounter.period")
    if encounter.get("status") not in ENDED and len(set(attenders(encounter))) > 1:
        message = "Several are responsible (ATND); end the period of those who are so no more"
        yield rules.ONE_ATTENDER.broken(message, "Encounter.participant")
    if facts.gone:
        message = "Somebody is assigned who does not work here any more"
        yield rules.INACTIVE.broken(message, "Encounter.participant.individual")
    subject = reference_of(encounter.get("subject"))
    for one in facts.appointments:
        actors = [reference_of(each.get("actor")) or "" for each in one.get("participant", ())]
        patients = [actor for actor in actors if "Patient/" in actor]
        if patients and subject is not None and subject not in patients:
            yield rules.APPOINTMENT.broken("The appointment is another patient's", "Encounter.appointment")


WATCH: Watch[Facts] = Watch(frozenset({"Encounter"}), completes=completes, gather=gather, check=check)
