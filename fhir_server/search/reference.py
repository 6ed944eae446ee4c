"""reference: a link to another resource. https://hl7.org/fhir/R4/search.html#reference

Indexed as it is written, without the version: `Patient/1`, `http://elsewhere/fhir/Patient/1`, `urn:uuid:...`.
A canonical is indexed with its version and without. References to contained resources are not indexed.
"""

from typing import Any

from fhir_server.search import modified
from fhir_server.search.asked import (
    Asked,
    Condition,
    Reader,
    as_it_is,
    both,
    either,
    one_of,
)
from fhir_server.search.escaping import split, unescape
from fhir_server.search.hierarchies import Hierarchy, is_hierarchical, part_of, uri_tests
from fhir_server.search.token_values import folded
from fhir_server.search.written import written
from resources.definitions import resource_types
from resources.fhirpath.element_paths import ElementPath
from resources.references import LiteralReference, is_id, parse_reference
from resources.search_parameters import SearchParameter

MODIFIERS = frozenset({"identifier", "above", "below"})
"""The modifiers that are not a type."""

_VERSION = "/_history/"
_CANONICALS = frozenset({"canonical", "uri"})
# How many types an error names.
_MOST_FORMS = 5


def reader(path: ElementPath) -> Reader:
    """Return how elements of the path's type are indexed."""
    return _READERS.get(path.type, Reader(as_it_is))


def modifiers(parameter: SearchParameter) -> tuple[str, ...]:
    """Return the modifiers of `parameter`: its own, and the types that it may refer to."""
    targets = parameter.targets or resource_types()
    types = {path.type for path in parameter.paths}
    own = ["identifier"] if "Reference" in types else []
    if types & _CANONICALS or any(map(part_of, targets)):
        own += ["above", "below"]
    return (*own, *targets)


def _address(reference: dict[str, Any]) -> str | None:
    text: str | None = reference.get("reference")
    if text is None or text[:1] == "#":
        return None
    return text.partition(_VERSION)[0] if _VERSION in text else text


def canonical(text: str) -> list[str]:
    """Return the index values of a canonical: what is written, and that without the version."""
    address, _, version = text.partition("|")
    return [text, address] if version else [text]


def _inline(resource: dict[str, Any]) -> str:
    return f"{resource['resourceType']}/{resource.get('id', '')}"


_READERS = {
    "Reference": Reader(_address),
    "canonical": Reader(canonical, several=True),
    "Resource": Reader(_inline),
}


def only_type(asked: Asked) -> str | None:
    """Return the one type of local resources that is asked for, None if it is not one or not said."""
    if asked.modifier:
        return asked.modifier
    found = {
        parsed.resource_type if parsed is not None and not parsed.base else None
        for text in asked.texts
        for alternative in split(text, ",")
        for parsed in [parse_reference(unescape(alternative).removeprefix(f"{asked.base_url}/"))]
    }
    return found.pop() if len(found) == 1 else None


def condition(asked: Asked) -> Condition:
    """Return the condition on the document for `id`, `Type/id` or an absolute address."""
    if asked.modifier == "identifier":
        return both(_of_identifier(asked, text) for text in asked.texts)
    if asked.modifier in MODIFIERS:
        return both(_levels(asked, text) for text in asked.texts)
    return both(_one(asked, text) for text in asked.texts)


def _of_identifier(asked: Asked, text: str) -> Condition:
    """Return the condition that a reference has one of some identifiers; tokens, as Identifiers are."""
    beginning = modified.prefix(asked.field, "identifier")
    wanted: list[str] = []
    conditions: list[Condition] = []
    for alternative in split(text, ","):
        parts = [unescape(part) for part in split(alternative, "|")]
        if len(parts) > 2 or not any(parts):
            raise asked.refusal("with :identifier a reference is value, system|value, |value or system|")
        if not parts[-1]:
            conditions.append(modified.starting_with(f"{beginning}{parts[0]}|"))
        else:
            system = f"{parts[0]}|" if len(parts) == 2 else ""
            wanted.append(f"{beginning}{system}{folded(parts[-1])}")
    if wanted:
        conditions.append(one_of(modified.PATH, wanted))
    return either(conditions)


