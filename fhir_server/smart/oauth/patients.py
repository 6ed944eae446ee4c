"""The patient whom an application that starts by itself is to be about: looked for, and shown to choose.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#standalone-apps
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fhir_server.search.parameters import parse_search
from fhir_server.store import Store
from resources.operation_outcome import InvalidSearch

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_WITH_DIGIT = re.compile(r".*\d.*")
_TO_ESCAPE = re.compile(r"[\\,$|]")
MOST_FOUND = 20

_LONGEST_TEXT = 100
_MOST_WORDS = 6


@dataclass(frozen=True, slots=True)
class FoundPatient:
    """A patient as a line of the page on which one is chosen."""

    id: str
    name: str
    birth_date: str
    gender: str
    identifier: str


async def find_patients(store: Store, text: str, limit: int) -> list[FoundPatient]:
    """Return up to `limit` patients for whom each word of `text` holds, in no particular order.

    A word is a birth date such as 1970-01-31, an identifier if it has a digit, or the beginning of a name.
    Nothing is found for a text without a word, or one that cannot be looked for.
    """
    words = text[:_LONGEST_TEXT].split()[:_MOST_WORDS]
    if not words:
        return []
    try:
        query = parse_search("Patient", tuple(map(_criterion, words)), lenient=False, base_url="")
    except InvalidSearch:
        return []
    found = await store.find("Patient", query.filter, (), {"resource": 1}, limit)
    return [_found(document["resource"]) for document in found]


async def patient_called(store: Store, patient_id: str) -> FoundPatient | None:
    """Return the patient of that id, None if there is none."""
    version = await store.read("Patient", patient_id)
    return None if version is None or version.resource is None else _found(version.resource)


def _criterion(word: str) -> tuple[str, str]:
    if _DATE.fullmatch(word):
        return "birthdate", word
    escaped = _TO_ESCAPE.sub(r"\\\g<0>", word)
    return ("identifier", escaped) if _WITH_DIGIT.fullmatch(word) else ("name", escaped)


def _found(patient: Mapping[str, Any]) -> FoundPatient:
    identifiers = [one["value"] for one in patient.get("identifier") or () if one.get("value")]
    return FoundPatient(
        patient["id"],
        _name(patient),
        patient.get("birthDate", ""),
        "" if patient.get("gender") == "unknown" else patient.get("gender", ""),
        identifiers[0] if identifiers else "",
    )


def _name(patient: Mapping[str, Any]) -> str:
    names = patient.get("name") or [{}]
    name = next((one for one in names if one.get("use") == "official"), names[0])
    parts = [*(name.get("given") or ()), name.get("family")]
    return name.get("text") or " ".join(part for part in parts if part) or "(no name)"
