"""What becomes of the custom parameters when SearchParameter resources are stored, changed or deleted.

An active one is a parameter from then on: its values are kept with every write, and once all that was there
before is indexed too, it can be asked. https://hl7.org/fhir/R4/searchparameter.html
"""

from collections.abc import Iterable, Mapping
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import Any

from fhir_server.search.indexes import MOST_INDEXES, custom_indexes, defined_indexes
from resources.custom_definitions import defined_parameter
from resources.custom_parameters import CustomParameter, CustomParameters, using
from resources.operation_outcome import UnprocessableContent, error

# One is for the references that are kept where the settings ask for integrity.
_MOST_INDEXES = MOST_INDEXES - 1


@dataclass(frozen=True, slots=True)
class Registration:
    """A change of the custom parameters: what there is `after` it.

    `removed` are the type and code of each parameter that is there no longer, or as another one; `was_asked`
    tells whether one of these could be asked.
    """

    after: CustomParameters
    removed: frozenset[tuple[str, str]]
    was_asked: bool


def registration(
    before: CustomParameters, changes: Iterable[tuple[str, Mapping[str, Any] | None]]
) -> Registration | None:
    """Return what changes with SearchParameters, given by id (None: deleted); None if nothing does.

    Raises UnprocessableContent with the reasons why one of them cannot be served.
    """
    revision = before.revision + 1
    listed = list(changes)
    active = [(id_, resource) for id_, resource in listed if resource and resource["status"] == "active"]
    known = {one.id: one for one in before.parameters}
    current = {id_: one for id_, one in known.items() if id_ not in dict(listed)}
    for id_, resource in active:
        others = replace(before, parameters=tuple(current.values()))
        found = defined_parameter(resource, id_, others)
        if found is not None:
            current[id_] = _as_before(found, known.get(id_)) or replace(found, since=revision)
    if current == known:
        return None
    begun = {name: revision for one in current.values() if one.since == revision for name in one.types}
    stamps = {**before.stamps, **begun}
    after = CustomParameters(revision, tuple(sorted(current.values(), key=lambda one: one.id)), stamps)
    _check_number_of_indexes(after, begun)
    gone = [one for id_, one in known.items() if current.get(id_) != one]
    removed = {(name, one.facts["code"]) for one in gone for name in one.types}
    return Registration(after, frozenset(removed), any(one.ready for one in gone))


def _as_before(found: CustomParameter, before: CustomParameter | None) -> CustomParameter | None:
    """Return `before` if it means the same: a new title is no reason to index anything again."""
    if before is None or (before.definition, before.types) != (found.definition, found.types):
        return None
    return before


def _check_number_of_indexes(after: CustomParameters, resource_types: Iterable[str]) -> None:
    """Raise UnprocessableContent if MongoDB could not have so many indexes on one collection."""
    numbers = copy_context().run(_numbers, after, resource_types)
    for resource_type, (defined, custom) in numbers.items():
        if defined + custom > _MOST_INDEXES:
            message = (
                f"The custom parameters of {resource_type} would need {custom} indexes,"
                f" and there is room for {_MOST_INDEXES - defined}; retire others first"
            )
            raise UnprocessableContent(error("too-costly", message, "SearchParameter.base"))


def _numbers(after: CustomParameters, resource_types: Iterable[str]) -> dict[str, tuple[int, int]]:
    using(after)
    return {
        name: (len(defined_indexes(name)), sum(map(len, custom_indexes(name).values())))
        for name in resource_types
    }


def made_ready(before: CustomParameters, resource_type: str, stamp: int) -> CustomParameters:
    """Return the parameters after all resources of a type were indexed as of the revision `stamp`."""
    parameters = tuple(
        replace(one, ready=one.ready | {resource_type})
        if resource_type in one.types and one.since <= stamp
        else one
        for one in before.parameters
    )
    if parameters == before.parameters:
        return before
    return replace(before, revision=before.revision + 1, parameters=parameters)


def waiting_types(parameters: CustomParameters) -> frozenset[str]:
    """Return the resource types that have a parameter which cannot be asked yet."""
    return frozenset(name for one in parameters.parameters for name in one.types - one.ready)
