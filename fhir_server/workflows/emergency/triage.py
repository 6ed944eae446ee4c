"""Triage: the index says how urgent it is, whom it concerns at once, and where in the queue a patient stands.

https://hl7.org/fhir/R4/observation.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fhir_server.workflows.consequences import Consequence, Put
from fhir_server.workflows.emergency import terms
from fhir_server.workflows.emergency.alerts import alerts
from fhir_server.workflows.emergency.team import Team, team
from fhir_server.workflows.emergency.terms import index_of, is_esi, is_here
from fhir_server.workflows.encounters.terms import encounter_of
from fhir_server.workflows.made import changed, has_code
from fhir_server.workflows.pattern import Change, Violation, Watch
from fhir_server.workflows.records import Records
from fhir_server.workflows.situation import Situation

Resource = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Facts:
    """The encounter of an index, the Tasks to triage it, and who is on call."""

    encounter: Resource | None = None
    tasks: tuple[Resource, ...] = ()
    on_call: Team = field(default_factory=Team)


async def gather(change: Change, records: Records) -> Facts:
    """Look up the encounter, and whom it concerns."""
    if change.after is None or not is_esi(change.after):
        return Facts()
    reference = encounter_of(change.after)
    encounter = await records.read(reference)
    if encounter is None or not is_here(encounter):
        return Facts(encounter)
    tasks = await records.search("Task", ("focus", reference or ""), ("status", terms.OPEN_TASKS))
    waiting = tuple(one for one in tasks if has_code(one.get("code"), terms.OWN, terms.TRIAGE))
    return Facts(encounter, waiting, await team(encounter, records))


def check(change: Change, _facts: Facts, situation: Situation) -> Iterable[Violation]:
    """Check an index, and who gives it."""
    before, after = change.before, change.after
    if after is None or not is_esi(after) or after["status"] in terms.WRONG:
        return
    if index_of(after) is None:
        message = "The index is valueInteger, from 1 (at once) to 5 (can wait)"
        yield terms.RANGE.broken(message, "Observation.valueInteger")
    if after["status"] in terms.FINAL and not situation.has_role("RN", "DR"):
        yield terms.FINAL_ESI.broken("It is for nurses and doctors to triage", "Observation.status")
    was = None if before is None or before["status"] not in terms.FINAL else index_of(before)
    if was is not None and was != index_of(after):
        yield terms.RETRIAGE.broken("Triage again by a new Observation", "Observation.valueInteger")


def follows(change: Change, facts: Facts, situation: Situation) -> Iterable[Consequence]:
    """Let the encounter be triaged, and call for help if it is urgent."""
    after, encounter = change.after, facts.encounter
    if after is None or not is_esi(after) or encounter is None or not is_here(encounter):
        return
    index = index_of(after)
    if index is None or after["status"] in terms.WRONG or _said(change.before) == _said(after):
        return
    is_final = after["status"] in terms.FINAL
    new = _triaged(encounter, index, is_final=is_final)
    if new != encounter:
        yield Put(new)
    if is_final:
        yield from (Put(changed(task, status="completed")) for task in facts.tasks)
    if index <= terms.MOST_URGENT:
        yield from alerts(change, encounter, facts.on_call, situation, is_final=is_final)


def _said(observation: Resource | None) -> tuple[int | None, bool] | None:
    if observation is None or observation["status"] in terms.WRONG:
        return None
    return index_of(observation), observation["status"] in terms.FINAL


def _triaged(encounter: Resource, index: int, *, is_final: bool) -> dict[str, Any]:
    """Return an encounter as an index makes it; a provisional one says only what nothing else does."""
    if not is_final:
        return changed(encounter, priority=encounter.get("priority", terms.priority(index)))
    status = "triaged" if encounter["status"] == "arrived" else encounter["status"]
    return changed(encounter, status=status, priority=terms.priority(index))


WATCH: Watch[Facts] = Watch(frozenset({"Observation"}), gather=gather, check=check, follows=follows)
