"""The role matrix: read from a file that a hospital may replace, and checked as a whole when it is read."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from fhir_server.search.fields import fields
from fhir_server.search.parameters import parse_search
from fhir_server.search.subsetting import parse_subsetting
from fhir_server.smart.principal import ROLES
from resources.definitions import resource_types
from resources.operation_outcome import FhirError

WHOSE = frozenset({"any", "own", "treated", "self"})
ACTIONS = frozenset("cruds")
_KEYS = frozenset({"types", "actions", "of", "where", "elements", "changes"})
_EVERYBODY = "everybody"
_PLACE = "{practitioner}"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a role may do with one resource type.

    `whose` are some of WHOSE; `where` is a search, "" for none; `elements` are those that are shown, and
    `changes` those that an update may change, each None for all.
    """

    actions: frozenset[str]
    whose: frozenset[str] = frozenset({"any"})
    where: str = ""
    elements: frozenset[str] | None = None
    changes: frozenset[str] | None = None


Rules = Mapping[str, tuple[Rule, ...]]
"""By resource type; a type that is not there may not be touched."""


@dataclass(frozen=True, slots=True)
class Relation:
    """A search for resources of a type that say that a practitioner treats a patient."""

    resource_type: str
    where: str

    def pairs(self, practitioner: str) -> tuple[tuple[str, str], ...]:
        """Return the names and values of the search for the practitioner with that id."""
        return tuple((name, value.replace(_PLACE, practitioner)) for name, value in pairs_of(self.where))


@dataclass(frozen=True, slots=True)
class Matrix:
    """What each role may do: its rules, and the operations that need a role.

    These are named by their codes, or as `Type/code` where operations on several types have one code.
    `treatment` says who treats whom, and `confidentiality` which roles see what has a label, by its code.
    """

    roles: Mapping[str, Rules]
    operations: Mapping[str, frozenset[str]]
    treatment: tuple[Relation, ...]
    confidentiality: Mapping[str, frozenset[str]]

    def rules(self, roles: Iterable[str], resource_type: str) -> tuple[Rule, ...]:
        """Return the rules of one type for whoever has all of `roles`."""
        return tuple(rule for role in sorted(roles) for rule in self.roles[role].get(resource_type, ()))

    def callers(self, code: str, resource_type: str | None = None) -> frozenset[str] | None:
        """Return the roles that may call an operation, on a type if one is given; None if none is needed."""
        return self.operations.get(f"{resource_type}/{code}", self.operations.get(code))

    def asks_for_treatment(self, roles: Iterable[str]) -> bool:
        """Tell whether anything that one of `roles` may do depends on whom they treat."""
        return any(
            "treated" in rule.whose for role in roles for rules in self.roles[role].values() for rule in rules
        )


@cache
def load_matrix(path: Path | None) -> Matrix:
    """Return the matrix in the file at `path`, for None the one that comes with the server.

    Raises ValueError, which names the place, for what is not understood.
    """
    text = path.read_text() if path else files(__package__).joinpath("roles.toml").read_text()
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as failure:
        raise ValueError(f"the file of roles is not TOML: {failure}") from None
    groups = {name: tuple(types) for name, types in data.get("groups", {}).items()}
    common = _rules(data.get(_EVERYBODY, []), groups, _EVERYBODY)
    known = data.get("roles", {})
    if unknown := set(known) - set(ROLES):
        raise ValueError(f"these roles are not known: {', '.join(sorted(unknown))}")
    roles = {code: _together(common, _rules(known.get(code, []), groups, code)) for code in ROLES}
    treatment = tuple(_relation(entry, n) for n, entry in enumerate(data.get("treatment", []), 1))
    operations = _by_code(data, "operations")
    for name in operations:
        resource_type, slash, _ = name.rpartition("/")
        if slash and resource_type not in resource_types():
            raise ValueError(f"operations.{name} is on no resource type")
    return Matrix(roles, operations, treatment, _by_code(data, "confidentiality"))


def _by_code(data: Mapping[str, Any], table: str) -> Mapping[str, frozenset[str]]:
    found = {code: frozenset(allowed) for code, allowed in data.get(table, {}).items()}
    for code, roles in found.items():
        if roles - set(ROLES):
            raise ValueError(f"{table}.{code} names roles that are not known")
    return found


def _relation(entry: Mapping[str, Any], number: int) -> Relation:
    place, resource_type = f"treatment {number}", entry.get("type", "")
    if resource_type != "Patient" and "patient" not in fields(resource_type):
        raise ValueError(f"{place}: {resource_type} has no parameter `patient`")
    found = Relation(resource_type, entry.get("where", ""))
    if _PLACE not in found.where:
        raise ValueError(f"{place}: the search does not name {_PLACE}")
    _check_search(resource_type, found.where.replace(_PLACE, "x"), place)
    return found


def _together(first: Rules, second: Rules) -> Rules:
    return {name: (*first.get(name, ()), *second.get(name, ())) for name in (*first, *second)}


def _rules(listed: Iterable[Mapping[str, Any]], groups: Mapping[str, tuple[str, ...]], where: str) -> Rules:
    found: dict[str, tuple[Rule, ...]] = {}
    for number, entry in enumerate(listed, 1):
        place = f"rule {number} of {where}"
        if wrong := set(entry) - _KEYS:
            raise ValueError(f"{place} has what no rule has: {', '.join(sorted(wrong))}")
        for name in _types(entry.get("types", []), groups, place):
            found[name] = (*found.get(name, ()), _rule(entry, name, place))
    return found


def _types(listed: Iterable[str], groups: Mapping[str, tuple[str, ...]], place: str) -> Iterable[str]:
    for name in listed:
        types = resource_types() if name == "*" else groups.get(name, (name,))
        for found in types:
            if found not in resource_types():
                raise ValueError(f"{place}: {found} is no resource type and no group")
            yield found


def _rule(entry: Mapping[str, Any], resource_type: str, place: str) -> Rule:
    actions = frozenset(entry.get("actions", ""))
    if not actions or actions - ACTIONS:
        raise ValueError(f"{place}: actions are some of the letters cruds")
    of = entry.get("of", "any")
    whose = frozenset([of] if isinstance(of, str) else of)
    if whose - WHOSE:
        raise ValueError(f"{place}: of is any, own, treated or self")
    where = entry.get("where", "")
    _check_search(resource_type, where, place)
    elements = _named(entry, "elements", resource_type, place)
    return Rule(actions, whose, where, elements, _named(entry, "changes", resource_type, place))


def _check_search(resource_type: str, where: str, place: str) -> None:
    try:
        parse_search(resource_type, pairs_of(where), lenient=False, base_url="")
    except FhirError as failure:
        raise ValueError(f"{place}: {resource_type}?{where}: {failure.issues[0].diagnostics}") from None


def _named(entry: Mapping[str, Any], key: str, resource_type: str, place: str) -> frozenset[str] | None:
    if key not in entry:
        return None
    try:
        parse_subsetting({"_elements": [",".join(entry[key])]}, [resource_type])
    except FhirError as failure:
        raise ValueError(f"{place}: {failure.issues[0].diagnostics}") from None
    return frozenset(entry[key])


def pairs_of(where: str) -> tuple[tuple[str, str], ...]:
    """Return the names and values of a search as it stands in the file, where nothing is encoded."""
    pairs = (pair.partition("=") for pair in where.split("&") if pair)
    return tuple((name, value) for name, _, value in pairs)
