"""The code systems that the FHIR specification itself publishes: its own, HL7 v2 tables, HL7 v3, DICOM.

Source: https://hl7.org/fhir/R4/codesystem.html, https://hl7.org/fhir/R4/terminologies-systems.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

from resources.definitions import archive

Content = Literal["not-present", "example", "fragment", "complete", "supplement"]


@dataclass(frozen=True, slots=True)
class Concept:
    """A code's facts: `parents` are the codes right above it, `properties` (code, value) pairs.

    `designations` are (language, text) pairs; `display` is the code itself where the system gives no other.
    """

    display: str
    parents: tuple[str, ...] = ()
    properties: tuple[tuple[str, Any], ...] = ()
    designations: tuple[tuple[str | None, str], ...] = ()


@dataclass(frozen=True, slots=True)
class CodeSystem:
    """A code system and its concepts by code, in the order of its definition, parents before their children.

    `content` says how many of the system's codes are here. `case_sensitive` is true unless the definition
    says otherwise. `properties` are the codes of those that concepts may have. `value_set` is the canonical
    URL of the value set of all its codes, if there is one.
    """

    url: str
    case_sensitive: bool
    content: Content
    concepts: Mapping[str, Concept]
    name: str
    title: str | None
    version: str | None
    value_set: str | None
    supplements: str | None
    properties: tuple[str, ...] = ()

    def descendants(self, code: str) -> frozenset[str]:
        """Return all codes below `code`, without itself."""
        return _descendants(self.url, code)


@cache
def code_system_urls() -> tuple[str, ...]:
    """Return the canonical URLs of all code systems here, sorted."""
    return tuple(sorted(archive.index()["codeSystems"]))


@cache
def code_system(url: str) -> CodeSystem:
    """Return a code system by its canonical URL; KeyError if the core package does not define it."""
    facts = archive.member(f"code-systems/{archive.index()['codeSystems'][url]}.json")
    return CodeSystem(
        url=url,
        case_sensitive=facts.get("caseSensitive", True),
        content=facts["content"],
        concepts=_with_listed_children(dict(_concepts(facts.get("concept", ()), ()))),
        name=facts["name"],
        title=facts.get("title"),
        version=facts.get("version"),
        value_set=facts.get("valueSet"),
        supplements=facts.get("supplements"),
        properties=tuple(defined["code"] for defined in facts.get("property", ())),
    )


def _concepts(listed: Iterable[Mapping[str, Any]], parents: tuple[str, ...]) -> Iterable[tuple[str, Concept]]:
    for facts in listed:
        code: str = facts["code"]
        yield (
            code,
            Concept(
                display=facts.get("display", code),
                parents=parents,
                properties=tuple((p["code"], _value(p)) for p in facts.get("property", ())),
                designations=tuple((d.get("language"), d["value"]) for d in facts.get("designation", ())),
            ),
        )
        yield from _concepts(facts.get("concept", ()), (code,))


def _value(property_: Mapping[str, Any]) -> Any:
    return next((value for name, value in property_.items() if name.startswith("value")), None)


def _with_listed_children(concepts: dict[str, Concept]) -> dict[str, Concept]:
    """Return `concepts` with the further parents that HL7 v3 gives by a property `child` of the parent."""
    for code, concept in list(concepts.items()):
        for child in (value for name, value in concept.properties if name == "child"):
            below = concepts.get(child)
            if below is not None and code not in below.parents:
                concepts[child] = replace(below, parents=(*below.parents, code))
    return concepts


@cache
def _children(url: str) -> Mapping[str, tuple[str, ...]]:
    children: dict[str, tuple[str, ...]] = {}
    for code, concept in code_system(url).concepts.items():
        for parent in concept.parents:
            children[parent] = (*children.get(parent, ()), code)
    return children


def _descendants(url: str, code: str) -> frozenset[str]:
    children = _children(url)
    found: set[str] = set()
    waiting = [code]
    while waiting:
        below = [child for child in children.get(waiting.pop(), ()) if child not in found]
        found.update(below)
        waiting.extend(below)
    return frozenset(found)
