"""How much one query may ask for. Each bound is checked before or while the work is done, never after it.

https://hl7.org/fhir/R4/graphql.html#searching: "Servers may reject the request if there are too many matches"
"""

from dataclasses import dataclass

from resources.operation_outcome import InvalidContent, TooCostly, error

LONGEST_QUERY = 100_000
"""Characters of a query document."""

MOST_TOKENS = 5_000
"""Words and signs of a query document; the longest example of the specification has 60."""

MOST_DEFINITIONS = 100
"""Operations and fragments in one document."""

MOST_FIELDS = 2_000
"""Fields of an operation, those of a fragment counted each time that it is spread."""

DEEPEST = 20
"""Fields within fields."""

MOST_VALUES = 100_000
"""Elements, values and objects in an answer, flattened or not; about a second's work."""

MOST_INTROSPECTED = 50_000
"""The same for what the schema tells of itself: enough for the largest type with all arguments."""

MOST_RESOURCES = 5_000
"""Resources that a query brings together by references."""

MOST_SEARCHES = 200
"""Searches that a query makes, those for each of the resources in a list included."""

LONGEST_SECONDS = 30
"""After this time a query is given up."""


@dataclass(slots=True)
class Work:
    """What a query has left of the things that only its execution shows."""

    values: int = MOST_VALUES
    introspected: int = MOST_INTROSPECTED
    resources: int = MOST_RESOURCES
    searches: int = MOST_SEARCHES

    def spend_values(self, number: int) -> None:
        """Count elements of the answer; raise TooCostly when there are too many."""
        self.values -= number
        if self.values < 0:
            raise _too_costly(f"the answer would have more than {MOST_VALUES:,} values")

    def spend_introspected(self, number: int) -> None:
        """Count values of introspection; raise TooCostly when there are too many."""
        self.introspected -= number
        if self.introspected < 0:
            reason = f"the schema's own answer would have more than {MOST_INTROSPECTED:,} values"
            raise _too_costly(f"{reason}; __type(name: ...) tells of one type")

    def spend_resources(self, number: int) -> None:
        """Count resources that references are to be resolved to; raise TooCostly when there are too many."""
        self.resources -= number
        if self.resources < 0:
            raise _too_costly(f"it resolves more than {MOST_RESOURCES:,} references")

    def spend_searches(self, number: int) -> None:
        """Count searches; raise TooCostly when there are too many."""
        self.searches -= number
        if self.searches < 0:
            raise _too_costly(f"it makes more than {MOST_SEARCHES:,} searches")


def _too_costly(reason: str) -> TooCostly:
    return TooCostly(error("too-costly", f"The query asks for too much: {reason}"))


def too_large(reason: str) -> InvalidContent:
    """Return the error for a query that is refused as it stands."""
    return InvalidContent(error("too-costly", f"The query is too large: {reason}"))
