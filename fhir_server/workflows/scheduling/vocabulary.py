"""What the parts of scheduling have in common: whose an Appointment is, when it is, and what it takes.

https://hl7.org/fhir/R4/appointment-definitions.html
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from fhir_server.search.intervals import interval
from fhir_server.workflows.made import changed, concept

Resource = Mapping[str, Any]

ACTIVE = frozenset({"pending", "booked", "arrived", "checked-in"})
"""The states in which an Appointment takes time of those who take part."""
TAKES_SLOT = ACTIVE | {"fulfilled", "noshow"}
FINAL = frozenset({"fulfilled", "cancelled", "noshow", "entered-in-error"})

_SYSTEM = "urn:fhir-hospital-server:scheduling"
HOLD = {"system": _SYSTEM, "code": "hold"}
"""The tag of an Appointment that holds a Slot for a while."""
OFFER = {"system": _SYSTEM, "code": "offer"}
"""The tag of one that was on the waiting list, and is offered a Slot for a while."""
NEEDS_APPROVAL = {"system": _SYSTEM, "code": "approval"}
"""The tag of a Schedule whose Appointments a doctor confirms."""
RESERVED = frozenset((one["system"], one["code"]) for one in (HOLD, OFFER))

REASON = f"{_SYSTEM}:assignment-reason"
"""The extension that says why this doctor was chosen."""

LAPSED_OFFER = f"{_SYSTEM}:lapsed-offer"
"""The extension that says when the time begins that somebody was offered last, and let lapse."""

_CANCELLATION = "http://terminology.hl7.org/CodeSystem/appointment-cancellation-reason"
BY_PROVIDER, BY_PATIENT, LAPSED = (concept(_CANCELLATION, code) for code in ("prov", "pat", "other"))

_CLAIMED = frozenset({"Patient", "Practitioner", "RelatedPerson", "Location", "Device"})


def reference(value: Any) -> str:
    """Return type and id that a Reference names, without the address of a server; "" if there are none."""
    text = (value or {}).get("reference", "")
    parts = text.partition("/_history/")[0].split("/")
    return "/".join(parts[-2:]) if len(parts) > 1 else ""


def kind(actor: str) -> str:
    """Return the type that a reference names."""
    return actor.partition("/")[0]


def moment(text: Any) -> datetime | None:
    """Return an instant as a datetime, None if there is none."""
    return interval(text)[0] if isinstance(text, str) else None


def times(resource: Resource) -> tuple[datetime, datetime] | None:
    """Return from when until when a resource is, None if it does not say."""
    start, end = moment(resource.get("start")), moment(resource.get("end"))
    return None if start is None or end is None else (start, end)


def slots(appointment: Resource | None) -> list[str]:
    """Return the Slots that an Appointment takes in its state."""
    if appointment is None or appointment.get("status") not in TAKES_SLOT:
        return []
    return named_slots(appointment)


def named_slots(appointment: Resource) -> list[str]:
    """Return the Slots that an Appointment names."""
    return list(dict.fromkeys(filter(None, map(reference, appointment.get("slot", ())))))


def actors(appointment: Resource, *kinds: str) -> list[str]:
    """Return those who take part, of some types or of all; those who declined do not."""
    found = (
        reference(one.get("actor"))
        for one in appointment.get("participant", ())
        if one.get("status") != "declined"
    )
    return [one for one in dict.fromkeys(found) if one and (not kinds or kind(one) in kinds)]


def claimed(appointment: Resource) -> Iterable[str]:
    """Yield whose time an Appointment takes. A place that is given for information only is not taken."""
    informed = {
        reference(one.get("actor"))
        for one in appointment.get("participant", ())
        if one.get("required") == "information-only" and kind(reference(one.get("actor"))) == "Location"
    }
    return (one for one in actors(appointment, *_CLAIMED) if one not in informed)


def tagged(resource: Resource, tag: Resource) -> bool:
    """Tell whether a resource has a tag."""
    return any(
        one.get("system") == tag["system"] and one.get("code") == tag["code"]
        for one in resource.get("meta", {}).get("tag", ())
    )


def with_tags(resource: Resource, *tags: Resource) -> dict[str, Any]:
    """Return a resource with those of our passing tags that are given, and no other of them."""
    meta = dict(resource.get("meta", {}))
    others = [one for one in meta.pop("tag", ()) if (one.get("system"), one.get("code")) not in RESERVED]
    all_tags = [*others, *tags]
    meta |= {"tag": all_tags} if all_tags else {}
    return changed(resource, meta=meta or None)


def cancelled(appointment: Resource, reason: Resource) -> dict[str, Any]:
    """Return an Appointment that is cancelled."""
    return changed(appointment, status="cancelled", cancelationReason=reason)


def answered(appointment: Resource, actor: str, status: str) -> dict[str, Any]:
    """Return an Appointment in which the answer of one who takes part is another."""
    listed = [
        {**one, "status": status} if reference(one.get("actor")) == actor else one
        for one in appointment.get("participant", ())
    ]
    return changed(appointment, participant=listed)


def overlap(one: tuple[datetime, datetime], other: tuple[datetime, datetime]) -> bool:
    """Tell whether two times have a moment in common."""
    return one[0] < other[1] and other[0] < one[1]


def is_proposal_open(appointment: Resource) -> bool:
    """Tell whether a practitioner has proposed something else, and nobody has agreed to it yet."""
    return appointment.get("status") == "pending" and any(
        one.get("status") == "tentative" and reference(one.get("actor")).startswith("Practitioner")
        for one in appointment.get("participant", ())
    )
