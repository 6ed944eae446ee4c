"""MedicationRequest: who prescribes, when, and what follows from it.

https://hl7.org/fhir/R4/medicationrequest.html
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fhir_server.store import instant
from fhir_server.store.ruling import Entry
from fhir_server.workflows.consequences import Consequence, Create, Later, Put
from fhir_server.workflows.made import changed, concept, has_code, key_id, made
from fhir_server.workflows.medication.looking_up import (
    IN_FORCE,
    is_order,
    medication,
    substance_of,
    target,
)
from fhir_server.workflows.medication.reminders import reminders, without_reminders
from fhir_server.workflows.medication.rules import (
    CHANGED,
    DRAFT_ONLY,
    ENCOUNTER,
    FINISHED,
    OPTION,
    PRESCRIBER,
    PRIOR,
    REASON,
    REQUESTER,
    SAME_PATIENT,
)
from fhir_server.workflows.medication.safety import (
    Finding,
    detected,
    findings,
    is_overridden,
    overrides,
    violations,
)
from fhir_server.workflows.order_sets.options import is_put_in_force
from fhir_server.workflows.pattern import Change, Violation, Watch
from fhir_server.workflows.records import Records
from fhir_server.workflows.situation import Situation

Resource = Mapping[str, Any]

PAPER_ACTION = "W6.paper"
LOINC = "http://loinc.org"
PRESCRIPTION = "57833-6"
TASKS = "http://hl7.org/fhir/CodeSystem/task-code"
_OVER = ("completed", "stopped", "cancelled", "entered-in-error")
_OPEN_TASKS = frozenset({"draft", "requested", "received", "accepted", "ready", "in-progress", "on-hold"})
# What the pharmacy and the ward note on a prescription that is in force.
_CHANGEABLE = frozenset(
    {
        *("meta", "text", "status", "statusReason", "note", "detectedIssue", "eventHistory", "identifier"),
        *("insurance", "supportingInformation", "language", "implicitRules"),
    }
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What stands around a prescription."""

    encounter: Resource | None = None
    prior: Resource | None = None
    prescriber: str | None = None
    is_new: bool = False
    found: Sequence[Finding] = ()
    issues: Sequence[Resource] = ()
    tasks: Sequence[Resource] = field(default=())
    papers: Sequence[Resource] = field(default=())


def _state(resource: Resource | None) -> str | None:
    return None if resource is None else resource.get("status")


def _becomes_active(change: Change) -> bool:
    """Tell whether a prescription is put in force; one that was on hold is so already."""
    was_so = change.before is not None and is_order(change.before) and _state(change.before) == "active"
    return _state(change.after) == "active" and not was_so


def completes(resource: Resource, before: Resource | None, situation: Situation) -> Resource:
    """Write the doctor who prescribes into the prescription, and when they do."""
    person = situation.person
    if before is not None or not person or not _is_doctor(situation):
        return resource
    filled = dict(resource)
    filled.setdefault("requester", {"reference": person})
    filled.setdefault("authoredOn", instant(situation.now))
    return filled if len(filled) > len(resource) else resource


async def gather(change: Change, records: Records) -> Facts:
    """Look up what a prescription refers to and, if it is put in force, what speaks against it."""
    request = change.after
    if request is None or not is_order(request):
        return Facts()
    around: dict[str, Any] = {}
    if change.before is not None:
        around["tasks"] = await records.search("Task", ("focus", change.reference))
        around["papers"] = await records.search(
            "DocumentReference", ("related", change.reference), ("type", f"{LOINC}|{PRESCRIPTION}")
        )
    if not _becomes_active(change):
        return Facts(**around)
    of = substance_of(request, await medication(request, records), records)
    return Facts(
        encounter=await records.read(request.get("encounter")),
        prior=await records.read(request.get("priorPrescription")),
        prescriber=await _prescriber(request, records),
        is_new=True,
        found=await findings(request, of, records),
        issues=await overrides(request, records),
        **around,
    )


