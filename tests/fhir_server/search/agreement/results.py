"""A whole search: what it finds, in which order, and what it brings along.

https://hl7.org/fhir/R4/search.html#return
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

from tests.fhir_server.search.agreement import dates, definitions, filters, texts
from tests.fhir_server.search.agreement.elements import Element
from tests.fhir_server.search.agreement.evaluator import World

Pair = tuple[str, str]
Address = tuple[str, str]
"""The type of a resource, and its id."""

_OF_RESULTS = ("_sort", "_count", "_total", "_summary", "_elements", "_include", "_revinclude", "_type")
SORTABLE = ("date", "string", "number")
"""The parameter types for which the specification says what comes first."""


def found(world: World, resource_type: str, pairs: Sequence[Pair]) -> list[str]:
    """Return the ids that a search finds, in its order."""
    ids = [one["id"] for one in world.of_type(resource_type)]
    for name, text in pairs:
        if name == "_filter":
            met = filters.matching(world, resource_type, text)
        elif name.partition(":")[0] in _OF_RESULTS:
            continue
        else:
            met = world.matching(resource_type, name, text)
        ids = [one for one in ids if one in met]
    return in_order(world, resource_type, ids, orders(resource_type, pairs)[0])


def in_order(world: World, resource_type: str, ids: Sequence[str], keys: Sequence[str]) -> list[str]:
    """Return ids by all of the keys."""
    found = list(ids)
    for key in reversed(keys):
        found = _sorted(world, resource_type, found, key)
    return found


def _keys(pairs: Sequence[Pair]) -> list[str]:
    return [key for name, text in pairs if name == "_sort" for key in text.split(",")]


def _sorted(world: World, resource_type: str, ids: list[str], key: str) -> list[str]:
    """Return ids by one key; those that have no value come last, either way."""
    values = _values(world, resource_type, key)
    there = sorted((one for one in ids if one in values), key=values.__getitem__, reverse=key.startswith("-"))
    return there + [one for one in ids if one not in values]


def _values(world: World, resource_type: str, key: str) -> dict[str, Any]:
    """Return what each resource is sorted by: its least value, in descending order its greatest."""
    descending, code = key.startswith("-"), key.removeprefix("-")
    values = {}
    for one in world.of_type(resource_type):
        kept = [value for element in world.elements(one, code) for value in _sort_values(code, element)]
        if kept:
            values[one["id"]] = max(kept) if descending else min(kept)
    return values


def orders(resource_type: str, pairs: Sequence[Pair]) -> list[list[str]]:
    """Return the sort keys that a search may be answered by.

    Without an order those of the time when resources were stored and, if one criterion is all that is asked
    for, that of the dates that it names.
    """
    if keys := _keys(pairs):
        return [keys]
    asked = {name: text for name, text in pairs if name.partition(":")[0] not in _OF_RESULTS}
    named = asked["_filter"].split() if asked.keys() == {"_filter"} else [*asked] * (len(asked) == 1)
    known = definitions.parameters(resource_type)
    return [["_lastUpdated"], *([one] for one in named if one in known and known[one].type == "date")]


def sort_values(world: World, resource_type: str, ids: Sequence[str], keys: Sequence[str]) -> list[Any]:
    """Return what each of the ids is sorted by."""
    listed = [_values(world, resource_type, key) for key in keys]
    return [tuple(values.get(one) for values in listed) for one in ids]


def _sort_values(code: str, element: Element) -> list[Any]:
    if element.type in ("date", "dateTime", "instant", "Period", "Timing"):
        span = dates.span(element.type, element.value)
        return [span[0]] if span else []
    if element.type in ("decimal", "integer", "positiveInt", "unsignedInt"):
        return [Fraction(element.value)]
    if element.type in ("string", "markdown", "HumanName", "Address") and code != "_id":
        parts = [*texts.parts(element), *texts.later_names(element)]
        return [texts.folded(part).encode() for part in parts]
    return [str(element.value).encode()]


def included(world: World, matches: Iterable[Address], pairs: Sequence[Pair]) -> set[Address]:
    """Return what `_include` and `_revinclude` bring along, without the matches themselves.

    https://hl7.org/fhir/R4/search.html#revinclude
    """
    matched = set(matches)
    rules = [(name.partition(":"), text) for name, text in pairs if name.partition(":")[0] in _LINKED]
    brought: set[Address] = set()
    for (name, _, _), text in rules:
        brought |= _LINKED[name](world, matched, text)
    again = [(name, text) for (name, _, modifier), text in rules if modifier in ("iterate", "recurse")]
    known, new = set(matched), brought - matched
    while new and again:
        known |= new
        new = {one for name, text in again for one in _LINKED[name](world, new, text)} - known
        brought |= new
    return brought - matched


def _forward(world: World, sources: Iterable[Address], text: str) -> set[Address]:
    source_type, _, rest = text.partition(":")
    code, _, wanted = rest.partition(":")
    brought: set[Address] = set()
    for resource_type, resource_id in sources:
        resource = world.get(resource_type, resource_id)
        if resource is None or source_type not in (resource_type, "*"):
            continue
        for one in _references(resource_type) if code in ("*", "") else [code]:
            targets = world.targets(resource, one)
            brought |= {target for target in targets if wanted in ("", target[0]) and world.get(*target)}
    return brought


def _backward(world: World, targets: Iterable[Address], text: str) -> set[Address]:
    source_type, _, rest = text.partition(":")
    code, _, wanted = rest.partition(":")
    wanted_targets = {target for target in targets if wanted in ("", target[0])}
    codes = _references(source_type) if code == "*" else [code]
    return {
        (source_type, resource["id"])
        for resource in world.of_type(source_type)
        if any(world.targets(resource, one) & wanted_targets for one in codes)
    }


def _references(resource_type: str) -> list[str]:
    known = definitions.parameters(resource_type).values()
    return [parameter.code for parameter in known if parameter.type == "reference"]


_LINKED = {"_include": _forward, "_revinclude": _backward}


def in_compartment(world: World, owner: Address, resource_type: str) -> frozenset[str]:
    """Return the ids of the resources of a type that are in a compartment.

    https://hl7.org/fhir/R4/compartmentdefinition.html
    """
    codes = definitions.compartment(owner[0]).get(resource_type, ())
    known = definitions.parameters(resource_type)
    return frozenset(
        one["id"]
        for one in world.of_type(resource_type)
        if any(owner in world.targets(one, code) for code in codes if code in known)
    )
