"""Questions about other resources, asked of the store before the search itself.

The answer of each is a list of index values that takes its place in the filter. It is bounded: a question to
which more resources are an answer is refused, with advice. https://hl7.org/fhir/R4/search.html#chaining
"""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from fhir_server.context import Context
from fhir_server.search.asked import Condition, both
from fhir_server.search.fields import fields
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


class Related(Lookup):
    """A question about other resources, which may be asked in three ways: as cheap as its answer allows.

    `condition` is what these others have to meet.
    """

    condition: Condition

    @abstractmethod
    async def few(self, context: Context, limit: int) -> list[str] | None:
        """Return the answer if no more than `limit` resources are behind it, else None."""

    @abstractmethod
    async def among(self, context: Context, values: Sequence[str]) -> list[str]:
        """Return the part of the answer that is among `values`."""


@dataclass(frozen=True, slots=True)
class Targets(Related):
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
        found = await self.few(context, MOST_RELATED)
        if found is None:
            raise _too_many(self.question[0], self.resource_type)
        return found

    async def few(self, context: Context, limit: int) -> list[str] | None:
        """Return the references or URLs if there are no more than `limit`, else None."""
        return await self._found(await looked_up(self.condition, context), context, limit)

    async def among(self, context: Context, values: Sequence[str]) -> list[str]:
        """Return the references or URLs of `values`, which are some of this kind, that lead to an answer."""
        condition = await looked_up(self.condition, context)
        if self.by_url:
            given: Condition = {url_path(self.resource_type): {"$in": list(values)}}
        else:
            given = {"_id": {"$in": _ids(values, self.resource_type, self.base_url)}}
        return await self._found(both([given, condition]), context, len(values)) or []

    async def _found(self, condition: Condition, context: Context, limit: int) -> list[str] | None:
        name = self.resource_type
        if self.by_url:
            urls = await context.store.distinct(name, condition, url_path(name), limit + 1)
            return None if len(urls) > limit else urls
        ids = await context.store.matching_ids(name, condition, limit + 1)
        return None if len(ids) > limit else _references(ids, name, self.base_url)


@dataclass(frozen=True, slots=True)
class Referred(Related):
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
        condition = await looked_up(self.condition, context)
        name, path = self.resource_type, self.place.path
        starts = () if self.place.by_url else _references([""], self.target, self.base_url)
        found = await context.store.distinct(name, condition, path, MOST_RELATED + 1, starts)
        if len(found) > MOST_RELATED:
            raise _too_many(self.question[0], self.target)
        return self._of(found)

    async def few(self, context: Context, limit: int) -> list[str] | None:
        """Return the ids or URLs if no more than `limit` resources refer to them, else None."""
        condition = await looked_up(self.condition, context)
        path = self.place.path
        documents = await context.store.find(self.resource_type, condition, (), {path: 1}, limit + 1)
        return None if len(documents) > limit else self._of(values_at(documents, path))

    async def among(self, context: Context, values: Sequence[str]) -> list[str]:
        """Return those of `values`, ids or URLs, that a resource refers to."""
        condition = await looked_up(self.condition, context)
        known = list(values) if self.place.by_url else _references(values, self.target, self.base_url)
        given = {self.place.path: {"$in": known}}
        name, path = self.resource_type, self.place.path
        found = await context.store.distinct(name, both([given, condition]), path, MOST_RELATED)
        wanted = set(values)
        return [value for value in self._of(found) if value in wanted]

    def _of(self, references: Iterable[str]) -> list[str]:
        if self.place.by_url:
            return list(references)
        return _ids(references, self.target, self.base_url)


def url_path(resource_type: str) -> str:
    """Return the path of the index value that is the canonical URL of a resource, for a type that has one."""
    [field] = fields(resource_type)["url"]
    return field.path


def _references(ids: Iterable[str], resource_type: str, base_url: str) -> list[str]:
    """Return references to resources of this server in the two forms in which they may be written."""
    relative = [f"{resource_type}/{found}" for found in ids]
    return relative + [f"{base_url}/{reference}" for reference in relative]


def _ids(references: Iterable[str], resource_type: str, base_url: str) -> list[str]:
    """Return the ids in those of `references` that are to resources of one type on this server."""
    found: dict[str, None] = {}
    for reference in references:
        parsed = parse_reference(reference.removeprefix(f"{base_url}/"))
        if parsed is not None and not parsed.base and parsed.resource_type == resource_type:
            found[parsed.id] = None
    return list(found)


def values_at(documents: Iterable[dict[str, Any]], path: str) -> list[str]:
    """Return the index values at `path` of documents, each once."""
    found: dict[str, None] = {}
    for document in documents:
        value: Any = document
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        found |= dict.fromkeys(value if isinstance(value, list) else [] if value is None else [value])
    return list(found)


def _too_many(name: str, resource_type: str) -> TooCostly:
    message = (
        f"{name}: more than {MOST_RELATED} {resource_type} would have to be looked at;"
        " ask for fewer, for example by an identifier, a patient or a date"
    )
    return TooCostly(error("too-costly", message))
