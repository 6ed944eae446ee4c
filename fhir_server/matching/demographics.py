"""What is compared of a Patient: names, birth date, gender, identifiers, contacts and addresses, folded.

https://hl7.org/fhir/R4/patient.html
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fhir_server.search.string import normalised

# Whoever has more names or addresses than these is compared by the first ones.
_MOST = 10
_LONGEST = 200
_NO_DIGIT = re.compile(r"\D")
# Numbers are compared by their last digits, so that a country code or a zero in front does not matter.
_PHONE_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Name:
    """A family name and the given names of one HumanName, folded as for a search."""

    family: str
    given: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Demographics:
    """What is compared of one patient; what there is not is empty.

    `birth_date` is as FHIR has it, a year, a month or a day; `identifiers` are by system.
    """

    names: tuple[Name, ...] = ()
    birth_date: str = ""
    gender: str = ""
    identifiers: tuple[tuple[str, str], ...] = ()
    phones: frozenset[str] = frozenset()
    emails: frozenset[str] = frozenset()
    lines: tuple[str, ...] = ()
    postal_codes: frozenset[str] = frozenset()


def demographics(patient: dict[str, Any]) -> Demographics:
    """Return what is compared of `patient`, which is made of what FHIR has."""
    telecom = _first(patient.get("telecom"))
    addresses = _first(patient.get("address"))
    gender = patient.get("gender", "")
    return Demographics(
        names=tuple(name for name in map(_name, _first(patient.get("name"))) if name.family or name.given),
        birth_date=patient.get("birthDate", ""),
        gender="" if gender == "unknown" else gender,
        identifiers=tuple(
            (one["system"], _folded(one["value"]))
            for one in _first(patient.get("identifier"))
            if one.get("system") and one.get("value")
        ),
        phones=frozenset(_phones(telecom)),
        emails=frozenset(_folded(value) for value in _values(telecom, ("email",))),
        lines=tuple(_lines(addresses)),
        postal_codes=frozenset(
            _folded(one["postalCode"]).replace(" ", "") for one in addresses if one.get("postalCode")
        ),
    )


def _first(listed: list[Any] | None) -> list[Any]:
    return [one for one in listed or () if one is not None][:_MOST]


def _name(name: dict[str, Any]) -> Name:
    given = tuple(normalised(one[:_LONGEST]) for one in _first(name.get("given")))
    return Name(normalised(name.get("family", "")[:_LONGEST]), given)


def _folded(text: str) -> str:
    return " ".join(text[:_LONGEST].casefold().split())


def _values(telecom: Iterable[dict[str, Any]], systems: tuple[str, ...]) -> Iterable[str]:
    return (one["value"] for one in telecom if one.get("value") and one.get("system") in systems)


def _phones(telecom: Iterable[dict[str, Any]]) -> Iterable[str]:
    for value in _values(telecom, ("phone", "sms")):
        digits = _NO_DIGIT.sub("", value[:_LONGEST])
        if len(digits) >= 6:
            yield digits[-_PHONE_DIGITS:]


def _lines(addresses: Iterable[dict[str, Any]]) -> Iterable[str]:
    for one in addresses:
        joined = normalised(" ".join(line for line in one.get("line") or () if line)[:_LONGEST])
        if joined:
            yield joined