async def _prescriber(request: Resource, records: Records) -> str | None:
    """Return the Practitioner who prescribes, be it in a role."""
    base_url = records.situation.base_url
    found = target(request.get("requester"), base_url)
    if found is not None and found.startswith("PractitionerRole/"):
        role = await records.read(found)
        return target((role or {}).get("practitioner"), base_url)
    return found if found is not None and found.startswith("Practitioner/") else None


def check(change: Change, facts: Facts, situation: Situation) -> Iterable[Violation]:
    """Yield what is wrong with a prescription."""
    request = change.after
    if request is None or not is_order(request):
        if change.before is not None and is_order(change.before):
            yield from _kept(change, situation)
        if is_put_in_force(change):
            yield OPTION.broken("Make it an order, or leave it a draft", "MedicationRequest.intent")
        return
    yield from _kept(change, situation)
    yield from _by_whom(change, situation)
    if _becomes_active(change):
        yield from _complete(request, facts, situation)
        yield from violations(facts.found, facts.issues, request, situation.base_url)


def _kept(change: Change, _situation: Situation) -> Iterable[Violation]:
    """Yield what is changed of a prescription that was in force, or is over."""
    before, after = change.before, change.after
    if before is None:
        return
    state = before.get("status")
    if after is None:
        if state != "draft":
            yield FINISHED.broken("It was in force: it is marked as entered-in-error instead of deleted")
        return
    names = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} - {"meta"}
    if state in _OVER and names - (
        {"status", "statusReason", "note"} if after.get("status") != state else set()
    ):
        yield FINISHED.broken("The prescription is over", "MedicationRequest.status")
    elif state in IN_FORCE and (wrong := sorted(names - _CHANGEABLE)):
        where = (f"MedicationRequest.{name}" for name in wrong)
        message = "It is in force: write a new prescription that names it in priorPrescription"
        yield CHANGED.broken(message, *where)


def _by_whom(change: Change, situation: Situation) -> Iterable[Violation]:
    if situation.has_role("DR"):
        return
    after, before = change.after, change.before
    assert after is not None  # noqa: S101 - see check
    state = after.get("status")
    if _becomes_active(change):
        yield PRESCRIBER.broken("Only a doctor makes a prescription active", "MedicationRequest.status")
    elif before is None and state != "draft":
        yield DRAFT_ONLY.broken(
            "Only a doctor writes a prescription that is no draft", "MedicationRequest.status"
        )
    elif before is not None and not situation.has_role("PH") and before.get("status") != "draft":
        yield DRAFT_ONLY.broken("You may only change drafts", "MedicationRequest.status")


def _is_doctor(situation: Situation) -> bool:
    return situation.has_role("DR") and not situation.is_anybody


def _complete(request: Resource, facts: Facts, situation: Situation) -> Iterable[Violation]:
    base_url = situation.base_url
    patient = target(request.get("subject"), base_url)
    if facts.prescriber is None:
        yield REQUESTER.broken("It says which doctor prescribes it", "MedicationRequest.requester")
    elif _is_doctor(situation) and facts.prescriber != situation.person:
        yield REQUESTER.broken("The requester is not you", "MedicationRequest.requester")
    says_why = request.get("reasonCode") or request.get("reasonReference")
    if not says_why and not situation.is_reported:  # pharmacies send no RXE-27
        yield REASON.broken("It says what it is for", "MedicationRequest.reasonCode")
    if facts.encounter is not None:
        if target(facts.encounter.get("subject"), base_url) != patient:
            yield SAME_PATIENT.broken("The encounter is another patient's", "MedicationRequest.encounter")
        if facts.encounter.get("status") in ("finished", "cancelled", "entered-in-error"):
            yield ENCOUNTER.broken("The encounter is over", "MedicationRequest.encounter")
    if "priorPrescription" in request:
        if facts.prior is None or facts.prior.get("status") not in (*IN_FORCE, "stopped"):
            yield PRIOR.broken(
                "There is no such prescription to replace", "MedicationRequest.priorPrescription"
            )
        elif target(facts.prior.get("subject"), base_url) != patient:
            yield SAME_PATIENT.broken("That is another patient's", "MedicationRequest.priorPrescription")


