"""All codes of a value set: what its definition includes, without what it excludes.

A set whose codes cannot all be told is refused with the reason, never told in part. Where the definition
draws on a code system that is not here, the expansion that came with the value set is taken, if it is whole.

https://hl7.org/fhir/R4/valueset.html#compositions, https://hl7.org/fhir/R4/valueset.html#expansion
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from resources.definitions import value_sets
from terminology import source as sources
from terminology.code_systems import CodeSystem, code_system
from terminology.errors import NotExpandableError, refusal
from terminology.filters import test_of
from terminology.source import Facts, Source

MOST_CODES = 10_000
"""How many codes an expansion has at most."""

_DEEPEST = 16
_MOST_VALUE_SETS = 200
# Codes that are looked at: a second or so of work, where a definition goes through large systems many times.
_MOST_LOOKED_AT = 1_000_000


@dataclass(frozen=True, slots=True)
class Member:
    """What an expansion says of a code: a text for people, and the version of the code's system, if known."""

    display: str | None = None
    version: str | None = None


Codes = Mapping[tuple[str, str], Member]
"""The members by (system, code); "" for a code without a system."""


async def expand(value_set: str, source: Source) -> Codes:
    """Return the codes of the value set that `value_set` names: a canonical or `ValueSet/id`.

    Raises UnprocessableContent if it is not known or its codes cannot all be told, and TooCostly if there
    are more than MOST_CODES.
    """
    try:
        return await _Expansion(source).of(value_set, ())
    except NotExpandableError as failure:
        raise refusal("The value set cannot be expanded", failure) from None


async def expand_definition(facts: Facts, source: Source) -> Codes:
    """Return the codes of the value set that the resource `facts` itself defines; raises as `expand` does."""
    try:
        return await _Expansion(source).of_facts(facts, (facts.get("url", ""),))
    except NotExpandableError as failure:
        raise refusal("The value set cannot be expanded", failure) from None


class _Expansion:
    """One expansion under way: what has been found of the value sets that it draws on."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._known: dict[str, Codes] = {}
        self._systems: dict[str, CodeSystem | None] = {}
        self._looked_at = 0

    async def of(self, reference: str, within: tuple[str, ...]) -> Codes:
        """Return the codes of a value set that those in `within` import."""
        if reference in self._known:
            return self._known[reference]
        if reference.partition("|")[0] in within:
            raise NotExpandableError("processing", "a value set includes itself by way of others")
        if len(within) >= _DEEPEST or len(self._known) >= _MOST_VALUE_SETS:
            raise NotExpandableError("too-costly", "it draws on too many other value sets")
        facts = await sources.value_set(reference, self._source)
        if facts is None:
            raise NotExpandableError("not-found", f"the value set {_shown(reference)} is not known here")
        found = await self.of_facts(facts, (*within, reference.partition("|")[0]))
        self._known[reference] = found
        return found

    async def of_facts(self, facts: Facts, within: tuple[str, ...]) -> Codes:
        """Return the codes of a value set."""
        compose, told = _definition(facts), _told(facts.get("expansion", {}))
        if compose is None:
            if told is None:
                raise NotExpandableError("not-supported", "it has neither a definition nor a whole expansion")
            return told
        try:
            included = await self._union(compose.get("include", ()), compose, within)
            excluded = await self._union(compose.get("exclude", ()), {}, within)
        except NotExpandableError:
            if told is None:
                raise
            return told
        return {key: member for key, member in included.items() if key not in excluded}

    async def _union(self, parts: Iterable[Facts], compose: Facts, within: tuple[str, ...]) -> Codes:
        found: dict[tuple[str, str], Member] = {}
        for part in parts:
            for key, member in (await self._part(part, compose, within)).items():
                found.setdefault(key, member)
            _check_size(len(found))
        return found

    async def _part(self, part: Facts, compose: Facts, within: tuple[str, ...]) -> Codes:
        """Return the codes that are in the part's selection of a system and in each of its value sets."""
        selections = [await self.of(reference, within) for reference in part.get("valueSet", ())]
        if "system" in part:
            selections.insert(0, await self._of_system(part, compose))
        if not selections:
            raise NotExpandableError("invalid", "a part of it names neither a code system nor a value set")
        first, *others = selections
        self._look_at(len(first))
        return {key: member for key, member in first.items() if all(key in other for other in others)}

    async def _of_system(self, part: Facts, compose: Facts) -> Codes:
        url, version = part["system"], part.get("version")
        system = await self._system(f"{url}|{version}" if version else url)
        if "concept" in part:
            return {
                (url, code): Member(given.get("display") or _display(system, code), version)
                for given in part["concept"]
                if (code := given.get("code")) is not None
            }
        if system is None:
            named = _shown(f"{url}|{version}" if version else url)
            raise NotExpandableError("not-found", f"the codes of {named} are not known here")
        if system.content != "complete":
            raise NotExpandableError("incomplete", f"only some of the codes of {_shown(url)} are known here")
        self._look_at(len(system.concepts) * (1 + len(part.get("filter", ()))))
        tests = [test_of(system, condition) for condition in part.get("filter", ())]
        if compose.get("inactive") is False:
            tests.append(lambda code: not _is_inactive(system, code))
        found: dict[tuple[str, str], Member] = {}
        for code, concept in system.concepts.items():
            if all(test(code) for test in tests):
                found[url, code] = Member(concept.display, system.version)
                _check_size(len(found))
        return found

    async def _system(self, canonical: str) -> CodeSystem | None:
        if canonical not in self._systems:
            self._systems[canonical] = await code_system(canonical, self._source)
        return self._systems[canonical]

    def _look_at(self, number: int) -> None:
        self._looked_at += number
        if self._looked_at > _MOST_LOOKED_AT:
            raise NotExpandableError("too-costly", "it goes through too many codes")


