"""What an ADT event makes of an encounter that is there: its status, its times, its places. Pure.

A11, A12 and A13 undo exactly what A01, A02 and A03 did, as the encounter itself tells. HL7 v2.5.1 §3.3
"""

from collections.abc import Mapping
from typing import Any

from adapters.to_fhir.drafts import Visit
from fhir_server.hl7v2.joining import joined
from fhir_server.workflows.encounters.terms import ATTENDER, ENDED, PARTICIPATION, UNDER_WAY
from fhir_server.workflows.made import has_code
from hl7.errors import UNKNOWN_KEY, HL7Error, Location

Resource = dict[str, Any]
Place = dict[str, Any]

_BEFORE_ARRIVAL = frozenset({"planned", "unknown"})
_NOT_YET = frozenset({"planned", "unknown", "arrived", "triaged"})
_KEPT_APART = ("status", "location", "period", "participant", "statusHistory", "classHistory")


def next_state(before: Resource | None, said: Resource, visit: Visit, warnings: list[HL7Error]) -> Resource:
    """Return the encounter after an event: `said` is what the message has of it, `before` what is there.

    Raises HL7Error (204) for an event that cannot have been, as the encounter was never so.
    """
    if before is None:
        return _new(said, visit)
    _check(before, visit)
    told = {name: one for name, one in said.items() if name not in _KEPT_APART}
    if visit.event == "A08":
        told.pop("class", None) if _is_unknown(told.get("class")) else None
    listed = frozenset({"diagnosis"}) if "diagnosis" in said else frozenset()
    after = joined(before, told, listed)
    after["status"] = _status(before, visit, said)
    after["participant"] = _participants(
        before.get("participant", []), said.get("participant", []), visit.time
    )
    if visit.event in ("A12", "A13"):
        after["location"] = _returned(before, said, visit, warnings)
    else:
        after["location"] = _moved(
            before.get("location", []), said.get("location", []), visit, after["status"]
        )
    after["period"] = _period(before, said, visit, after["status"])
    if visit.event == "A13":
        _take_back_discharge(after)
    return {name: one for name, one in after.items() if one not in ([], {})}


def _is_unknown(value: Any) -> bool:
    return (value or {}).get("code") == "U"


def _new(said: Resource, visit: Visit) -> Resource:
    after = dict(said)
    status = after.get("status", "unknown")
    places = [_adapted(one, status, visit.time) for one in after.get("location", [])]
    after["location"] = _one_active_bed(places)
    if visit.event == "A11":
        period = after.get("period", {})
        after["period"] = period
    return {name: one for name, one in after.items() if one not in ([], {})}


def _check(before: Resource, visit: Visit) -> None:
    """Refuse an event that does not go with what the encounter is."""
    status = before.get("status")
    if visit.event in ("A01", "A04", "A05", "A14") and status == "finished":
        raise _impossible("this visit has ended: cancel its discharge (A13) before it begins again")
    if visit.event == "A11" and status == "finished":
        raise _impossible("this visit has ended: cancel its discharge (A13) before its admission")
    if visit.event == "A13" and status not in ("finished", *UNDER_WAY):
        raise _impossible("this visit has not ended, so that its discharge is not taken back")
    if visit.event == "A12" and status in ENDED:
        raise _impossible("this visit has ended: cancel its discharge (A13) before its transfer")
    if status == "entered-in-error":
        raise _impossible("this visit was entered in error")


def _impossible(text: str) -> HL7Error:
    return HL7Error(text, code=UNKNOWN_KEY, location=Location("PV1", 1, 19))


def _status(before: Resource, visit: Visit, said: Resource) -> str:
    """Return the status after an event; A08 changes none, and no event goes back but those that undo."""
    is_now = str(before.get("status", "unknown"))
    event = visit.event
    if event == "A11":
        return "cancelled"
    if event == "A03":
        return "finished"
    if event == "A13":
        return "in-progress" if is_now == "finished" else is_now
    if event in ("A05", "A14"):
        return "planned" if is_now == "unknown" else is_now
    if event == "A04":
        return str(said["status"]) if is_now in _BEFORE_ARRIVAL or is_now == "cancelled" else is_now
    if event in ("A01", "A06"):
        return "in-progress" if is_now in (*_NOT_YET, "cancelled") else is_now
    if event in ("A02", "A07", "A12"):
        return "in-progress" if is_now in _NOT_YET else is_now
    return str(said["status"]) if is_now == "unknown" else is_now


def _period(before: Resource, said: Resource, visit: Visit, status: str) -> Resource:
    period: Resource = {**before.get("period", {}), **said.get("period", {})}
    if visit.event == "A13" or status not in ENDED:
        period.pop("end", None)
    elif status == "finished" and "end" not in period and visit.time:
        period["end"] = visit.time
    began = before.get("status") in _BEFORE_ARRIVAL and status in UNDER_WAY
    if began and "start" not in said.get("period", {}) and visit.time:
        period["start"] = visit.time
    return period


