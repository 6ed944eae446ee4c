"""The encounter that an application is to be about: looked for among those of a patient, and shown to choose.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#standalone-apps
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fhir_server.search.parameters import Pairs, parse_search
from fhir_server.search.plan import pipeline
from fhir_server.store import Store
from resources.references import is_id

MOST_SHOWN = 20

# https://hl7.org/fhir/R4/valueset-encounter-status.html without those that did not happen
_STATUSES = "planned,arrived,triaged,in-progress,onleave,finished,unknown"
_MINUTES = len("2024-03-01T09:30")


@dataclass(frozen=True, slots=True)
class FoundEncounter:
    """An encounter as a line of the page on which one is chosen; `begins` and `ends` are for people."""

    id: str
    title: str
    begins: str
    ends: str
    status: str


async def find_encounters(store: Store, patient_id: str, fhir_base: str) -> list[FoundEncounter]:
    """Return the newest encounters of a patient, at most MOST_SHOWN, the newest first."""
    return await _find(store, patient_id, fhir_base, (("status", _STATUSES), ("_sort", "-date")), MOST_SHOWN)


async def encounter_of(
    store: Store, encounter_id: str, patient_id: str, fhir_base: str
) -> FoundEncounter | None:
    """Return the encounter of that id, None if there is none, or if it is another patient's."""
    if not is_id(encounter_id):
        return None
    found = await _find(store, patient_id, fhir_base, (("_id", encounter_id),), 1)
    return found[0] if found else None


async def _find(
    store: Store, patient_id: str, fhir_base: str, pairs: Pairs, limit: int
) -> list[FoundEncounter]:
    asked = (("patient", f"Patient/{patient_id}"), *pairs)
    query = parse_search("Encounter", asked, lenient=False, base_url=fhir_base)
    stages = pipeline(query, None, limit, backwards=False)
    return [_found(document["resource"]) for document in await store.aggregate("Encounter", stages)]


def _found(encounter: Mapping[str, Any]) -> FoundEncounter:
    period = encounter.get("period") or {}
    return FoundEncounter(
        encounter["id"],
        _title(encounter),
        _moment(period.get("start", "")),
        _moment(period.get("end", "")),
        encounter.get("status", ""),
    )


def _title(encounter: Mapping[str, Any]) -> str:
    types = encounter.get("type") or ()
    codings = [*_codings(types), encounter.get("class") or {}]
    texts = [*(one.get("text") for one in types), *(one.get("display") for one in codings)]
    return next((text for text in texts if text), "Visit")


def _codings(concepts: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    return (coding for concept in concepts for coding in concept.get("coding") or ())


def _moment(text: str) -> str:
    return text[:_MINUTES].replace("T", " ")
