"""Who is told, and by which addresses: telecom with rank, use and period.

https://hl7.org/fhir/R4/datatypes.html#ContactPoint
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from fhir_server.search.intervals import interval
from fhir_server.workflows.records import Records

Resource = Mapping[str, Any]
Medium = Literal["EMAIL", "SMS"]

PATIENTS = frozenset({"Patient", "RelatedPerson"})
STAFF = frozenset({"Practitioner", "PractitionerRole"})

_E_MAIL = re.compile(r"[^\s@<>,;:\"]{1,64}@[A-Za-z0-9.-]{1,253}")
_NUMBER = re.compile(r"\+?[0-9]{5,15}")
_LAST = 1_000_000
_MOST_ADDRESSES = 10


@dataclass(frozen=True, slots=True)
class Address:
    """Where somebody is reached: an e-mail address or a telephone number."""

    medium: Medium
    value: str


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody who is to be told something.

    `patient` is the id of the patient whose consents count, None for staff. `is_there` is False for those who
    have died or are not with the hospital any more.
    """

    reference: str
    telecom: Sequence[Resource]
    languages: tuple[str, ...]
    patient: str | None
    is_there: bool

    def addresses(self, now: datetime, *, is_urgent: bool) -> list[Address]:
        """Return the addresses that are good now, the preferred first.

        Where no rank says otherwise that is e-mail, and a text message if it is urgent.
        """
        first: Medium = "SMS" if is_urgent else "EMAIL"
        found = [
            (int(point.get("rank", _LAST)), address.medium != first, place, address)
            for place, point in enumerate(self.telecom)
            if (address := _address(point)) is not None and _is_good(point, now)
        ]
        ordered = [address for _, _, _, address in sorted(found, key=lambda one: one[:3])]
        return list(dict.fromkeys(ordered))[:_MOST_ADDRESSES]


async def recipient_of(records: Records, reference: str) -> Recipient | None:
    """Return whom a reference names; None if there is nobody."""
    resource = await records.read(reference)
    if resource is None:
        return None
    resource_type = resource["resourceType"]
    telecom = list(resource.get("telecom", ()))
    people = [resource]
    patient = None
    if resource_type == "PractitionerRole":
        practitioner = await records.read(resource.get("practitioner"))
        if practitioner is not None:
            people.append(practitioner)
            telecom += practitioner.get("telecom", ())
    elif resource_type == "Patient":
        patient = resource["id"]
    elif resource_type == "RelatedPerson":
        of = await records.read(resource.get("patient"))
        patient = None if of is None else of["id"]
    return Recipient(
        reference, telecom, tuple(_languages(people)), patient, all(_is_there(one) for one in people)
    )


def _languages(people: Iterable[Resource]) -> Iterable[str]:
    """Yield the languages that somebody speaks, the preferred first; a practitioner's are plain concepts."""
    found = []
    for person in people:
        for place, spoken in enumerate(person.get("communication", ())):
            concept = spoken.get("language", spoken)
            codes = [coding["code"] for coding in concept.get("coding", ()) if "code" in coding]
            found += [(not spoken.get("preferred", False), place, code) for code in codes]
    return [code for _, _, code in sorted(found)]


def _is_there(person: Resource) -> bool:
    is_dead = person.get("deceasedBoolean", False) or "deceasedDateTime" in person
    return not is_dead and bool(person.get("active", True))


def _address(point: Resource) -> Address | None:
    value = str(point.get("value", "")).strip()
    system = point.get("system")
    if system == "email":
        value = value.removeprefix("mailto:")
        return Address("EMAIL", value) if _E_MAIL.fullmatch(value) else None
    if system == "sms" or (system == "phone" and point.get("use") == "mobile"):
        number = re.sub(r"[\s().\-/]", "", value.removeprefix("tel:").removeprefix("sms:"))
        return Address("SMS", number) if _NUMBER.fullmatch(number) else None
    return None


def _is_good(point: Resource, now: datetime) -> bool:
    if point.get("use") == "old":
        return False
    period = point.get("period", {})
    begins = interval(period["start"])[0] if "start" in period else now
    ends = interval(period["end"])[1] if "end" in period else None
    return begins <= now and (ends is None or now < ends)
