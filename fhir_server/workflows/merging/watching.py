"""What follows from a merge, and that nothing new is written about a record that went into another one."""

from collections.abc import Iterable, Mapping
from typing import Any

from fhir_server.store.ruling import Entry
from fhir_server.workflows.consequences import Consequence, Later
from fhir_server.workflows.merging.journal import is_journal, number
from fhir_server.workflows.merging.moving import MOVE, SWEEP_AFTER
from fhir_server.workflows.merging.pointing import moves, patients_of
from fhir_server.workflows.pattern import Change, Violation, Watch
from fhir_server.workflows.records import Records
from fhir_server.workflows.registration.identity import is_merged
from fhir_server.workflows.registration.rules import MERGE_TASK, MERGED
from fhir_server.workflows.situation import Situation
from resources.definitions import resource_types

# How long the request that merges has the work for itself.
_HEAD_START = SWEEP_AFTER / 4
_MOST_PATIENTS = 20


def check_task(change: Change, _facts: None, situation: Situation) -> Iterable[Violation]:
    """Refuse a Task that would have the server move records, of whoever may not merge."""
    if (is_journal(change.before) or is_journal(change.after)) and not situation.has_role("AD"):
        yield MERGE_TASK.broken("Patient/$merge writes this", "Task.code")


def follows(change: Change, _facts: None, situation: Situation) -> Iterable[Consequence]:
    """Have the agenda go on with what is not moved yet, and look once more when all is."""
    task = change.after
    if not is_journal(task) or task is None:
        return
    if task.get("status") == "in-progress":
        step = number(task, "round")
        due = situation.now if step else situation.now + _HEAD_START
        yield Later(Entry(f"{MOVE}/{change.reference}/{step}", due, MOVE, change.reference))
    elif change.became("completed"):
        due = situation.now + SWEEP_AFTER
        key = f"{MOVE}/{change.reference}/sweep"
        yield Later(Entry(key, due, MOVE, change.reference, {"sweep": True}))


async def gather(change: Change, records: Records) -> bool:
    """Look whether a patient, to whom the resource did not refer before, went into another one."""
    base_url = records.situation.base_url
    before = set(patients_of(change.before, base_url))
    for patient in sorted(set(patients_of(change.after, base_url)) - before)[:_MOST_PATIENTS]:
        if is_merged(await records.read(f"Patient/{patient}")):
            return True
    return False


def check(_change: Change, facts: bool, _situation: Situation) -> Iterable[Violation]:
    """Refuse what is new about a record that is no more."""
    if facts:
        message = (
            "The record of this patient went into another one (Patient.link says which): write about that"
        )
        yield MERGED.broken(message)


def _tasks() -> Watch[Any]:
    return Watch(frozenset({"Task"}), check=check_task, follows=follows)


def _others() -> Watch[Any]:
    types = frozenset(name for name in resource_types() if moves_by_definition(name))
    return Watch(types, gather=gather, check=check)


def moves_by_definition(resource_type: str) -> bool:
    """Tell whether resources of a type say something about patients."""
    return moves(resource_type) and resource_type not in ("Basic", "List", "Group", "Binary")


def watches() -> tuple[Watch[Mapping[str, Any]], ...]:
    """Return the watches."""
    return (_tasks(), _others())