def _take_back_discharge(after: Resource) -> None:
    stay = {
        name: one
        for name, one in after.get("hospitalization", {}).items()
        if name not in ("dischargeDisposition", "destination")
    }
    after["hospitalization"] = stay


def _participants(before: list[Any], said: list[Any], time: str) -> list[Any]:
    """Return who takes part: another attender ends the time of the one before."""
    after: list[Any] = joined({"participant": before}, {"participant": said})["participant"]
    attending = [one for one in said if _attends(one) and "end" not in one.get("period", {})]
    if not attending:
        return after
    mine = {_who(one) for one in attending}
    return [
        {**one, "period": {**one.get("period", {}), **({"end": time} if time else {})}}
        if _attends(one) and _who(one) not in mine and "end" not in one.get("period", {})
        else one
        for one in after
    ]


def _attends(one: Mapping[str, Any]) -> bool:
    return has_code(one.get("type", []), PARTICIPATION, ATTENDER)


def _who(one: Mapping[str, Any]) -> tuple[Any, Any]:
    who = one.get("individual", {})
    return (who["reference"], None) if who.get("reference") else (None, who.get("display"))


def _where(place: Mapping[str, Any]) -> str:
    where = place.get("location", {})
    return str(where.get("reference") or where.get("display", ""))


def _adapted(place: Place, status: str, time: str) -> Place:
    """Return a place of a message as it is in an encounter of a status."""
    how = place.get("status")
    if how == "active" and status == "planned":
        return {**place, "status": "planned"}
    if how == "active" and status in ENDED:
        return {**place, "status": "completed"}
    if how in ("reserved", "planned") and status in ENDED:
        return {**place, "status": "completed"} if how == "reserved" else place
    if how == "active" and time and "period" not in place:
        return {**place, "period": {"start": time}}
    return place


def _moved(before: list[Place], said: list[Place], visit: Visit, status: str) -> list[Place]:
    """Return the places after an event: where the patient was before is left when they are elsewhere."""
    if status in ENDED and visit.event in ("A03", "A11"):
        return [_left(one, visit.time) for one in before]
    told = [_adapted(one, status, visit.time) for one in said]
    active = {_where(one) for one in told if one.get("status") == "active"}
    coming = [one for one in told if one.get("status") in ("planned", "reserved")]
    kept: list[Place] = []
    known: set[str] = set()
    for one in before:
        how = one.get("status")
        if how == "active" and active and _where(one) not in active:
            kept.append(_left(one, visit.time))
        elif how in ("planned", "reserved") and (coming or _where(one) in active):
            continue
        else:
            kept.append(one)
            if how == "active":
                known.add(_where(one))
    new = [one for one in told if one.get("status") == "active" and _where(one) not in known]
    return _one_active_bed([*kept, *new, *(one for one in coming if _where(one) not in active)])


def _left(place: Place, time: str) -> Place:
    if place.get("status") not in ("active", "reserved"):
        return place
    period = {**place.get("period", {}), **({"end": time} if time else {})}
    return {**place, "status": "completed"} | ({"period": period} if period else {})


def _one_active_bed(places: list[Place]) -> list[Place]:
    """Return places with one active bed: of two, the temporary one (PV1-11), and the other is reserved."""
    beds = [one for one in places if one.get("status") == "active" and "physicalType" in one]
    if len(beds) < 2:
        return places
    stays = next((one for one in beds if "extension" in one), beds[-1])
    return [
        {**one, "status": "reserved"} if one in beds and one is not stays and "extension" not in one else one
        for one in places
    ]


def _returned(before: Resource, said: Resource, visit: Visit, warnings: list[HL7Error]) -> list[Place]:
    """Return the places as they were before a transfer (A12) or a discharge (A13)."""
    places: list[Place] = list(before.get("location", []))
    if visit.event == "A13":
        end = before.get("period", {}).get("end")
        return [_taken_up(one) if _ended_at(one, end) else one for one in places]
    last = next((one for one in reversed(places) if one.get("status") == "completed"), None)
    told = next((one for one in said.get("location", []) if one.get("status") == "active"), None)
    if last is None or (told is not None and _where(told) != _where(last)):
        warnings.append(
            HL7Error(
                "the transfer that is taken back is not known here: the place was taken as it is told",
                code=UNKNOWN_KEY,
                location=Location("PV1", 1, 3),
                severity="W",
            )
        )
        return _moved(places, said.get("location", []), visit, str(before.get("status")))
    return [
        _taken_up(one) if one is last else one
        for one in places
        if one.get("status") != "active" or _where(one) == _where(last)
    ]


def _ended_at(place: Place, end: Any) -> bool:
    return (
        place.get("status") == "completed" and end is not None and place.get("period", {}).get("end") == end
    )


def _taken_up(place: Place) -> Place:
    """Return a place that was left as one that never was."""
    period = {name: one for name, one in place.get("period", {}).items() if name != "end"}
    again = {name: one for name, one in place.items() if name != "period"}
    return {**again, "status": "active"} | ({"period": period} if period else {})
