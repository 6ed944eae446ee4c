"""Code systems: their concepts, and which concept is below which.

https://hl7.org/fhir/R4/codesystem.html, https://hl7.org/fhir/R4/codesystem.html#hierarchy
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any

from resources import definitions
from resources.definitions import Concept
from terminology.source import Facts, Source, stored

# Properties that every code system may use: https://hl7.org/fhir/R4/codesystem-concept-properties.html
STANDARD_PROPERTIES = frozenset(
    {"inactive", "deprecated", "deprecationDate", "notSelectable", "parent", "child", "status"}
)


@dataclass(frozen=True, slots=True)
class CodeSystem:
    """A code system with its concepts by code, parents before their children.

    `children` are the codes right below a code, and `properties` those that its concepts may have. `folded`
    gives the code by itself without regard to case, where case does not matter.
    """

    url: str
    version: str | None
    content: str
    concepts: Mapping[str, Concept]
    children: Mapping[str, tuple[str, ...]]
    properties: frozenset[str]
    folded: Mapping[str, str] | None = None

    def own_code(self, code: str) -> str | None:
        """Return `code` as the system writes it, None if it has no such code."""
        if code in self.concepts:
            return code
        return self.folded.get(code.casefold()) if self.folded is not None else None

    def descendants(self, code: str) -> frozenset[str]:
        """Return all codes below `code`, without itself."""
        return _reached(code, lambda found: self.children.get(found, ()))

    def ancestors(self, code: str) -> frozenset[str]:
        """Return all codes above `code`, without itself."""
        return _reached(code, lambda found: self.concepts[found].parents if found in self.concepts else ())


def _reached(code: str, next_to: Any) -> frozenset[str]:
    found: set[str] = set()
    waiting = [code]
    while waiting:
        new = [other for other in next_to(waiting.pop()) if other not in found]
        found.update(new)
        waiting.extend(new)
    return frozenset(found - {code})


async def code_system(canonical: str, source: Source) -> CodeSystem | None:
    """Return the code system that `canonical` (`url` or `url|version`) means, None if it is unknown here."""
    facts = await stored("CodeSystem", canonical, source)
    # Some tables of HL7 v2 have a bar in their very address.
    found = of_specification(canonical) if facts is None else of_resource(facts)
    if found is None:
        url, _, version = canonical.partition("|")
        found = of_specification(url)
        if found is not None and version != found.version:
            return None
    return None if found is None or found.content == "not-present" else found


def of_specification(url: str) -> CodeSystem | None:
    """Return a code system that the specification publishes, None if it does not publish it."""
    return _published(url) if url in _urls() else None


@cache
def _urls() -> frozenset[str]:
    return frozenset(definitions.code_system_urls())


@lru_cache(maxsize=64)
def _published(url: str) -> CodeSystem:
    found = definitions.code_system(url)
    return _linked(url, found.version, found.content, found.concepts, found.case_sensitive, found.properties)


def of_resource(facts: Facts) -> CodeSystem:
    """Return the code system that a valid CodeSystem resource defines."""
    concepts: dict[str, Concept] = {}
    for code, concept in _concepts(facts):
        # A code that is there twice is one concept with two parents.
        parents = (*concepts[code].parents, *concept.parents) if code in concepts else concept.parents
        concepts[code] = replace(concept, parents=tuple(dict.fromkeys(parents)))
    for code, concept in list(concepts.items()):
        for child in (value for name, value in concept.properties if name == "child"):
            below = concepts.get(child)
            if below is not None and code not in below.parents:
                concepts[child] = replace(below, parents=(*below.parents, code))
    declared = [defined["code"] for defined in facts.get("property", ()) if "code" in defined]
    url, version = facts.get("url", ""), facts.get("version")
    return _linked(url, version, facts["content"], concepts, facts.get("caseSensitive", True), declared)


def _concepts(facts: Facts) -> Iterator[tuple[str, Concept]]:
    waiting: list[tuple[Facts, tuple[str, ...]]] = [
        (listed, ()) for listed in reversed(facts.get("concept", ()))
    ]
    while waiting:
        listed, parents = waiting.pop()
        code = listed.get("code")
        if code is None:
            continue
        properties = tuple(
            (given["code"], _value(given)) for given in listed.get("property", ()) if "code" in given
        )
        named = [value for name, value in properties if name == "parent" and isinstance(value, str)]
        designations = tuple(
            (given.get("language"), given["value"])
            for given in listed.get("designation", ())
            if "value" in given
        )
        yield code, Concept(listed.get("display", code), (*parents, *named), properties, designations)
        waiting.extend((child, (code,)) for child in reversed(listed.get("concept", ())))


def _value(given: Facts) -> Any:
    value = next((value for name, value in given.items() if name.startswith("value")), None)
    return value.get("code") if isinstance(value, dict) else value


def _linked(
    url: str,
    version: str | None,
    content: str,
    concepts: Mapping[str, Concept],
    case_sensitive: bool,
    declared: Iterable[str],
) -> CodeSystem:
    children: dict[str, list[str]] = {}
    used = set(declared)
    for code, concept in concepts.items():
        for parent in concept.parents:
            children.setdefault(parent, []).append(code)
        used.update(name for name, _ in concept.properties)
    return CodeSystem(
        url,
        version,
        content,
        concepts,
        {code: tuple(listed) for code, listed in children.items()},
        frozenset(used) | STANDARD_PROPERTIES,
        None if case_sensitive else {code.casefold(): code for code in concepts},
    )
