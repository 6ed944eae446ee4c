"""What an expression sees while it is evaluated.

Source: http://hl7.org/fhirpath/N1/#functions, http://hl7.org/fhirpath/N1/#environment-variables
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from resources.fhirpath.items import Collection, Item
from resources.fhirpath.work import Work

Resolve = Callable[[str], Mapping[str, Any] | None]
"""Returns the resource that a reference or canonical names, None if it cannot be found."""

MemberOf = Callable[[Any, str], bool]
"""Tells whether a code, Coding or CodeableConcept (as JSON) is in the value set with the given URL."""


@dataclass(frozen=True, slots=True)
class Run:
    """One evaluation: what its caller provides, the moment that counts as now, and the work that is left."""

    variables: Mapping[str, Collection]
    now: datetime
    is_strict: bool = False
    resolve: Resolve | None = None
    member_of: MemberOf | None = None
    work: Work = field(default_factory=Work)


@dataclass(frozen=True, slots=True)
class Scope:
    """Where in the data an expression stands: `$this` (as a collection), `$index` and `$total`."""

    focus: Collection
    run: Run
    index: int | None = None
    total: Collection = field(default_factory=list)

    def on(self, item: Item, index: int) -> "Scope":
        """Return the scope of an argument that is evaluated for each item of a collection."""
        return Scope([item], self.run, index, self.total)


Evaluate = Callable[[Scope], Collection]
"""A compiled expression."""