def follows(change: Change, facts: Facts, situation: Situation) -> Iterable[Consequence]:
    """Tell the pharmacy, the patient and the doctor who is to sign; take it back when it is over."""
    request = change.after
    if request is None or not is_order(request):
        return
    state = _state(request)
    if change.before is None and state == "draft" and not situation.has_role("DR"):
        yield Create(
            _task("approve", "Activate/approve the focal resource", change.reference, request, situation)
        )
    if _becomes_active(change):
        yield from _in_force(change, facts, situation)
        for task in _open(facts.tasks, "approve"):
            yield Put(_moved(task, "completed", situation))
    if change.before is not None and state in _OVER and _state(change.before) not in _OVER:
        yield from _over(change, facts, situation)
    if change.became("on-hold"):
        yield from without_reminders(change.reference)
        yield from (
            Put(_moved(one, "on-hold", situation))
            for one in _open(facts.tasks, "fulfill")
            if one["status"] != "on-hold"
        )


def _in_force(change: Change, facts: Facts, situation: Situation) -> Iterable[Consequence]:
    request, reference = change.after, change.reference
    assert request is not None  # noqa: S101 - see follows
    version = request.get("meta", {}).get("versionId", "1")
    yield Later(Entry(f"W6/paper/{reference}/{version}", situation.now, PAPER_ACTION, reference))
    tasks = _open(facts.tasks, "fulfill")
    if tasks:
        yield from (Put(_moved(one, "received", situation)) for one in tasks if one["status"] == "on-hold")
    else:
        yield Create(_task("fulfill", "Fulfill the focal request", reference, request, situation))
    kept = [one for one in facts.issues if "meta" in one]
    for finding in facts.found:
        if not is_overridden(finding, kept, request, situation.base_url):
            yield Create(detected(finding, reference, request, facts.issues, situation))
    prior = facts.prior
    if prior is not None and prior.get("status") in IN_FORCE:
        yield Put(changed(prior, status="stopped", statusReason={"text": "replaced by another prescription"}))
    yield from reminders(reference, request, situation)


def _over(change: Change, facts: Facts, situation: Situation) -> Iterable[Consequence]:
    state = _state(change.after)
    yield from without_reminders(change.reference)
    following = "completed" if state == "completed" else "cancelled"
    for task in (*_open(facts.tasks, "fulfill"), *_open(facts.tasks, "approve")):
        yield Put(_moved(task, following, situation))
    if state == "completed":
        return
    withdrawn = "entered-in-error" if state == "entered-in-error" else "superseded"
    for paper in facts.papers:
        if paper.get("status") == "current":
            yield Put(changed(paper, status=withdrawn))


def _open(tasks: Sequence[Resource], code: str) -> list[Resource]:
    return [one for one in tasks if has_code(one.get("code"), TASKS, code) and one["status"] in _OPEN_TASKS]


def _task(code: str, display: str, reference: str, request: Resource, situation: Situation) -> dict[str, Any]:
    is_approval = code == "approve"
    pharmacy = request.get("dispenseRequest", {}).get("performer")
    doctor = request.get("requester")
    return made(
        "Task",
        id=key_id("W6.task", code, reference),
        status="requested",
        intent="order",
        code=concept(TASKS, code, display),
        focus={"reference": reference},
        encounter=request.get("encounter"),
        authoredOn=instant(situation.now),
        lastModified=instant(situation.now),
        requester={"reference": situation.person} if is_approval and situation.person else doctor,
        owner=doctor if is_approval else pharmacy,
        performerType=None if is_approval else [{"text": "pharmacist"}],
        **{"for": request["subject"]},
    )


def _moved(task: Resource, status: str, situation: Situation) -> dict[str, Any]:
    return changed(task, status=status, lastModified=instant(situation.now))


WATCH = Watch(
    frozenset({"MedicationRequest"}), completes=completes, gather=gather, check=check, follows=follows
)
