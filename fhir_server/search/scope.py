"""What a question is seen from, however far it leads: the server's address, the present, and the way so far.

A search may ask other resources first, and these others again: `Scope` counts the steps, so that a search of
a few characters cannot make the server look through everything.
https://hl7.org/fhir/R4/search.html#chaining
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from fhir_server.search.asked import Condition
from resources.operation_outcome import InvalidSearch, error

DEEPEST = 8
"""From how many references on the way to the resource that is looked for a search is refused."""

MOST_QUESTIONS = 200
"""How many questions about other resources one search may consist of."""


@dataclass(slots=True)
class _Count:
    """The questions about other resources that were met while a search was read."""

    number: int = 0


@dataclass(frozen=True, slots=True)
class Scope:
    """The address of this server (without a slash at the end), the present (aware, UTC), and the depth."""

    base_url: str
    now: datetime
    depth: int = 0
    _count: _Count = field(default_factory=_Count)

    def deeper(self) -> "Scope":
        """Return the scope of a question about resources that these refer to, or that refer to these.

        Raises InvalidSearch if the search leads too far, or into too many directions.
        """
        self._count.number += 1
        if self.depth + 1 > DEEPEST:
            message = f"A chain leads over {DEEPEST} references at most"
            raise InvalidSearch(error("too-costly", message))
        if self._count.number > MOST_QUESTIONS:
            message = f"A search asks {MOST_QUESTIONS} questions about other resources at most"
            raise InvalidSearch(error("too-costly", message))
        return replace(self, depth=self.depth + 1)


Criterion = Callable[[str, str, tuple[str, ...], Scope], Condition]
"""From resource type, name of a parameter, its values and scope to the condition on documents."""
