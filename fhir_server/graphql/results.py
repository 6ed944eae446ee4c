"""What a query has found so far: a tree with the shape of the data, before directives re-arrange it.

https://hl7.org/fhir/R4/graphql.html#flattening
"""

from dataclasses import dataclass, field
from typing import Any

from fhir_server.graphql.selection import Pick


@dataclass(eq=False, repr=False, slots=True)
class Found:
    """The values of one field of an object: leaves, or objects of which fields were selected.

    `suffixes` has what `@slice` appends to the name for each value. `is_list` tells whether there may be
    several. A search `is_shown` even if it found nothing, an element is not.
    """

    pick: Pick
    is_list: bool
    values: list[Any] = field(default_factory=list)
    suffixes: list[str] = field(default_factory=list)
    is_shown: bool = False

    def add(self, value: Any, suffix: str = "") -> None:
        """Add one value."""
        self.values.append(value)
        self.suffixes.append(suffix)


@dataclass(eq=False, repr=False, slots=True)
class Chosen:
    """An object with the fields that were selected of it, in order."""

    fields: list[Found] = field(default_factory=list)
