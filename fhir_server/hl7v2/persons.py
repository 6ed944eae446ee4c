"""Whether the number of a message and the person of a message go together. Pure.

A number that hits somebody else's record would put a result into it: the wrong-patient guard.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from fhir_server.workflows.registration.identity import is_temporary
from hl7.errors import UNKNOWN_KEY, HL7Error, Location

Resource = Mapping[str, Any]
_TOLD = ("male", "female")


def guard(stored: Resource, said: Resource, *, is_record: bool) -> None:
    """Raise HL7Error (204) if the person of a message is certainly not the one who has its number.

    The sender who keeps the record (`is_record`) may correct one or two of name, birth date and sex, though
    not all at once.
    """
    if is_temporary(stored):
        return
    born = _differs(stored.get("birthDate"), said.get("birthDate"))
    sex = stored.get("gender") in _TOLD and said.get("gender") in _TOLD and stored["gender"] != said["gender"]
    family, given = _names_differ(stored, said)
    has_other_name = family and given
    if (born and has_other_name) if is_record else (born or sex or has_other_name):
        text = "the number is of a person with another birth date, sex or name"
        raise HL7Error(text, code=UNKNOWN_KEY, location=Location("PID", 1, 3))


def fits(stored: Resource, said: Resource) -> bool:
    """Tell whether all that is said of a person is so on record: names, birth date, sex, and numbers.

    A number of somebody who gave the person one too has to be that one; of others nothing is known here.
    """
    if not stored.get("birthDate") or _differs(stored["birthDate"], said.get("birthDate")):
        return False
    if said.get("gender") in _TOLD and stored.get("gender") in _TOLD and stored["gender"] != said["gender"]:
        return False
    names = [{_plain(one.get("family", "")) for one in each.get("name") or ()} for each in (stored, said)]
    wanted = next(iter(_givens(said)), "")
    if not names[0] & names[1] - {""} or (wanted and wanted not in _givens(stored)):
        return False
    return not _has_other_number(stored, said)


def _has_other_number(stored: Resource, said: Resource) -> bool:
    known: dict[str, set[str]] = {}
    for one in stored.get("identifier") or ():
        known.setdefault(one.get("system", ""), set()).add(one.get("value", ""))
    told: dict[str, set[str]] = {}
    for one in said.get("identifier") or ():
        told.setdefault(one["system"], set()).add(one["value"])
    return any(system in known and not values & known[system] for system, values in told.items())


def _differs(known: Any, told: Any) -> bool:
    """Tell whether two dates cannot be the same, as precise as both are."""
    if not known or not told:
        return False
    length = min(len(known), len(told))
    return bool(known[:length] != told[:length])


def _names_differ(stored: Resource, said: Resource) -> tuple[bool, bool]:
    families = [
        {_plain(one.get("family", "")) for one in each.get("name") or ()} - {""} for each in (stored, said)
    ]
    givens = [set(_givens(each)) for each in (stored, said)]
    return all(families) and not families[0] & families[1], all(givens) and not givens[0] & givens[1]


def _givens(patient: Resource) -> Iterable[str]:
    for name in patient.get("name") or ():
        for given in name.get("given") or ():
            if plain := _plain(given):
                yield plain


def _plain(text: str) -> str:
    """Return a name without accents, case, and signs within it."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(one for one in decomposed.casefold() if one.isalnum())
