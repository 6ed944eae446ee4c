"""Questions about other resources, asked of the store before the search itself.

The answer of each is a list of index values that takes its place in the filter. It is bounded: a question to
which more resources are an answer is refused, with advice. https://hl7.org/fhir/R4/search.html#chaining
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from fhir_server.context import Context
from fhir_server.search.asked import Condition
from fhir_server.search.lookups import Lookup, looked_up
from resources.operation_outcome import TooCostly, error
from resources.references import parse_reference

MOST_RELATED = 10_000
"""How many other resources may stand behind one question."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where references stand: the path of an index value, and whether they are canonicals (`by_url`)."""

    path: str
    by_url: bool = False


@dataclass(frozen=True, slots=True)
class Targets(Lookup):
    """The index values of references to the resources of one type that meet `condition`.

    `question` is the text that says which; questions of the same text have the same answer.
    """

    resource_type: str
    question: tuple[str, ...]
    base_url: str
    by_url: bool
    condition: Condition = field(compare=False)

    async def lookup(self, context: Context) -> list[str]:
        """Return the references, relative and as addresses of this server; or the canonical URLs."""
        filter_ = await looked_up(self.condition, context)
        if self.by_url:
            urls = await context.store.distinct(self.resource_type, filter_, "search.url", MOST_RELATED + 1)
            return list(_bounded(urls, self.resource_type, self.question))
        ids = await context.store.matching_ids(self.resource_type, filter_, MOST_RELATED + 1)
        relative = [
            f"{self.resource_type}/{found}" for found in _bounded(ids, self.resource_type, self.question)
        ]
        return relative + [f"{self.base_url}/{reference}" for reference in relative]


@dataclass(frozen=True, slots=True)
class Referred(Lookup):
    """The ids (or canonical URLs) of what those resources of another type refer to that meet `condition`.

    `target` is the type of what is referred to, `place` where in `resource_type` the references stand.
    """

    resource_type: str
    place: Place
    target: str
    question: tuple[str, ...]
    base_url: str
    condition: Condition = field(compare=False)

    async def lookup(self, context: Context) -> list[str]:
        """Return the ids of the resources of this server that are referred to, or the URLs."""
        filter_ = await looked_up(self.condition, context)
        found = await context.store.distinct(self.resource_type, filter_, self.place.path, MOST_RELATED + 1)
        references = _bounded(found, self.resource_type, self.question)
        if self.place.by_url:
            return list(references)
        return [local for reference in references if (local := self._id(reference)) is not None]

    def _id(self, reference: str) -> str | None:
        parsed = parse_reference(reference.removeprefix(f"{self.base_url}/"))
        if parsed is None or parsed.base or parsed.resource_type != self.target:
            return None
        return parsed.id


def _bounded(found: list[str], resource_type: str, question: tuple[str, ...]) -> Iterable[str]:
    if len(found) > MOST_RELATED:
        message = (
            f"{question[0]}: more than {MOST_RELATED} {resource_type} would have to be looked at;"
            " ask for fewer, for example by an identifier or a date"
        )
        raise TooCostly(error("too-costly", message))
    return found
