"""_contained: resources that stand within others, found by their own values.

A document with contained resources keeps the index values of each of them, in their order. Which documents
contain a resource of a type is known by an index; among these the search itself is carried out without one,
within the time that any search has. https://hl7.org/fhir/R4/search.html#contained
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from resources.operation_outcome import InvalidSearch, error

Pipeline = list[dict[str, Any]]

CONTAINED_PARAMETERS = ("_contained", "_containedType")

KEY = ":contained"
PATH = f"search.{KEY}"
"""Where a document keeps the types and index values of what is contained; no parameter has such a code."""

_CONTAINED = ("false", "true", "both")
_TYPES = ("container", "contained")


@dataclass(frozen=True, slots=True)
class Containment:
    """Whether resources that are contained are searched, only they or others too, and what then comes.

    That is the resource that they are in (`container`), or they themselves (`contained`).
    """

    searched: Literal["false", "true", "both"] = "false"
    returned: Literal["container", "contained"] = "container"


OUTSIDE = Containment()
"""Nothing contained is searched, as usual."""


def parse_containment(given: Mapping[str, Sequence[str]]) -> Containment:
    """Return what `_contained` and `_containedType` ask for; raise InvalidSearch for another value."""
    searched = given.get("_contained", ("false",))[0]
    returned = given.get("_containedType", ("container",))[0]
    if searched not in _CONTAINED:
        raise InvalidSearch(error("value", "_contained is true, false or both"))
    if returned not in _TYPES:
        raise InvalidSearch(error("value", "_containedType is container or contained"))
    return Containment(cast(Any, searched), cast(Any, returned))


def unpacked(
    resource_type: str, container_type: str, condition: dict[str, Any], wanted: Containment
) -> Pipeline:
    """Return the stages that make a document of each contained resource of a type that meets `condition`.

    It looks like that of any resource; beside it `container` is the id of the resource that it is in, and
    `part` its place there. Where the containers are wanted, each comes once, and none that is found as it is.
    """
    returns_container = wanted.returned == "container"
    first: dict[str, Any] = {f"{PATH}.type": resource_type}
    if returns_container and wanted.searched == "both" and container_type == resource_type:
        first["$nor"] = [condition or {"seq": {"$gt": 0}}]
    kept = {"seq": 1, "updated": 1, "container": "$_id", "outer": "$resource"}
    both = {"$zip": {"inputs": [f"${PATH}", "$resource.contained"]}}
    stages: Pipeline = [
        {"$match": first},
        {"$project": {**kept, "item": both}},
        {"$unwind": {"path": "$item", "includeArrayIndex": "part"}},
        {
            "$set": {
                "type": {"$arrayElemAt": ["$item.type", 0]},
                "search": {"$arrayElemAt": ["$item.search", 0]},
                "resource": {"$arrayElemAt": ["$item", 1]},
            }
        },
        {"$match": {"type": resource_type}},
        {"$set": {"_id": "$resource.id"}},
        {"$unset": ["item", "type", *([] if returns_container else ["outer"])]},
        {"$match": condition},
    ]
    return [*stages, *(_containers() if returns_container else ())]


def _containers() -> Iterable[dict[str, Any]]:
    """Yield the stages after which each container comes once, with the first of what was found in it."""
    yield {"$sort": {"seq": 1, "part": 1}}
    yield {"$group": {"_id": "$container", "first": {"$first": "$$ROOT"}}}
    yield {"$replaceRoot": {"newRoot": "$first"}}
    yield {"$set": {"resource": "$outer"}}
    yield {"$unset": "outer"}
