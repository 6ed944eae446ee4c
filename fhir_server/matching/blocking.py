"""Which patients are worth comparing: a few searches by indexes that together find most duplicates.

Each tolerates an error that another does not: in the birth date, in the family name, in both if a number or
an address is there. The blocks are kept small by two properties each.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from fhir_server.matching.demographics import Demographics, Name
from fhir_server.search.escaping import escape

Pairs = tuple[tuple[str, str], ...]
"""Names and values of search parameters of Patient, all of which hold."""

MOST_BLOCKS = 40

_FAMILY_LETTERS = 4
_GIVEN_LETTERS = 3
_MOST_NAMES = 3


def blocks(patient: dict[str, Any], known: Demographics) -> list[Pairs]:
    """Return the searches whose results are compared with `patient`; [] if too little is known to look."""
    found = dict.fromkeys(
        [
            *_of_identifiers(patient),
            *_of_contacts(patient),
            *_of_birth_date(known.birth_date),
            *(pairs for name in known.names[:_MOST_NAMES] for pairs in _of_name(name, known)),
        ]
    )
    return list(found)[:MOST_BLOCKS]


def blocks_of_namesakes(known: Demographics) -> list[Pairs]:
    """Return the searches that find whoever has the same family name and birth date, and some others."""
    families = dict.fromkeys(name.family[:_FAMILY_LETTERS] for name in known.names[:_MOST_NAMES])
    return [(*_strings(family=one), ("birthdate", known.birth_date)) for one in families if one]


def _of_identifiers(patient: dict[str, Any]) -> Iterator[Pairs]:
    for one in patient.get("identifier") or ():
        if one.get("system") and one.get("value"):
            yield (("identifier", f"{escape(one['system'])}|{escape(one['value'])}"),)


def _of_contacts(patient: dict[str, Any]) -> Iterator[Pairs]:
    for one in patient.get("telecom") or ():
        if one.get("value") and one.get("system") in ("phone", "email"):
            yield ((one["system"], escape(one["value"])),)


def _of_birth_date(birth_date: str) -> Iterator[Pairs]:
    parts = birth_date.split("-")
    if len(parts) == 3:
        yield (("birthdate", birth_date),)
        year, month, day = parts
        if day != month and int(day) <= 12:
            yield (("birthdate", f"{year}-{day}-{month}"),)


def _of_name(name: Name, known: Demographics) -> Iterator[Pairs]:
    family, given = name.family[:_FAMILY_LETTERS], name.given[0][:_GIVEN_LETTERS] if name.given else ""
    year = known.birth_date[:4]
    if family and given:
        yield _strings(family=name.family, given=name.given[0])
        yield _strings(family=name.given[0], given=name.family)
    if family and year:
        yield (*_strings(family=family), ("birthdate", year))
    if given and year:
        yield (*_strings(given=name.given[0]), ("birthdate", year))
    for postal_code in sorted(known.postal_codes)[:1]:
        if family:
            yield (*_strings(family=family), *_strings(**{"address-postalcode": postal_code}))


def _strings(**values: str) -> Pairs:
    return tuple((name, escape(value)) for name, value in values.items())


def needed() -> Iterable[str]:
    """Return, in words, what a patient must have one of to be looked for."""
    return (
        "an identifier with its system",
        "a phone number or e-mail address",
        "a birth date to the day",
        "a name with the birth year",
        "a family and a given name",
        "a family name with a postal code",
    )
