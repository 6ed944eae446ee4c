"""The value sets of the specification, and their codes as far as the definitions alone tell them.

Source: https://hl7.org/fhir/R4/valueset.html#compositions
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from resources.definitions import archive
from resources.definitions.code_systems import CodeSystem, code_system

Codes = frozenset[tuple[str, str]]
"""(system, code) pairs."""


class _NotHereError(Exception):
    """The codes depend on a code system (or value set) that is not part of the definitions."""


@cache
def value_sets() -> Mapping[str, Mapping[str, Any]]:
    """Return the facts of all value sets by canonical URL, as FHIR JSON with a `compose`."""
    return {facts["url"]: facts for facts in archive.whole_section("ValueSet")}


@cache
def value_set_codes(url: str) -> Codes | None:
    """Return all (system, code) pairs of a value set; None if the definitions alone do not tell them.

    They do not when the value set is unknown, or when it draws on a code system from elsewhere (UCUM,
    SNOMED CT, language tags), or on one of which the specification publishes only a part.
    """
    try:
        return _expand(url)
    except _NotHereError:
        return None


def _expand(url: str) -> Codes:
    facts = value_sets().get(url.partition("|")[0])
    if facts is None:
        raise _NotHereError(url)
    return _union(facts["compose"].get("include", ())) - _union(facts["compose"].get("exclude", ()))


def _union(parts: Iterable[Mapping[str, Any]]) -> Codes:
    return frozenset().union(*(_part(part) for part in parts))


def _part(part: Mapping[str, Any]) -> Codes:
    """Return the codes that are in the part's system selection and in each of its value sets."""
    selections = [_expand(url) for url in part.get("valueSet", ())]
    if "system" in part:
        selections.append(frozenset((part["system"], code) for code in _of_system(part)))
    return frozenset.intersection(*selections)


def _of_system(part: Mapping[str, Any]) -> Iterable[str]:
    if "concept" in part:
        return [concept["code"] for concept in part["concept"]]
    try:
        system = code_system(part["system"])
    except KeyError:
        raise _NotHereError(part["system"]) from None
    if system.content != "complete":
        raise _NotHereError(part["system"])
    tests = [_filter(system, **condition) for condition in part.get("filter", ())]
    return [code for code in system.concepts if all(test(code) for test in tests)]


def _filter(system: CodeSystem, property: str, op: str, value: str) -> Callable[[str], bool]:  # noqa: A002
    """Return the test of one `filter`, whose elements are the arguments.

    Source: https://hl7.org/fhir/R4/valueset-filter-operator.html
    """
    if property == "concept":
        below = system.descendants(value)
        if op == "is-a":
            return lambda code: code == value or code in below
        if op == "descendent-of":
            return lambda code: code in below
        if op == "is-not-a":
            return lambda code: code != value and code not in below
    elif op == "=":
        return lambda code: any(
            name == property and str(actual).lower() == value
            for name, actual in system.concepts[code].properties
        )
    raise _NotHereError(f"{system.url} {property} {op}")


@cache
def value_set_systems(url: str) -> frozenset[str]:
    """Return the code systems that a value set draws on, whether or not their codes are known here."""
    parts = value_sets().get(url.partition("|")[0], {}).get("compose", {}).get("include", ())
    named = {part["system"] for part in parts if "system" in part}
    imported = (value_set_systems(other) for part in parts for other in part.get("valueSet", ()))
    return frozenset(named).union(*imported)
