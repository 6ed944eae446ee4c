""":above and :below: resources that are parts of others, and addresses that lie below others.

https://hl7.org/fhir/R4/search.html#recursive, https://hl7.org/fhir/R4/search.html#uri
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from fhir_server.context import Context
from fhir_server.search.asked import Condition, starting_with
from fhir_server.search.lookups import Lookup
from resources.operation_outcome import TooCostly, error
from resources.search_parameters import SearchParameter, search_parameters

MOST_RESOURCES = 10_000
"""How many resources a hierarchy that is asked for has at most."""

_MOST_LEVELS = 100
# "Elements that establish a strict hierarchy": a resource is part of one other of its type.
_PART_OF = frozenset({"part-of", "partof", "parent"})


@cache
def part_of(resource_type: str) -> SearchParameter | None:
    """Return the parameter by which a resource of the type names the one that it is part of, None if none."""
    for code in _PART_OF & search_parameters(resource_type).keys():
        parameter = search_parameters(resource_type)[code]
        if parameter.type == "reference" and resource_type in parameter.targets and parameter.paths:
            return parameter
    return None


@dataclass(frozen=True, slots=True)
class Hierarchy(Lookup):
    """References to the resources `ids` of a type and to all that are above or below them."""

    resource_type: str
    ids: tuple[str, ...]
    is_below: bool
    base_url: str

    async def lookup(self, context: Context) -> list[str]:
        """Return the references, relative and absolute; raise TooCostly if there are too many."""
        found = dict.fromkeys(self.ids)
        level = list(self.ids)
        for _ in range(_MOST_LEVELS):
            step = self._parts(level, context) if self.is_below else self._wholes(level, context)
            level = [other for other in dict.fromkeys(await step) if other not in found]
            found |= dict.fromkeys(level)
            if len(found) > MOST_RESOURCES:
                break
            if not level:
                return self._references(found)
        message = f"The hierarchy that :above or :below asks for has more than {MOST_RESOURCES} resources"
        raise TooCostly(error("too-costly", message))

    def _references(self, ids: Iterable[str]) -> list[str]:
        relative = [f"{self.resource_type}/{each}" for each in ids]
        return relative + [f"{self.base_url}/{reference}" for reference in relative]

    async def _parts(self, ids: list[str], context: Context) -> list[str]:
        condition = {self._path(): {"$in": self._references(ids)}}
        found = await context.store.find(self.resource_type, condition, (), {"_id": 1}, MOST_RESOURCES + 1)
        return [document["_id"] for document in found]

    async def _wholes(self, ids: list[str], context: Context) -> list[str]:
        path = self._path()
        condition = {"_id": {"$in": ids}}
        found = await context.store.find(self.resource_type, condition, (), {path: 1}, len(ids))
        local = f"{self.resource_type}/"
        return [
            relative.removeprefix(local)
            for document in found
            for reference in _listed(document.get("search", {}).get(path.removeprefix("search.")))
            if (relative := reference.removeprefix(f"{self.base_url}/")).startswith(local)
        ]

    def _path(self) -> str:
        parameter = part_of(self.resource_type)
        assert parameter is not None  # noqa: S101 - only types that have one are asked
        return f"search.{parameter.code}"


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [] if value is None else [value]


# Each level of a URL and of a version is a value that is looked up.
_LONGEST_URL = 1_000
_MOST_PARTS = 50


def is_hierarchical(uri: str) -> bool:
    """Tell whether a uri is a URL of a usual length, which has levels; urn: and the like have none."""
    is_usual = len(uri) <= _LONGEST_URL and uri.count("/") <= _MOST_PARTS and uri.count(".") <= _MOST_PARTS
    return is_usual and "://" in uri.partition("|")[0]


def uri_tests(text: str, *, is_below: bool) -> list[Condition]:
    """Return the tests of what is at, above or below a URL, or a version of it: one of these.

    `http://acme.org/fhir` is above `http://acme.org/fhir/ValueSet/1`, and `...|1.2` above `...|1.2.3`.
    """
    url, _, version = text.partition("|")
    if version:
        if is_below:
            return [{"$in": [f"{url}|{version}"]}, starting_with(f"{url}|{version}.")]
        parts = version.split(".")
        return [{"$in": [f"{url}|{'.'.join(parts[:end])}" for end in range(1, len(parts) + 1)]}]
    if is_below:
        return [{"$in": list(dict.fromkeys([url, url.rstrip("/")]))}, starting_with(f"{url.rstrip('/')}/")]
    start = url.index("://") + 3
    ends = [found.start() for found in re.finditer("/", url) if found.start() > start]
    above = [url[:end] for end in ends] + [url[: end + 1] for end in ends]
    return [{"$in": list(dict.fromkeys([url, url.rstrip("/"), *above]))}]


def version_test(version: str, *, is_below: bool) -> Condition:
    """Return the test of a version that it is `version`, or a part of it or of which it is a part."""
    parts = version.split(".")
    if is_below:
        return {"$regex": f"^{re.escape(version)}(?:\\.|$)"}
    return {"$in": [".".join(parts[:end]) for end in range(1, len(parts) + 1)]}
