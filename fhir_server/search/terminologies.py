"""What a search asks the terminology room: the codes of value sets, and those above or below another one.

https://hl7.org/fhir/R4/search.html#token
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fhir_server.context import Context
from fhir_server.search.lookups import Lookup
from fhir_server.search.token_values import with_system
from resources.fhirpath.element_paths import ElementPath
from resources.operation_outcome import TooCostly, error
from terminology.expand import MOST_CODES, expand
from terminology.source import Facts
from terminology.subsumes import above, below

URL_PATHS = {"CodeSystem": "search.system", "ConceptMap": "search.url", "ValueSet": "search.url"}
"""Where the canonical address of each type is kept; that of a CodeSystem under the parameter `system`."""

# Versions of a value set or code system that are stored side by side.
_MOST_VERSIONS = 100


@dataclass(frozen=True, slots=True)
class StoredTerminology:
    """The code systems, value sets and concept maps among the stored resources: a `terminology.Source`."""

    context: Context

    async def by_url(self, resource_type: str, url: str) -> Sequence[Facts]:
        """Return the resources of the canonical address `url`."""
        condition = {URL_PATHS[resource_type]: url}
        found = await self.context.store.find(
            resource_type, condition, (("seq", -1),), {"resource": 1}, _MOST_VERSIONS
        )
        return [document["resource"] for document in found]

    async def by_id(self, resource_type: str, resource_id: str) -> Facts | None:
        """Return the resource with the logical id, None if there is none or it is deleted."""
        version = await self.context.store.read(resource_type, resource_id)
        return None if version is None else version.resource


@dataclass(frozen=True, slots=True)
class CodesOfValueSets(Lookup):
    """The index values at `paths` of all codes in one of `value_sets`."""

    value_sets: tuple[str, ...]
    paths: tuple[ElementPath, ...]

    async def lookup(self, context: Context) -> list[str]:
        """Return the index values; raises as `terminology.expand` does."""
        source = StoredTerminology(context)
        codes: dict[tuple[str, str], None] = {}
        for value_set in self.value_sets:
            codes |= dict.fromkeys(await expand(value_set, source))
        return _index_values(codes, self.paths)


@dataclass(frozen=True, slots=True)
class RelatedCodes(Lookup):
    """The index values at `paths` of codes, (system, code) pairs, and of what is above or below them."""

    codes: tuple[tuple[str, str], ...]
    direction: Literal["above", "below"]
    paths: tuple[ElementPath, ...]

    async def lookup(self, context: Context) -> list[str]:
        """Return the index values; raises as `terminology.subsumes` does."""
        source = StoredTerminology(context)
        relation = below if self.direction == "below" else above
        found: dict[tuple[str, str], None] = {}
        for system, code in self.codes:
            found |= {(system, each): None for each in sorted(await relation(system, code, source))}
        return _index_values(found, self.paths)


def _index_values(codes: dict[tuple[str, str], None], paths: tuple[ElementPath, ...]) -> list[str]:
    if len(codes) > MOST_CODES:
        raise TooCostly(error("too-costly", f"A search looks for {MOST_CODES} codes at most"))
    return list(dict.fromkeys(value for system, code in codes for value in with_system(paths, system, code)))
