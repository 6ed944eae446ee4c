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
    if is_record:
        is_other = born and family and given
    else:
        is_other = born or sex or (family and given)
    if is_other:
        text = "the number is of a person with another birth date, sex or name"
        raise HL7Error(text, code=UNKNOWN_KEY, location=Location("PID", 1, 3))


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
