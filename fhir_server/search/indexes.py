"""The MongoDB indexes of each resource type: one for each search parameter, a few for what is asked together.

An index on a parameter holds only the resources that have a value for it, and ends with `seq`, so that the
pages of a search come in order without sorting. The figures behind this are in
`docs/decisions/0002-storage.md`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from fhir_server.search import contained, date, modified, quantity
from fhir_server.search.asked import Field
from fhir_server.search.composite import combinations
from fhir_server.search.fields import fields, kept_fields
from fhir_server.search.full_text import CONTENT_PATH, TEXT_PATH
from fhir_server.search.types import KINDS
from resources.definitions import structure

# MongoDB has at most 64 indexes on a collection, the one on _id included:
# https://www.mongodb.com/docs/manual/reference/limits/#indexes
MOST_INDEXES = 63

# What is asked of one patient, in most of what a clinical application does.
_WITH_PATIENT = ("code", "date")


@dataclass(frozen=True, slots=True)
class IndexSpecification:
    """One index: its name, its keys with their direction, and the filter on what it holds (None: all)."""

    name: str
    keys: tuple[tuple[str, int | str], ...]
    partial: dict[str, Any] | None = None


@cache
def index_specifications(resource_type: str) -> tuple[IndexSpecification, ...]:
    """Return the indexes of the collection of `resource_type`."""
    specifications = [
        IndexSpecification("seq", (("seq", 1),)),
        IndexSpecification("_lastUpdated", (("updated", 1), ("seq", 1))),
        *(_index(_code(path), [path, "seq"], [path]) for path in (TEXT_PATH, CONTENT_PATH, modified.PATH)),
    ]
    for kept in kept_fields(resource_type):
        specifications += _of_field(kept)
    for combination in combinations(resource_type):
        first = combination.parts[0]
        key = f"{combination.path}.{first.path}{KINDS[first.type].key}"
        specifications.append(_index(_code(combination.path), [key, "seq"], [combination.path]))
    specifications += _with_patient(resource_type)
    if "contained" in structure(resource_type).elements:
        specifications.append(_index(contained.KEY, [f"{contained.PATH}.type", "seq"], [contained.PATH]))
    assert len(specifications) <= MOST_INDEXES  # noqa: S101 - a test goes through all types
    return tuple(specifications)


def _code(path: str) -> str:
    return path.removeprefix("search.")


def _index(name: str, keys: Iterable[str], having: Iterable[str]) -> IndexSpecification:
    """Return an index of what has all of `having`.

    MongoDB uses it for a condition only if it sees that the condition speaks of nothing else. Of an array
    with a document for each value that has to be the array itself, which `$elemMatch` names.
    """
    partial = {path: {"$exists": True} for path in having}
    return IndexSpecification(name, tuple((key, 1) for key in keys), partial)


def _of_field(kept: Field) -> Iterable[IndexSpecification]:
    path, paths = kept.path, kept.parameter.paths

    def index(part: str, *keys: str) -> IndexSpecification:
        return _index(f"{_code(path)}{part}", keys, [keys[0] if kept.is_bare else path])

    if kept.type == "date":
        # The other end of the interval comes last, so that the index alone tells whether both bounds hold.
        yield index("", f"{path}.lo", "seq", f"{path}.hi")
        if any(date.may_be_long(element) for element in paths):
            yield index(".until", f"{path}.until", "seq", f"{path}.lo")
        return
    if kept.type == "quantity":
        # The unit comes last, so that the index alone tells a length of 5 cm from one of 5 km.
        if any(quantity.may_be_range(element) for element in paths):
            yield index(".range", f"{path}.lo", f"{path}.hi", "seq")
        if any(quantity.may_be_number(element) for element in paths):
            yield index("", f"{path}.v", "seq", f"{path}.code", f"{path}.unit")
            if any(quantity.may_be_ucum(element) for element in paths):
                keys = [f"{path}.ucum.unit", f"{path}.ucum.v", "seq"]
                # Of ranges there are few; they are looked up by their own index.
                yield _index(f"{_code(path)}.ucum", keys, [keys[1] if kept.is_bare else path])
        return
    if kept.type == "nearby":
        # https://www.mongodb.com/docs/manual/core/indexes/index-types/geospatial/2dsphere/
        yield IndexSpecification(_code(path), ((path, "2dsphere"),), {path: {"$exists": True}})
        return
    yield index("", path, "seq")


def _with_patient(resource_type: str) -> Iterable[IndexSpecification]:
    known = fields(resource_type)
    for code in _WITH_PATIENT:
        if "patient" in known and code in known:
            [patient], others = known["patient"], known[code]
            # MongoDB cannot index two arrays of a document together.
            if patient.is_bare and len(others) == 1:
                single = next(iter(_of_field(others[0])))
                keys = [patient.path, *(key for key, _ in single.keys)]
                yield _index(f"patient, {code}", keys, [patient.path, *(single.partial or ())])