def _levels(asked: Asked, text: str) -> Condition:
    """Return the condition that a reference is to a resource, or to one above or below it."""
    is_below = asked.modifier == "below"
    local: dict[str, list[str]] = {}
    conditions: list[Condition] = []
    parameter = asked.field.parameter
    hierarchical = [name for name in parameter.targets or resource_types() if part_of(name)]
    for alternative in split(text, ","):
        wanted = unescape(alternative)
        parsed = parse_reference(wanted.removeprefix(f"{asked.base_url}/"))
        if parsed is not None and not parsed.base and parsed.resource_type in hierarchical:
            local.setdefault(parsed.resource_type, []).append(parsed.id)
        elif is_id(wanted) and hierarchical:
            for name in hierarchical:
                local.setdefault(name, []).append(wanted)
        elif is_hierarchical(wanted) and any(path.type in _CANONICALS for path in parameter.paths):
            conditions += [asked.on_values(test) for test in uri_tests(wanted, is_below=is_below)]
        else:
            forms = [*(f"{name}/id" for name in hierarchical[:_MOST_FORMS]), "a canonical URL"]
            raise asked.refusal(f"with :{asked.modifier} a reference is {' or '.join(forms)}")
    for name, ids in local.items():
        lookup = Hierarchy(name, tuple(dict.fromkeys(ids)), is_below, asked.base_url)
        conditions.append({asked.field.path: {"$in": lookup}})
    return either(conditions)


def _one(asked: Asked, text: str) -> Condition:
    plain: list[str] = []
    versioned: list[Condition] = []
    for alternative in split(text, ","):
        wanted = unescape(alternative)
        if not wanted:
            raise asked.refusal("a reference is id, Type/id or an address")
        parsed = parse_reference(wanted.removeprefix(f"{asked.base_url}/"))
        _check_type(asked, wanted, parsed)
        if parsed is not None and parsed.version is not None:
            versioned.append(_of_version(asked, parsed))
        else:
            plain += _forms(asked, wanted, parsed)
    return either([*([one_of(asked.field.path, plain)] if plain else []), *versioned])


def _check_type(asked: Asked, wanted: str, parsed: LiteralReference | None) -> None:
    type_name = asked.modifier
    if type_name is None or is_id(wanted):
        return
    if parsed is None or parsed.base or parsed.resource_type != type_name:
        raise asked.refusal(f"with :{type_name} a reference is id or {type_name}/id")


def _forms(asked: Asked, wanted: str, parsed: LiteralReference | None) -> list[str]:
    if parsed is not None and not parsed.base:
        return _local_forms(asked, [f"{parsed.resource_type}/{parsed.id}"])
    if is_id(wanted):
        types = [asked.modifier] if asked.modifier else asked.field.parameter.targets or resource_types()
        forms = _local_forms(asked, [f"{name}/{wanted}" for name in types])
        # A canonical is any text, also one that might be an id.
        has_canonicals = any(path.type in ("canonical", "uri") for path in asked.field.parameter.paths)
        return [*forms, wanted] if has_canonicals else forms
    return [wanted]


def _local_forms(asked: Asked, relative: list[str]) -> list[str]:
    """Return relative references with the absolute addresses that mean the same on this server."""
    return relative + [f"{asked.base_url}/{reference}" for reference in relative]


def _of_version(asked: Asked, parsed: LiteralReference) -> Condition:
    """Return the condition that one version is referred to, which only the resource itself says."""
    relative = f"{parsed.base}{parsed.resource_type}/{parsed.id}"
    current = [relative] if parsed.base else _local_forms(asked, [relative])
    exact = {"$in": [f"{reference}{_VERSION}{parsed.version}" for reference in current]}
    places = [
        written(path, exact, below="reference")
        for path in asked.field.parameter.paths
        if path.type == "Reference"
    ]
    return both([one_of(asked.field.path, current), either(places)])
