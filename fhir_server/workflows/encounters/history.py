"""What the server itself keeps of an encounter: the states and classes that it was in, and since when it is.

https://hl7.org/fhir/R4/encounter-definitions.html#Encounter.statusHistory
"""

from collections.abc import Mapping
from typing import Any

from fhir_server.store import instant
from fhir_server.workflows.encounters.terms import UNDER_WAY
from fhir_server.workflows.situation import Situation

Resource = Mapping[str, Any]

_HISTORIES = (("status", "statusHistory"), ("class", "classHistory"))


def completes(encounter: Resource, before: Resource | None, situation: Situation) -> Resource:
    """Return an encounter with its histories, which nobody else writes once it is here."""
    filled = dict(encounter)
    now = instant(situation.now)
    if before is not None:
        for element, history in _HISTORIES:
            kept = _kept(element, history, encounter, before, now)
            if kept:
                filled[history] = kept
            else:
                filled.pop(history, None)
    if filled.get("status") in UNDER_WAY and "start" not in filled.get("period", {}):
        filled["period"] = {"start": now, **filled.get("period", {})}
    return encounter if filled == encounter else filled


def _kept(
    element: str, history: str, encounter: Resource, before: Resource, now: str
) -> list[dict[str, Any]]:
    """Return a history with what the encounter was until now, if it is something else from now on."""
    listed: list[dict[str, Any]] = list(before.get(history, ()))
    was = before.get(element)
    if was is None or was == encounter.get(element):
        return listed
    last = listed[-1] if listed else None
    if last is not None and last.get(element) == was and "end" not in last.get("period", {}):
        return [*listed[:-1], {**last, "period": {**last.get("period", {}), "end": now}}]
    since = (last or {}).get("period", {}).get("end") or _began(before)
    return [*listed, {element: was, "period": ({"start": since} if since else {}) | {"end": now}}]


def _began(before: Resource) -> str | None:
    found: str | None = before.get("period", {}).get("start")
    # Of what was planned, the period is that of the visit, which has not been.
    if found is None or before.get("status") == "planned":
        found = before.get("meta", {}).get("lastUpdated")
    return found
