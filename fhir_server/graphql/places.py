"""Where an object of an answer stands, on which depends what its references mean.

https://hl7.org/fhir/R4/references.html#contained
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fhir_server.graphql.limits import DEEPEST, too_large

Resource = Mapping[str, Any]


@dataclass(frozen=True, repr=False, slots=True)
class Place:
    """The resource that an object is in, and the one that holds what this one calls contained.

    `is_stored` tells whether the resource has an address of its own; `depth` counts the fields on the way.
    """

    resource: Resource
    container: Resource
    is_stored: bool
    depth: int = 0

    @property
    def address(self) -> str:
        """The reference to the resource, if it is stored."""
        return f"{self.resource['resourceType']}/{self.resource['id']}"

    def inside(self) -> "Place":
        """Return the place of an element in this one."""
        return replace(self, depth=_deeper(self.depth))

    def of_resource(self, resource: Resource, *, is_contained: bool) -> "Place":
        """Return the place of a resource that is part of this one: contained, or as the entry of a Bundle."""
        container = self.container if is_contained else resource
        return Place(resource, container, is_stored=False, depth=_deeper(self.depth))


def stored(resource: Resource, depth: int = 0) -> Place:
    """Return the place of a resource that has an address; raise InvalidContent if it is too deep down."""
    return Place(resource, resource, is_stored=True, depth=_deeper(depth))


def _deeper(depth: int) -> int:
    if depth >= DEEPEST:
        raise too_large(f"its fields are nested more than {DEEPEST} deep")
    return depth + 1
