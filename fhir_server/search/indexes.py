"""The MongoDB indexes of each resource type: one for each search parameter, a few for what is asked together.

An index on a parameter holds only the resources that have a value for it, and ends with `seq`, so that the
pages of a search come in order without sorting. The figures behind this are in
`docs/decisions/0002-storage.md`.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

from fhir_server.search.asked import stored_bare
from fhir_server.search.composite import LETTERS
from fhir_server.search.extraction import stored_parameters
from fhir_server.search.types import KINDS
from resources.search_parameters import SearchParameter, search_parameters

# MongoDB has at most 64 indexes on a collection, the one on _id included:
# https://www.mongodb.com/docs/manual/reference/limits/#indexes
MOST_INDEXES = 63

# What is asked of one patient, by type: the questions that make up most of what a clinical application does.
_WITH_PATIENT = {
    "Condition": ("code",),
    "DiagnosticReport": ("date",),
    "Encounter": ("date",),
    "MedicationRequest": ("status",),
    "Observation": ("code", "date"),
    "Procedure": ("date",),
}


@dataclass(frozen=True, slots=True)
class IndexSpecification:
    """One index: its name, its keys with their direction, and the filter on what it holds (None: all)."""

    name: str
    keys: tuple[tuple[str, int], ...]
    partial: dict[str, Any] | None = None


@cache
def index_specifications(resource_type: str) -> tuple[IndexSpecification, ...]:
    """Return the indexes of the collection of `resource_type`."""
    specifications = [
        IndexSpecification("seq", (("seq", 1),)),
        IndexSpecification("_lastUpdated", (("updated", 1), ("seq", 1))),
        *(_of_parameter(parameter) for parameter in stored_parameters(resource_type)),
        *_of_patient(resource_type),
    ]
    assert len(specifications) <= MOST_INDEXES  # noqa: S101 - a test goes through all types
    return tuple(specifications)


def _of_parameter(parameter: SearchParameter) -> IndexSpecification:
    field = f"search.{parameter.code}"
    kind = parameter.type
    if parameter.components:
        kind = parameter.components[0].type
        field = f"{field}.{LETTERS[0]}"
    return IndexSpecification(parameter.code, _keys(field, kind), {_first(field, kind): {"$exists": True}})


def _keys(field: str, kind: str) -> tuple[tuple[str, int], ...]:
    names = [key if key == "seq" else field + key for key in KINDS[kind].keys]
    return tuple((name, 1) for name in (names if "seq" in names else [*names, "seq"]))


def _first(field: str, kind: str) -> str:
    return field + KINDS[kind].keys[0]


def _of_patient(resource_type: str) -> list[IndexSpecification]:
    found = []
    parameters = search_parameters(resource_type)
    for code in _WITH_PATIENT.get(resource_type, ()):
        patient, other = parameters["patient"], parameters[code]
        # MongoDB cannot index two arrays of a document together.
        assert stored_bare(patient)  # noqa: S101 - a test goes through all types
        field = f"search.{other.code}"
        keys = (("search.patient", 1), *_keys(field, other.type))
        partial = {"search.patient": {"$exists": True}, _first(field, other.type): {"$exists": True}}
        found.append(IndexSpecification(f"patient, {code}", keys, partial))
    return found
