"""Deletion of people: who others refer to stays on record, and is made inactive instead.

https://hl7.org/fhir/R4/compartmentdefinition.html
"""

from collections.abc import Iterable, Mapping
from typing import Any

from fhir_server.search.compartments import compartment_fields, compartment_types
from fhir_server.store import instant
from fhir_server.store.ruling import Entry
from fhir_server.workflows.accounts.terms import REFERENCED
from fhir_server.workflows.consequences import Consequence, Later
from fhir_server.workflows.pattern import Change, Violation, Watch
from fhir_server.workflows.records import Records
from fhir_server.workflows.situation import Situation

Resource = Mapping[str, Any]

CLOSE = "W18.close-account"
# What tells of a record is there for each of them, and stays when they go.
_ON_RECORD = frozenset({"AuditEvent", "Provenance"})
_OF_ROLES = (
    ("Appointment", "actor"),
    ("CareTeam", "participant"),
    ("Encounter", "participant"),
    ("MedicationRequest", "requester"),
    ("Patient", "general-practitioner"),
    ("Procedure", "performer"),
    ("Schedule", "actor"),
    ("ServiceRequest", "requester"),
    ("ServiceRequest", "performer"),
    ("Task", "owner"),
)


async def _gather(change: Change, records: Records) -> str | None:
    """Return a type of which a resource refers to what is deleted; None if there is none."""
    if change.after is not None or change.before is None:
        return None
    if change.resource_type == "PractitionerRole":
        for resource_type, code in _OF_ROLES:
            if await records.search(resource_type, (code, change.reference), limit=1):
                return resource_type
        return None
    return await _in_compartment(change, records)


async def _in_compartment(change: Change, records: Records) -> str | None:
    kind = change.resource_type
    references = [change.reference, f"{records.situation.base_url}/{change.reference}"]
    for resource_type in compartment_types(kind):
        if resource_type in _ON_RECORD:
            continue
        paths = {field.path for field in compartment_fields(kind, resource_type)}
        condition: dict[str, Any] = {"$or": [{path: {"$in": references}} for path in sorted(paths)]}
        if resource_type == kind:
            condition["_id"] = {"$ne": change.id}
        one: list[dict[str, Any]] = [{"$match": condition}, {"$limit": 1}, {"$project": {"_id": 1}}]
        if paths and await records.aggregate(resource_type, one):
            return resource_type
    cared_for = ("general-practitioner", change.reference)
    if kind == "Practitioner" and await records.search("Patient", cared_for, limit=1):
        return "Patient"
    return None


def _check(change: Change, facts: str | None, _situation: Situation) -> Iterable[Violation]:
    if facts is not None:
        yield REFERENCED.broken(f"{facts} resources refer to this; make it inactive", change.resource_type)


def _follows(change: Change, _facts: str | None, situation: Situation) -> Iterable[Consequence]:
    """Have the account of who is inactive, or gone, closed."""
    if change.before is None or change.resource_type == "PractitionerRole":
        return
    was = change.before.get("active") is not False
    if change.after is None or (change.after.get("active") is False and was):
        key = f"W18/close/{change.reference}/{instant(situation.now)}"
        yield Later(Entry(key, situation.now, CLOSE, change.reference))


WATCH = Watch(
    frozenset({"Patient", "Practitioner", "PractitionerRole", "RelatedPerson"}),
    gather=_gather,
    check=_check,
    follows=_follows,
)
