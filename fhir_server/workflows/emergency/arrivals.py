"""Whoever arrives in the emergency department: once at a time, and told of at once."""

from collections.abc import Iterable, Mapping
from typing import Any

from fhir_server.store.ruling import Claim
from fhir_server.workflows.consequences import Consequence, Create
from fhir_server.workflows.emergency import terms
from fhir_server.workflows.emergency.alerts import triage_task
from fhir_server.workflows.emergency.team import Team, team
from fhir_server.workflows.emergency.terms import is_emergency, is_here
from fhir_server.workflows.encounters.terms import patient_of
from fhir_server.workflows.notices import notice
from fhir_server.workflows.pattern import Change, Watch
from fhir_server.workflows.records import Records
from fhir_server.workflows.situation import Situation

Resource = Mapping[str, Any]


def claims(encounter: Resource) -> Iterable[Claim]:
    """Claim the patient's presence."""
    patient = patient_of(encounter)
    if patient is not None and is_here(encounter):
        message = "The patient is in the emergency department already: go on with that encounter"
        refusal = terms.ALREADY_HERE.error(message, "Encounter.subject")
        yield Claim(f"W11/here/{patient}", f"Encounter/{encounter['id']}", refusal)


async def gather(change: Change, records: Records) -> Team:
    """Look up who is on call, for somebody who has just arrived."""
    if not is_emergency(change.after) or not change.became("arrived"):
        return Team()
    return await team(change.after, records)


def follows(change: Change, facts: Team, situation: Situation) -> Iterable[Consequence]:
    """Have the patient triaged."""
    if change.after is None or not is_emergency(change.after) or not change.became("arrived"):
        return
    yield Create(triage_task(change.after, facts.nurses, situation))
    for one in facts.nurses:
        yield notice(terms.ARRIVED, change.reference, one, situation.now)


WATCH: Watch[Team] = Watch(frozenset({"Encounter"}), claims=claims, gather=gather, follows=follows)
