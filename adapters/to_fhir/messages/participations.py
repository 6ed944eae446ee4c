"""Who takes part (ROL, PRT), by what they stand behind: PID is about the patient, PV1 about the visit."""

from collections.abc import Iterator
from typing import Any

from adapters.to_fhir.messages.common import ENCOUNTER, event_time
from adapters.to_fhir.scope import Scope
from adapters.to_fhir.segments.participations import PRT_ENCOUNTER, PRT_PATIENT, ROL_ENCOUNTER, ROL_PATIENT
from hl7.message import Segment

_GENERAL_PRACTITIONER = "PP"  # tables 0443 and 0912
_ENDED = ("DE", "UN")  # table 0287: delete, unlink
_ROLES = {"ROL": 3, "PRT": 4}
_PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_HELPS = {"system": _PARTICIPATION, "code": "SPRF", "display": "secondary performer"}
# What may stand between a segment and those who take part in what it tells.
_BETWEEN = frozenset({"PD1", "PV2", "ARV", "ROL", "PRT"})


def participations(scope: Scope) -> None:
    """Add those who take part; of others, such as those of a procedure, nothing is made."""
    for behind, segment in _placed(scope):
        if behind == "PV1" and ENCOUNTER in scope.drafts:
            _in_visit(scope, segment)
        elif behind == "PID" and segment.get(_ROLES[segment.name]) == _GENERAL_PRACTITIONER:
            _of_patient(scope, segment)


def _placed(scope: Scope) -> Iterator[tuple[str, Segment]]:
    behind = ""
    for segment in scope.message.segments:
        if segment.name in _ROLES:
            yield behind, segment
        elif segment.name not in _BETWEEN:
            behind = segment.name


def _of_patient(scope: Scope, segment: Segment) -> None:
    table = ROL_PATIENT if segment.name == "ROL" else PRT_PATIENT
    patient = scope.drafts[scope.subject]
    said: dict[str, Any] = {}
    with scope.within(patient.key):
        table(segment, scope, said)
    for who in said.get("generalPractitioner", ()):
        if segment.get(2) not in _ENDED:
            listed = patient.resource.setdefault("generalPractitioner", [])
            if who not in listed:
                listed.append(who)
        elif "reference" in who:
            patient.deleted.append(("generalPractitioner", {"reference": who["reference"]}))


def _in_visit(scope: Scope, segment: Segment) -> None:
    encounter = scope.drafts[ENCOUNTER]
    listed: list[dict[str, Any]] = encounter.resource.get("participant", [])
    said: dict[str, Any] = {}
    with scope.within(ENCOUNTER, f"participant.{len(listed)}"):
        (ROL_ENCOUNTER if segment.name == "ROL" else PRT_ENCOUNTER)(segment, scope, said)
    if "individual" not in said:
        scope.warn("somebody takes part of whom is not said who it is")
        return
    if segment.get(2) in _ENDED and "end" not in said.get("period", {}) and (time := event_time(scope)):
        said["period"] = {**said.get("period", {}), "end": time}
    known = next((one for one in listed if _is_same(one, said)), None)
    if known is not None:
        known.update(said)
        return
    if _is_attender(said) and any(_is_attender(one) for one in listed):
        # One person is responsible at a time; others help them, as those that PV1-7 names beside the first.
        said["type"] = [{"coding": [_HELPS]}]
    encounter.resource["participant"] = [*listed, said]


def _is_same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    same = one["individual"].get("reference") == other["individual"].get("reference") is not None
    return same and not _codes(one).isdisjoint(_codes(other))


def _codes(participant: dict[str, Any]) -> set[tuple[str, str]]:
    return {
        (one.get("system", ""), one.get("code", ""))
        for kind in participant.get("type", ())
        for one in kind.get("coding", ())
    }


def _is_attender(participant: dict[str, Any]) -> bool:
    return (_PARTICIPATION, "ATND") in _codes(participant) and "end" not in participant.get("period", {})
