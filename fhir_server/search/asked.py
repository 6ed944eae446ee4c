"""One search parameter as a client asked for it, and what the files of the parameter types share."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from resources.fhirpath.element_paths import ElementPath
from resources.operation_outcome import InvalidSearch, error
from resources.search_parameters import SearchParameter

Condition = dict[str, Any]
"""A MongoDB filter on one field."""


@dataclass(frozen=True, slots=True)
class Asked:
    """`code:modifier=text`, against the index values in the document's field `field`.

    `base_url` is the address of this server, without a slash at the end; `now` is the present (aware, UTC).
    """

    parameter: SearchParameter
    field: str
    text: str
    base_url: str
    now: datetime
    modifier: str | None = None

    @property
    def single(self) -> bool:
        """Whether the field holds one bare value, not an array of values."""
        return stored_bare(self.parameter)

    def refusal(self, what_is_right: str) -> InvalidSearch:
        """Return the error that says what a value of this parameter looks like."""
        return InvalidSearch(error("value", f"{self.parameter.code}: {what_is_right}"))


# Types of which one element may give several index values.
_SEVERAL_VALUES = frozenset(
    {"CodeableConcept", "Coding", "Identifier", "ContactPoint", "canonical", "HumanName", "Address"}
)


@cache
def stored_bare(parameter: SearchParameter) -> bool:
    """Tell whether the values of `parameter` are stored as one bare value, without an array around it.

    That holds where a resource has one value at most: on a path to an element that does not repeat, and for
    the alternatives of a choice of types, of which only one can be there. Indexes on such fields can be
    combined, and sorted by.
    """
    if parameter.type in ("composite", "quantity") or not all(path.single for path in parameter.paths):
        return False
    if any(path.type in _SEVERAL_VALUES for path in parameter.paths):
        return False
    return len({_element(path) for path in parameter.paths}) == 1


def _element(path: ElementPath) -> tuple[str, ...]:
    """Return the keys of `path` without the type that the JSON key of a choice ends with."""
    keys = [step.key for step in path.steps]
    if keys:
        keys[-1] = keys[-1].removesuffix(path.type[0].upper() + path.type[1:])
    return tuple(keys)


def starting_with(prefix: str) -> Condition:
    """Return the condition that a string starts with `prefix`, as a range that an index can be asked for."""
    return {"$gte": prefix, "$lt": prefix + "\U0010ffff"}


def either(conditions: list[Condition]) -> Condition:
    """Return the condition that one of `conditions` holds."""
    return conditions[0] if len(conditions) == 1 else {"$or": conditions}
