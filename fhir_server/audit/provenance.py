"""Provenances of changes: who made them, on whose behalf, with which application or by which message.

https://hl7.org/fhir/R4/provenance.html, https://hl7.org/fhir/R4/provenance.html#header
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from fhir_server.audit.actor import Actor, coded, who
from fhir_server.audit.patients import patients_of_change
from fhir_server.store import instant
from fhir_server.store.witnessing import Change
from resources import json_format
from resources.bundle import refusal
from resources.operation_outcome import InvalidContent, error
from resources.references import parse_reference
from resources.validation import validate

Resource = dict[str, Any]
Activity = Literal["CREATE", "UPDATE", "DELETE"]

_DATA_OPERATION = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
_PARTICIPANT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
_AUTHOR = (_PARTICIPANT, "author")
_ASSEMBLER = (_PARTICIPANT, "assembler")
# What tells of changes itself, or is no record.
_NOT_TOLD_OF = frozenset({"Provenance", "AuditEvent"})
_MOST_TARGETS = 200
_HEADER = "X-Provenance"
_LONGEST_HEADER = 65_536


def provenances(
    changes: Sequence[Change], actor: Actor, moment: datetime, sent: Resource | None
) -> Iterable[Resource]:
    """Yield the Provenances of changes, without ids: `sent` if the client gave one, else our own.

    A change that a Provenance among the changes themselves tells of needs no other. Each of our own is about
    one patient at most, lest one who sees it learns of another.
    """
    told = _told_of(changes)
    listed = [
        change
        for change in changes
        if change.write.resource_type not in _NOT_TOLD_OF
        and f"{change.write.resource_type}/{change.write.id}" not in told
    ]
    if sent is not None:
        if listed:
            yield {**sent, "target": [{"reference": change.after.location} for change in listed]}
        return
    for (activity, _), targets in _by_activity_and_patient(listed, actor.base_url).items():
        for start in range(0, len(targets), _MOST_TARGETS):
            yield _provenance(targets[start : start + _MOST_TARGETS], activity, actor, moment)


def _by_activity_and_patient(
    changes: Iterable[Change], base_url: str
) -> Mapping[tuple[Activity, str], Sequence[str]]:
    found: dict[tuple[Activity, str], list[str]] = {}
    for change in changes:
        for patient in patients_of_change(change, base_url) or ("",):
            found.setdefault((_activity(change), patient), []).append(change.after.location)
    return found


def _told_of(changes: Sequence[Change]) -> set[str]:
    found: set[str] = set()
    for change in changes:
        if change.write.resource_type == "Provenance" and change.write.resource is not None:
            for target in change.write.resource.get("target", ()):
                reference = parse_reference(target.get("reference", ""))
                if reference is not None:
                    found.add(f"{reference.resource_type}/{reference.id}")
    return found


def _activity(change: Change) -> Activity:
    if change.write.method == "DELETE":
        return "DELETE"
    return "CREATE" if change.before is None else "UPDATE"


def _provenance(targets: Sequence[str], activity: str, actor: Actor, moment: datetime) -> Resource:
    return {
        "resourceType": "Provenance",
        "target": [{"reference": target} for target in targets],
        "recorded": instant(moment),
        "activity": {"coding": [{"system": _DATA_OPERATION, "code": activity}]},
        "agent": list(_agents(actor)),
    }


def _agents(actor: Actor) -> Iterable[dict[str, Any]]:
    """Yield the person, and the application that acts for them."""
    person = who(actor)
    if actor.account_id is None:
        yield {"type": {"coding": [coded(_AUTHOR)]}, "who": person}
        return
    yield {"type": {"coding": [coded(_AUTHOR)]}, "who": person}
    application = {"identifier": {"value": actor.client_id or "unknown"}}
    yield {"type": {"coding": [coded(_ASSEMBLER)]}, "who": application, "onBehalfOf": person}


def sent_provenance(header: str) -> Resource:
    """Return the Provenance of the header X-Provenance, which has no target: that is what is written.

    Raises InvalidContent or UnprocessableContent if it is none.
    """
    if len(header) > _LONGEST_HEADER:
        raise InvalidContent(error("too-long", f"{_HEADER} is longer than {_LONGEST_HEADER} bytes"))
    resource = json_format.parse(header.encode("latin-1", "replace"))
    if not isinstance(resource, dict) or resource.get("resourceType") != "Provenance":
        raise InvalidContent(error("structure", f"{_HEADER} is a Provenance in JSON"))
    if "target" in resource:
        message = f"A Provenance in {_HEADER} has no target: it is of what the request writes"
        raise InvalidContent(error("invalid", message, "Provenance.target"))
    issues = validate({**resource, "target": [{"display": "what is written"}]})
    if issues:
        raise refusal(issues)
    return {key: value for key, value in resource.items() if key != "id"}
