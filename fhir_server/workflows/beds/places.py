"""What holds for each place: what it is part of; and for a bed, that its state is what its encounters say.

https://hl7.org/fhir/R4/location.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fhir_server.workflows.beds import terms
from fhir_server.workflows.beds.terms import kind_of, state_of
from fhir_server.workflows.consequences import Consequence, Put
from fhir_server.workflows.encounters.terms import reference_of
from fhir_server.workflows.made import changed
from fhir_server.workflows.pattern import Change, Violation, Watch
from fhir_server.workflows.records import Records
from fhir_server.workflows.situation import Situation

Resource = Mapping[str, Any]

_HIGHEST = 12
OPEN_TASKS = "requested,received,accepted,in-progress,on-hold"


@dataclass(frozen=True, slots=True)
class Facts:
    """How a bed is used (`active`, `reserved`), what a place is part of, and the open Tasks to clean it."""

    used: frozenset[str] = frozenset()
    above: tuple[Resource, ...] = ()
    is_circle: bool = False
    tasks: tuple[Resource, ...] = ()


def completes(location: Resource, _before: Resource | None, _situation: Situation) -> Resource:
    """Let a bed have a state."""
    if kind_of(location) != "bd" or "operationalStatus" in location:
        return location
    return {
        **location,
        "operationalStatus": terms.state("C" if location.get("status") == "inactive" else "U"),
    }


async def gather(change: Change, records: Records) -> Facts:
    """Look up what a place is part of, and who has the bed."""
    above: list[Resource] = []
    is_circle = False
    if change.after is not None and (change.before or {}).get("partOf") != change.after.get("partOf"):
        above, is_circle = await _above(change, records)
    if "bd" not in (kind_of(change.before), kind_of(change.after)):
        return Facts(above=tuple(above), is_circle=is_circle)
    await records.lock(f"bed/{change.reference}")
    used = await used_by(change.reference, records)
    tasks: list[dict[str, Any]] = []
    if state_of(change.before) in ("H", "K") and state_of(change.after) in ("U", "I", "O"):
        tasks = await records.search("Task", ("focus", change.reference), ("status", OPEN_TASKS))
    cleaning = tuple(task for task in tasks if terms.is_cleaning(task))
    return Facts(frozenset(used.values()), tuple(above), is_circle, cleaning)


async def used_by(bed: str, records: Records) -> dict[str, str]:
    """Return the encounters that have a bed, or have it reserved; to be asked under its lock."""
    found = await records.search("Encounter", ("location", bed), ("status", terms.OPEN))
    return {f"Encounter/{one['id']}": how for one in found for where, how in terms.uses(one) if where == bed}


async def _above(change: Change, records: Records) -> tuple[list[Resource], bool]:
    found: list[Resource] = []
    current = change.after
    while current is not None and len(found) < _HIGHEST:
        reference = reference_of(current.get("partOf"))
        if reference == change.reference:
            return found, True
        current = await records.read(reference)
        if current is not None:
            found.append(current)
    return found, False


def check(change: Change, facts: Facts, _situation: Situation) -> Iterable[Violation]:
    """Check a place, and the state of a bed."""
    if change.after is not None:
        yield from _check_hierarchy(change.after, facts)
        code = change.after.get("operationalStatus", {})
        if code and (code.get("system") != terms.STATES or code.get("code") not in terms.NAMES):
            where = "Location.operationalStatus"
            yield terms.STATE_CODE.broken(f"The state is one of {', '.join(terms.NAMES)} of v2-0116", where)
            return
    if "bd" in (kind_of(change.before), kind_of(change.after)):
        yield from _check_bed(change, facts)


def _check_hierarchy(location: Resource, facts: Facts) -> Iterable[Violation]:
    mine = terms.LEVELS.get(kind_of(location) or "")
    theirs = terms.LEVELS.get(kind_of(facts.above[0]) or "") if facts.above else None
    if mine is not None and theirs is not None and theirs >= mine:
        yield terms.HIERARCHY.broken("It cannot be part of a place of this kind", "Location.partOf")
    if facts.is_circle:
        yield terms.HIERARCHY.broken("It would be part of itself", "Location.partOf")


def _check_bed(change: Change, facts: Facts) -> Iterable[Violation]:
    bed, was, now = change.after, state_of(change.before), state_of(change.after)
    where = "Location.operationalStatus"
    if facts.used and (kind_of(bed) != "bd" or (bed or {}).get("status") == "inactive"):
        yield terms.IN_USE.broken("Somebody has the bed, or has it reserved", "Location")
        return
    if bed is None or kind_of(bed) != "bd" or (was == now and change.before is not None):
        return
    # Who never left lies in it still: what was to be cleaned is occupied again.
    is_taken_back = was in ("H", "K") and now == "O" and "active" in facts.used
    is_next = was is None or now in set(terms.NEXT.get(was, "")) or is_taken_back
    if kind_of(change.before) == "bd" and not is_next:
        yield terms.BED_STATE.broken(f"{was} does not become {now}", where)
    elif "active" in facts.used and now != "O":
        yield terms.IN_USE.broken("The bed is occupied", where)
    elif "reserved" in facts.used and now in ("C", "K"):
        yield terms.IN_USE.broken("The bed is reserved", where)
    elif "active" not in facts.used and now == "O":
        yield terms.AGREES.broken(
            "No encounter has the bed: it becomes occupied by $admit or $transfer", where
        )


def follows(change: Change, facts: Facts, _situation: Situation) -> Iterable[Consequence]:
    """End the Tasks to clean a bed that is clean, or that was never left."""
    if state_of(change.before) in ("H", "K") and state_of(change.after) in ("U", "I", "O"):
        ends = "cancelled" if state_of(change.after) == "O" else "completed"
        yield from (Put(changed(task, status=ends)) for task in facts.tasks)


WATCH: Watch[Facts] = Watch(
    frozenset({"Location"}), completes=completes, gather=gather, check=check, follows=follows
)
