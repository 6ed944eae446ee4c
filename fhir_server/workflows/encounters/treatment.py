"""What is written in an encounter: by whom when it has ended, about whom, and when it was done.

https://hl7.org/fhir/R4/clinicalsummary-module.html
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from fhir_server.search.intervals import interval
from fhir_server.store import instant
from fhir_server.workflows.consequences import Consequence, Create
from fhir_server.workflows.encounters import rules
from fhir_server.workflows.encounters.terms import encounter_of, patient_of
from fhir_server.workflows.made import concept, has_code, key_id, made
from fhir_server.workflows.pattern import Change, Violation, Watch
from fhir_server.workflows.records import Records, local
from fhir_server.workflows.situation import Situation

Resource = Mapping[str, Any]

TREATMENT = frozenset(
    {
        *("AllergyIntolerance", "CarePlan", "ClinicalImpression", "Composition", "Condition"),
        *("DiagnosticReport", "MedicationAdministration", "MedicationRequest", "Observation", "Procedure"),
        "ServiceRequest",
    }
)
# Results and documents come after the end as well.
_CLOSED = TREATMENT - {"Composition", "DiagnosticReport"}
# Of the others the state changes after the end: they are dispensed, answered, followed.
_AMENDED = frozenset({"AllergyIntolerance", "ClinicalImpression", "Condition", "Observation", "Procedure"})
_CATEGORIES = "http://terminology.hl7.org/CodeSystem/observation-category"
LOINC = "http://loinc.org"
INSTRUCTIONS = "69730-0"
"""LOINC: instructions; a care plan of this category is what a patient goes home with."""
# Clocks differ, and a day may have begun elsewhere.
_SKEW = timedelta(minutes=5)
_DAY = timedelta(days=1)
_DONE = ("performed", "effective", "onset")
_NOT_DONE = ("preparation", "not-done", "entered-in-error")
_MARKS = ("meta", "status", "text", "clinicalStatus", "verificationStatus", "statusReason")


async def gather(change: Change, records: Records) -> dict[str, Any] | None:
    """Look up the encounter."""
    return None if change.after is None else await records.read(encounter_of(change.after))


def check(change: Change, facts: Resource | None, situation: Situation) -> Iterable[Violation]:
    """Check what is written."""
    resource = change.after
    if resource is None:
        return
    if change.before is None or _claimed(change.before) != _claimed(resource):
        yield from _check_times(resource, situation)
    if facts is None:
        return
    yield from _check_subject(resource, facts, situation)
    if facts["status"] not in ("finished", "cancelled"):
        return
    is_late = resource["resourceType"] in _CLOSED and not _may_come_late(resource)
    # What other systems tell of, such as the diagnoses that are coded afterwards, was so before the end.
    if _is_new_in(change) and is_late and not situation.is_reported:
        message = "The encounter has ended: what is written now belongs to another one, or to none"
        yield rules.CLOSED.broken(message, f"{resource['resourceType']}.encounter")
    elif _is_amended(change) and not situation.has_role("DR"):
        message = "The encounter is finished: only a doctor amends what was written in it"
        yield rules.AMEND.broken(message, resource["resourceType"])


def _is_new_in(change: Change) -> bool:
    """Tell whether a change writes in an encounter what was not in it before."""
    assert change.after is not None  # noqa: S101 - asked of what there is
    return change.before is None or encounter_of(change.before) != encounter_of(change.after)


def _may_come_late(resource: Resource) -> bool:
    """Tell whether something answers an order of before the end, or is what a patient is told to do now."""
    if resource["resourceType"] == "Observation":
        return "basedOn" in resource or has_code(
            resource.get("category", []), _CATEGORIES, "laboratory", "imaging"
        )
    is_plan = resource["resourceType"] == "CarePlan"
    return is_plan and has_code(resource.get("category", []), LOINC, INSTRUCTIONS)


def _is_amended(change: Change) -> bool:
    before, after = change.before, change.after
    if before is None or after is None or after["resourceType"] not in _AMENDED or _may_come_late(after):
        return False
    return _content(before) != _content(after)


def _content(resource: Resource) -> dict[str, Any]:
    return {name: value for name, value in resource.items() if name not in _MARKS}


def _check_subject(resource: Resource, encounter: Resource, situation: Situation) -> Iterable[Violation]:
    """Refuse what is about somebody else than the encounter; whose subject is unknown is let be."""
    mine = local(patient_of(resource), situation.base_url)
    theirs = local(patient_of(encounter), situation.base_url)
    if mine is not None and theirs is not None and mine != theirs and mine[0] == "Patient":
        message = "It is about another patient than its encounter"
        yield rules.SUBJECT.broken(message, f"{resource['resourceType']}.subject")


def _claimed(resource: Resource) -> tuple[Any, ...]:
    """Return what a resource says of when something was done and recorded, and whether it was done."""
    recorded = resource.get("recordedDate"), resource.get("issued")
    return (_times(resource), resource.get("status") in _NOT_DONE, *recorded)


def _times(resource: Resource) -> list[tuple[str, str]]:
    """Return when something was done or found: element and date."""
    found = []
    for element in _DONE:
        date = resource.get(f"{element}DateTime") or resource.get(f"{element}Period", {}).get("start")
        if isinstance(date, str):
            found.append((element, date))
    return found


def _check_times(resource: Resource, situation: Situation) -> Iterator[Violation]:
    """Refuse what was recorded before it was done, or is said to be done in the time to come."""
    if resource.get("status") in _NOT_DONE:
        return
    recorded = resource.get("recordedDate") or resource.get("issued")
    for element, date in _times(resource):
        where = f"{resource['resourceType']}.{element}[x]"
        start = interval(date)[0]
        if start > situation.now + _allowance(date):
            yield rules.PERFORMED.broken("It is recorded as done, and the time is yet to come", where)
        elif isinstance(recorded, str) and start > interval(recorded)[1] + _allowance(date):
            yield rules.PERFORMED.broken("It was recorded before it was done", where)


def _allowance(date: str) -> timedelta:
    return _SKEW if "T" in date else _DAY


def follows(change: Change, facts: Resource | None, situation: Situation) -> Iterable[Consequence]:
    """Put on record who amended what was written in a finished encounter."""
    if facts is None or facts["status"] != "finished" or situation.person is None or not _is_amended(change):
        return
    assert change.after is not None  # noqa: S101 - see _is_amended
    yield Create(_provenance(change, situation.now, situation.person))


def _provenance(change: Change, now: datetime, person: str) -> dict[str, Any]:
    activity = concept("http://terminology.hl7.org/CodeSystem/v3-DocumentCompletion", "AU", "authenticated")
    kind = concept("http://terminology.hl7.org/CodeSystem/provenance-participant-type", "author", "Author")
    return made(
        "Provenance",
        id=key_id("amended", change.reference, instant(now)),
        target=[{"reference": change.reference}],
        recorded=instant(now),
        activity={**activity, "text": "Amended after the end of the encounter"},
        agent=[{"type": kind, "who": {"reference": person}}],
    )


WATCH: Watch[Any] = Watch(TREATMENT, gather=gather, check=check, follows=follows)
