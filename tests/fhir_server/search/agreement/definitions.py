"""What the official definitions say of search parameters and elements, read as the JSON that they are.

The data is the server's copy of them (a test compares it with the official package), read here with none of
the server's code. https://hl7.org/fhir/R4/searchparameter.html, https://hl7.org/fhir/R4/elementdefinition.html
"""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_ARCHIVE = Path(__file__).parents[4] / "resources/definitions/r4.zip"
_EXAMPLES = ("example", "example-extension", "example-reference")
# The expressions of its two components stand in each other's place.
_SWAPPED = "DocumentReference-relationship"

Facts = dict[str, Any]


@dataclass(frozen=True)
class Parameter:
    """A search parameter of a resource type; `parts` are type, targets and expression of each component."""

    code: str
    type: str
    expression: str
    targets: tuple[str, ...]
    parts: tuple["Parameter", ...] = ()


@cache
def _archive() -> Mapping[str, bytes]:
    with zipfile.ZipFile(_ARCHIVE) as archive:
        return {
            name: archive.read(name)
            for name in archive.namelist()
            if name.startswith("structures/") or "/" not in name
        }


@cache
def _read(name: str) -> Any:
    return json.loads(_archive()[name])


@cache
def _all_parameters() -> Mapping[str, Facts]:
    return {facts["id"]: facts for facts in _read("search-parameters.json") if facts["id"] not in _EXAMPLES}


@cache
def parameters(resource_type: str) -> Mapping[str, Parameter]:
    """Return the parameters of a resource type that an expression defines, by code, sorted."""
    bases = {resource_type, "Resource"}
    if structure(resource_type)["baseDefinition"].endswith("/DomainResource"):
        bases.add("DomainResource")
    found = [
        _parameter(facts)
        for facts in _all_parameters().values()
        if bases & set(facts.get("base", ())) and facts.get("xpathUsage", "normal") == "normal"
    ]
    return {found.code: found for found in sorted(found, key=lambda one: one.code) if found.expression}


def _parameter(facts: Facts) -> Parameter:
    expressions = [part["expression"] for part in facts.get("component", ())]
    if facts["id"] == _SWAPPED:
        expressions.reverse()
    parts = [_all_parameters()[part["definition"].rpartition("/")[2]] for part in facts.get("component", ())]
    return Parameter(
        facts["code"],
        facts["type"],
        facts.get("expression", ""),
        tuple(facts.get("target", ())),
        tuple(
            Parameter(part["code"], part["type"], expression, tuple(part.get("target", ())))
            for part, expression in zip(parts, expressions, strict=True)
        ),
    )


@cache
def structure(name: str) -> Facts:
    """Return the definition of a resource type or data type."""
    found: Facts = _read(f"structures/{name}.json")
    return found


@cache
def elements(name: str) -> Mapping[str, Facts]:
    """Return the elements of a type by path."""
    return {element["path"]: element for element in structure(name)["element"]}


@cache
def resource_types() -> tuple[str, ...]:
    """Return the names of all concrete resource types, sorted."""
    names = [Path(name).stem for name in _archive() if name.startswith("structures/")]
    return tuple(name for name in sorted(names) if _is_resource_type(structure(name)))


def _is_resource_type(facts: Facts) -> bool:
    base = str(facts.get("baseDefinition")).rpartition("/")[2]
    return facts["kind"] == "resource" and not facts["abstract"] and base in ("Resource", "DomainResource")


@cache
def system_of(value_set: str) -> str | None:
    """Return the one system whose codes a value set has; None if there are several, or if nobody knows."""
    for facts in _read("value-sets.json"):
        if facts["url"] == value_set.partition("|")[0]:
            includes = facts.get("compose", {}).get("include", [])
            systems = {include.get("system") for include in includes}
            return systems.pop() if len(systems) == 1 else None
    return None


@cache
def compartment(code: str) -> Mapping[str, tuple[str, ...]]:
    """Return the parameters that put resources into compartments of the type `code`, by resource type."""
    [facts] = [found for found in _read("compartments.json") if found["id"].lower() == code.lower()]
    return {
        resource["code"]: tuple(resource["param"]) for resource in facts["resource"] if resource.get("param")
    }
