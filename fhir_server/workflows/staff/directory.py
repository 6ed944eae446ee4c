"""Practitioners and their roles: licence numbers, who changes what, and what becomes of who leaves.

https://hl7.org/fhir/R4/practitioner.html, https://hl7.org/fhir/R4/practitionerrole.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fhir_server.store import instant
from fhir_server.store.ruling import Claim
from fhir_server.workflows.consequences import Consequence, Put
from fhir_server.workflows.made import changed, key_id
from fhir_server.workflows.notices import NoticeKind, notice
from fhir_server.workflows.pattern import Change, Violation, Watch
from fhir_server.workflows.records import Records
from fhir_server.workflows.references import reference_of
from fhir_server.workflows.situation import Situation
from fhir_server.workflows.staff.people import roles_of
from fhir_server.workflows.staff.qualifications import lapsed, licence_numbers, name_of
from fhir_server.workflows.staff.terms import (
    HIRING_OPEN,
    LICENCE,
    OWN_LICENCE,
    TASKS,
    UNQUALIFIED,
)

Resource = Mapping[str, Any]

SUSPENDED = NoticeKind(
    "W12.suspended",
    "Your role is inactive now",
    "A role of yours in the hospital is not active any more. An administrator can tell you why.",
    "A role of yours in the hospital is not active any more.",
)
OPEN_TASKS = "draft,requested,received,accepted,ready,in-progress,on-hold"
_OWN = frozenset({"telecom", "address", "photo", "communication", "text", "language", "meta"})


def _claims(practitioner: Resource) -> Iterable[Claim]:
    owner = f"Practitioner/{practitioner['id']}"
    for number in licence_numbers(practitioner):
        refusal = LICENCE.error("Somebody else has this licence number", "Practitioner.identifier")
        yield Claim(f"W12/licence/{number}", owner, refusal)


@dataclass(frozen=True, slots=True)
class Person:
    """The roles of a person, and the tasks that are open for them to renew what expires."""

    roles: tuple[Resource, ...] = ()
    tasks: tuple[Resource, ...] = ()


async def _gather_person(change: Change, records: Records) -> Person:
    if change.before is None or change.after is None:
        return Person()
    roles: list[dict[str, Any]] = []
    if change.after.get("active") is False and change.before.get("active") is not False:
        roles = await roles_of(change.reference, records)
    tasks: list[dict[str, Any]] = []
    if change.before.get("qualification") != change.after.get("qualification"):
        asked = (("code", f"{TASKS}|training"), ("owner", change.reference), ("status", OPEN_TASKS))
        tasks = await records.search("Task", *asked)
    return Person(tuple(roles), tuple(tasks))


def _check_person(change: Change, _facts: Person, situation: Situation) -> Iterable[Violation]:
    """Refuse that somebody gives themselves a licence."""
    if situation.has_role("AD") or change.after is None:
        return
    before, after = change.before or {}, change.after
    names = (before.keys() | after.keys()) - _OWN - {"id", "resourceType"}
    other = sorted(name for name in names if before.get(name) != after.get(name))
    if other:
        yield OWN_LICENCE.broken("An administrator changes this", *(f"Practitioner.{name}" for name in other))


def renewal_id(practitioner: str, qualification: Resource) -> str:
    """Return the id of the Task by which somebody is to renew a qualification."""
    return key_id("renew", practitioner, name_of(qualification))


def _follows_person(change: Change, facts: Person, situation: Situation) -> Iterable[Consequence]:
    """End the roles of who is inactive, and the tasks to renew what is renewed."""
    if change.after is None:
        return
    for role in facts.roles:
        if role.get("active") is not False:
            yield Put(changed(role, active=False))
    expires = {
        renewal_id(change.reference, one)
        for one in change.after.get("qualification", ())
        if "end" in one.get("period", {})
    }
    for task in facts.tasks:
        is_ours = any(
            task["id"] == renewal_id(change.reference, one)
            for one in (change.before or {}).get("qualification", ())
        )
        if is_ours and task["id"] not in expires:
            yield Put(changed(task, status="completed", lastModified=instant(situation.now)))


@dataclass(frozen=True, slots=True)
class Role:
    """Whose role it is, and what of the hiring is open."""

    practitioner: Resource | None = None
    hiring: tuple[Resource, ...] = ()


async def _gather_role(change: Change, records: Records) -> Role:
    if not _begins(change) or change.after is None:
        return Role()
    person = await records.read(change.after.get("practitioner"))
    asked = (("focus", change.reference), ("code", f"{TASKS}|hiring"), ("status", OPEN_TASKS))
    return Role(person, tuple(await records.search("Task", *asked)))


def _begins(change: Change) -> bool:
    """Tell whether a role becomes active, or somebody else's."""
    if change.after is None or change.after.get("active") is False:
        return False
    before = change.before
    return (
        before is None
        or before.get("active") is False
        or before.get("practitioner") != change.after.get("practitioner")
    )


def _check_role(change: Change, facts: Role, situation: Situation) -> Iterable[Violation]:
    if not _begins(change):
        return
    if facts.hiring:
        yield HIRING_OPEN.broken("The hiring is not completed", "PractitionerRole.active")
    if facts.practitioner is not None and lapsed(facts.practitioner, situation.now):
        yield UNQUALIFIED.broken("Their licence or training has expired", "PractitionerRole.active")


def _follows_role(change: Change, _facts: Role, situation: Situation) -> Iterable[Consequence]:
    """Tell somebody that their role is not active any more."""
    after, before = change.after, change.before
    if after is None or before is None:
        return
    person = reference_of(after.get("practitioner"))
    if person and after.get("active") is False and before.get("active") is not False:
        yield notice(SUSPENDED, change.reference, person, situation.now, occasion=instant(situation.now))


WATCHES = (
    Watch(
        frozenset({"Practitioner"}),
        claims=_claims,
        gather=_gather_person,
        check=_check_person,
        follows=_follows_person,
    ),
    Watch(frozenset({"PractitionerRole"}), gather=_gather_role, check=_check_role, follows=_follows_role),
)
