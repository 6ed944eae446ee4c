"""The MongoDB indexes of each resource type: one for each search parameter, a few for what is asked together.

An index on a parameter holds only the resources that have a value for it, and ends with `seq`, so that the
pages of a search come in order without sorting. The figures behind this are in
`docs/decisions/0002-storage.md`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from fhir_server.search import contained, date, modified, quantity
from fhir_server.search.asked import Field
from fhir_server.search.composite import Combination, combinations
from fhir_server.search.fields import custom_fields, defined_fields, fields
from fhir_server.search.full_text import CONTENT_PATH, TEXT_PATH
from fhir_server.search.types import KINDS
from resources.custom_parameters import once_for_each_type
from resources.definitions import structure
from resources.search_parameters import defined_parameters, indexed_parameters, search_parameters

# MongoDB has at most 64 indexes on a collection, the one on _id included:
# https://www.mongodb.com/docs/manual/reference/limits/#indexes
MOST_INDEXES = 63

# What is indexed of a type that is written with nearly everything that is done. With the 29 indexes of all
# its parameters MongoDB took 130 µs for an event, with these 60 (measured): also an index that a document is
# not in has to be asked whether it is. What is asked by other parameters is mostly asked of a time, a patient
# or a person as well, and else goes through all events in their order.
_SOME: Mapping[str, frozenset[str]] = {
    "AuditEvent": frozenset({"agent", "date", "entity", "outcome", "patient", "subtype"})
}

# What is asked of one patient, in most of what a clinical application does.
_WITH_PATIENT = ("code", "date")


@dataclass(frozen=True, slots=True)
class IndexSpecification:
    """One index: its name, its keys with their direction, and the filter on what it holds (None: all)."""

    name: str
    keys: tuple[tuple[str, int | str], ...]
    partial: dict[str, Any] | None = None


@once_for_each_type
def index_specifications(resource_type: str) -> tuple[IndexSpecification, ...]:
    """Return the indexes of the collection of `resource_type`: those for all that can be asked."""
    ready = search_parameters(resource_type)
    custom = custom_indexes(resource_type)
    return defined_indexes(resource_type) + tuple(
        specification for code in custom if code in ready for specification in custom[code]
    )


@once_for_each_type
def custom_indexes(resource_type: str) -> Mapping[str, tuple[IndexSpecification, ...]]:
    """Return the indexes of custom parameters by their codes, also of those that wait to be asked."""
    found = {kept.parameter.code: tuple(_of_field(kept)) for kept in custom_fields(resource_type)}
    indexed = indexed_parameters(resource_type)
    for combination in combinations(resource_type):
        if indexed[_code(combination.path)].is_custom:
            found[_code(combination.path)] = (_of_combination(combination),)
    return found


@cache
def defined_indexes(resource_type: str) -> tuple[IndexSpecification, ...]:
    """Return the indexes for the parameters that R4 defines, and for all resources alike."""
    specifications = [
        IndexSpecification("seq", (("seq", 1),)),
        IndexSpecification("_lastUpdated", (("updated", 1), ("seq", 1))),
        _index(_code(modified.PATH), [modified.PATH, "seq"], [modified.PATH]),
    ]
    some = _SOME.get(resource_type)
    for kept in defined_fields(resource_type):
        if some is None or kept.parameter.code in some:
            specifications += _of_field(kept)
    if some is not None:
        return (*specifications, *_with_patient(resource_type))
    specifications += [_index(_code(path), [path, "seq"], [path]) for path in (TEXT_PATH, CONTENT_PATH)]
    for combination in combinations(resource_type):
        if _code(combination.path) in defined_parameters(resource_type):
            specifications.append(_of_combination(combination))
    specifications += _with_patient(resource_type)
    if "contained" in structure(resource_type).elements:
        specifications.append(_index(contained.KEY, [f"{contained.PATH}.type", "seq"], [contained.PATH]))
    assert len(specifications) <= MOST_INDEXES  # noqa: S101 - a test goes through all types
    return tuple(specifications)


def _of_combination(combination: Combination) -> IndexSpecification:
    first = combination.parts[0]
    key = f"{combination.path}.{first.path}{KINDS[first.type].key}"
    return _index(_code(combination.path), [key, "seq"], [combination.path])


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
        if all(name in known and not known[name][0].parameter.is_custom for name in ("patient", code)):
            [patient], others = known["patient"], known[code]
            # MongoDB cannot index two arrays of a document together.
            if patient.is_bare and len(others) == 1:
                single = next(iter(_of_field(others[0])))
                keys = [patient.path, *(key for key, _ in single.keys)]
                yield _index(f"patient, {code}", keys, [patient.path, *(single.partial or ())])