def _definition(facts: Facts) -> Facts | None:
    """Return what a value set is made of, None if it does not say.

    Two value sets of the specification name versions of its code systems that it did not publish; these mean
    the ones that it did.
    """
    compose = facts.get("compose")
    if compose is None or facts is not value_sets().get(facts.get("url", "")):
        return compose
    return {
        key: [{name: value for name, value in part.items() if name != "version"} for part in parts]
        for key, parts in compose.items()
        if isinstance(parts, list)
    }


def _check_size(number: int) -> None:
    if number > MOST_CODES:
        raise NotExpandableError("too-costly", f"it has more than {MOST_CODES} codes")


def _display(system: CodeSystem | None, code: str) -> str | None:
    concept = system.concepts.get(code) if system is not None else None
    return concept.display if concept is not None else None


def _is_inactive(system: CodeSystem, code: str) -> bool:
    """Tell whether a concept is out of use: https://hl7.org/fhir/R4/codesystem-concept-properties.html."""
    return any(
        (name == "inactive" and value is True) or (name == "status" and value in ("retired", "inactive"))
        for name, value in system.concepts[code].properties
    )


def _told(expansion: Facts) -> Codes | None:
    """Return the codes that an expansion lists, None if it does not list all of them."""
    if "contains" not in expansion:
        return None
    found = {
        (listed.get("system", ""), listed["code"]): Member(listed.get("display"), listed.get("version"))
        for listed in _contained(expansion["contains"])
        if "code" in listed and listed.get("abstract") is not True
    }
    total = expansion.get("total")
    if expansion.get("offset", 0) or (
        total is not None and total > sum(1 for _ in _contained(expansion["contains"]))
    ):
        return None
    _check_size(len(found))
    return found


def _contained(listed: Iterable[Facts]) -> Iterator[Facts]:
    waiting = list(listed)[::-1]
    while waiting:
        item = waiting.pop()
        yield item
        waiting.extend(reversed(item.get("contains", ())))


def _shown(canonical: str) -> str:
    """Return an address that a client named as far as an error repeats it."""
    return canonical if len(canonical) <= 200 and canonical.isprintable() else "that it draws on"
