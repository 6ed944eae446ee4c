"""The Task that says of a merge how far it is: the two patients, what was moved, and what could not be.

https://hl7.org/fhir/R4/task.html
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fhir_server.store import instant
from fhir_server.workflows.made import concept, has_code, made

Resource = Mapping[str, Any]

SYSTEM = "urn:fhir-hospital-server:task"
MERGE, UNMERGE = "patient-merge", "patient-unmerge"


def new_journal(
    identity: str,
    kind: str,
    source: str,
    target: str,
    now: Any,
    accounts: Sequence[tuple[str, str]],
    by: str | None,
) -> dict[str, Any]:
    """Return the Task of a merge (or of its undoing) that begins now; `accounts` are further inputs.

    The patients stand in it by their ids, since references to the one become references to the other.
    """
    inputs = [_part("source", source), _part("target", target), *(_part(*one) for one in accounts)]
    return made(
        "Task",
        id=identity,
        status="in-progress",
        intent="order",
        code=concept(SYSTEM, kind),
        requester={"reference": by} if by else None,
        authoredOn=instant(now),
        lastModified=instant(now),
        input=inputs,
        output=[_count("moved", 0), _count("round", 0)],
    )


def _part(name: str, value: str) -> dict[str, Any]:
    return {"type": {"text": name}, "valueString": value}


def _count(name: str, value: int) -> dict[str, Any]:
    return {"type": {"text": name}, "valueInteger": value}


def is_journal(task: Resource | None, *kinds: str) -> bool:
    """Tell whether a Task is that of a merge, or of its undoing."""
    return has_code((task or {}).get("code"), SYSTEM, *(kinds or (MERGE, UNMERGE)))


def given(task: Resource, name: str) -> list[str]:
    """Return what was given to a merge: `source`, `target`, `account` (see `merging.accounts`)."""
    return [
        one["valueString"]
        for one in task.get("input") or ()
        if one.get("type", {}).get("text") == name and "valueString" in one
    ]


def number(task: Resource | None, name: str) -> int:
    """Return what a merge has counted: `moved`, `round`."""
    for one in (task or {}).get("output") or ():
        if one.get("type", {}).get("text") == name:
            return int(one.get("valueInteger", 0))
    return 0


def advanced(task: Resource, moved: int, left: list[str], now: Any, *, is_done: bool) -> dict[str, Any]:
    """Return the Task after more was moved; `left` are references to what could not be."""
    output = [
        _count("moved", number(task, "moved") + moved),
        _count("round", number(task, "round") + 1),
        *({"type": {"text": "left"}, "valueReference": {"reference": one}} for one in left),
    ]
    status = "completed" if is_done else "in-progress"
    return {**task, "status": status, "lastModified": instant(now), "output": output}
