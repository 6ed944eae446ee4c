"""Where code systems, value sets and concept maps come from: the specification, and what a hospital stored.

What is stored comes before what the specification has under the same address.

https://hl7.org/fhir/R4/terminology-module.html, https://hl7.org/fhir/R4/references.html#canonical
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from resources.definitions import concept_maps, value_sets

Facts = Mapping[str, Any]
"""A terminology resource as FHIR JSON."""

_DIGITS = re.compile(r"(\d{1,18})")


class Source(Protocol):
    """The terminology resources that a server has stored itself."""

    async def by_url(self, resource_type: str, url: str) -> Sequence[Facts]:
        """Return the resources of the canonical address `url`, of any version."""

    async def by_id(self, resource_type: str, resource_id: str) -> Facts | None:
        """Return the resource with the logical id `resource_id`, None if there is none."""


class NothingStored:
    """The source of a place that has nothing but the specification."""

    async def by_url(self, resource_type: str, url: str) -> Sequence[Facts]:
        """Return nothing."""
        del resource_type, url
        return ()

    async def by_id(self, resource_type: str, resource_id: str) -> Facts | None:
        """Return nothing."""
        del resource_type, resource_id
        return None


async def stored(resource_type: str, canonical: str, source: Source) -> Facts | None:
    """Return the stored resource that `canonical` (`url` or `url|version`) means, None if there is none.

    Without a version that is the newest of those that are in use.
    """
    url, _, version = canonical.partition("|")
    found = [
        facts
        for facts in await source.by_url(resource_type, url)
        if not version or facts.get("version") == version
    ]
    return max(found, key=_currency, default=None)


async def value_set(reference: str, source: Source) -> Facts | None:
    """Return the value set that `reference`, a canonical or `ValueSet/id`, means, None if there is none."""
    if reference.startswith("ValueSet/"):
        return await source.by_id("ValueSet", reference.removeprefix("ValueSet/"))
    found = await stored("ValueSet", reference, source)
    return found or _of_specification(reference, value_sets())


async def concept_map(canonical: str, source: Source) -> Facts | None:
    """Return the concept map that `canonical` means, None if there is none."""
    found = await stored("ConceptMap", canonical, source)
    return found or _of_specification(canonical, {facts["url"]: facts for facts in concept_maps()})


def _of_specification(canonical: str, by_url: Mapping[str, Facts]) -> Facts | None:
    url, _, version = canonical.partition("|")
    found = by_url.get(url)
    return found if found is not None and version in ("", found.get("version")) else None


def _currency(facts: Facts) -> tuple[bool, list[tuple[int, str]], str]:
    updated = facts.get("meta", {}).get("lastUpdated", "")
    return facts.get("status") == "active", _version_key(facts.get("version", "")), updated


def _version_key(version: str) -> list[tuple[int, str]]:
    """Return what sorts `1.10` after `1.9`, and text as text."""
    parts: Iterable[str] = _DIGITS.split(version)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts if part]
