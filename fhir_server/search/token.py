"""token: a code, an identifier, a yes or no. https://hl7.org/fhir/R4/search.html#token

Indexed as the strings `system|code` and `code`, so that each way of asking is one look into an index. Letters
are compared without regard to case, as the specification has it when in doubt, except in elements of the
types `code`, `id` and `uri`. These, booleans, strings and the values of ContactPoints are indexed as the code
alone; the system of a `code` is known from its binding.
"""

from typing import Any, Literal

from fhir_server.search import modified
from fhir_server.search.asked import (
    NOTHING,
    Asked,
    Condition,
    Reader,
    as_it_is,
    both,
    either,
    one_of,
    starting_with,
)
from fhir_server.search.escaping import split, unescape
from fhir_server.search.string import normalised
from fhir_server.search.terminologies import CodesOfValueSets, RelatedCodes
from fhir_server.search.token_values import (
    CODED,
    WITHOUT_SYSTEM,
    escaped,
    folded,
    has_system,
    identifier_values,
    values,
    with_system,
    without_system,
)
from resources.fhirpath.element_paths import ElementPath
from resources.search_parameters import SearchParameter

NEGATIONS = {"not": None, "not-in": "in"}
"""Modifiers that ask for what lacks something, and the modifier (or none) of what has it."""

_MIME_TYPES = "urn:ietf:bcp:13"
_CONCEPTS = frozenset({"Coding", "CodeableConcept"})
# A question about many of these would look for more codes than a database takes.
_MOST_SETS = 10

_FORMS = {
    "text": f"with :text a token is the start of a text, of {modified.LONGEST_TEXT} characters at most",
    "of-type": "with :of-type a token is type-system|type-code|value",
    "in": "with :in and :not-in a token is the URL of a value set, or ValueSet/id",
    "above": "with :above a token is system|code",
    "below": "with :below a token is system|code",
}


def reader(path: ElementPath) -> Reader:
    """Return how elements of the path's type are indexed."""
    return _READERS.get(path.type, Reader(as_it_is))


def modifiers(parameter: SearchParameter) -> tuple[str, ...]:
    """Return the modifiers that `parameter` takes, by the types of its elements."""
    types = {path.type for path in parameter.paths}
    found = ["not"]
    if types & CODED:
        found.append("text")
    if types & {*_CONCEPTS, "code"}:
        found += ["in", "not-in", "above", "below"]
    if "Identifier" in types:
        found.append("of-type")
    return tuple(found)


def _concept(concept: dict[str, Any]) -> list[str]:
    codings = concept.get("coding", ())
    if len(codings) == 1:
        return _coding(codings[0])
    return list(dict.fromkeys(value for coding in codings for value in _coding(coding)))


def _coding(coding: dict[str, Any]) -> list[str]:
    return values(coding.get("system", ""), coding.get("code"))


def _contact_value(contact_point: dict[str, Any]) -> str | None:
    value = contact_point.get("value")
    return None if value is None else folded(value)


def _boolean(element: bool) -> str:
    return "true" if element else "false"


_READERS = {
    "CodeableConcept": Reader(_concept, several=True),
    "Coding": Reader(_coding, several=True),
    "Identifier": Reader(identifier_values, several=True),
    "ContactPoint": Reader(_contact_value),
    "string": Reader(folded),
    "boolean": Reader(_boolean),
}


def condition(asked: Asked) -> Condition:
    """Return the condition on the document.

    `:not` and `:not-in` are for the caller, who knows all fields of a parameter: here is what they negate.
    """
    modifier = NEGATIONS.get(asked.modifier or "", asked.modifier)
    return both(_of_modifier(asked, modifier, text) for text in asked.texts)


def _of_modifier(asked: Asked, modifier: str | None, text: str) -> Condition:
    match modifier:
        case "text":
            return either(_beginning(asked, part) for part in _listed(asked, text, "text"))
        case "of-type":
            return _of_type(asked, text)
        case "in":
            return _in_value_sets(asked, text)
        case "above" | "below":
            return _related(asked, text, modifier)
    return _one(asked, text)


def _listed(asked: Asked, text: str, modifier: str) -> list[str]:
    parts = split(text, ",")
    if not all(parts):
        raise asked.refusal(_FORMS[modifier])
    return parts


def _beginning(asked: Asked, text: str) -> Condition:
    wanted = normalised(unescape(text))
    if not 0 < len(wanted) <= modified.LONGEST_TEXT:
        raise asked.refusal(_FORMS["text"])
    return modified.starting_with(modified.prefix(asked.field, "text") + wanted)


def _of_type(asked: Asked, text: str) -> Condition:
    wanted = []
    for alternative in _listed(asked, text, "of-type"):
        parts = [unescape(part) for part in split(alternative, "|")]
        if len(parts) != 3 or not all(parts):
            raise asked.refusal(_FORMS["of-type"])
        system, code, value = parts
        beginning = modified.prefix(asked.field, "of-type")
        wanted.append(f"{beginning}{system}|{folded(code)}|{folded(value)}")
    return one_of(modified.PATH, wanted)


def _in_value_sets(asked: Asked, text: str) -> Condition:
    listed = _listed(asked, text, "in")
    if len(listed) > _MOST_SETS:
        raise asked.refusal(f"with :in and :not-in there are {_MOST_SETS} value sets at most")
    names = tuple(unescape(part).removeprefix(f"{asked.base_url}/") for part in listed)
    if not all(":" in name or name.startswith("ValueSet/") for name in names):
        raise asked.refusal(_FORMS["in"])
    return {asked.field.path: {"$in": CodesOfValueSets(names, asked.field.parameter.paths)}}


def _related(asked: Asked, text: str, direction: Literal["above", "below"]) -> Condition:
    """Return the condition that a code is one of those asked for, or above or below it."""
    listed = _listed(asked, text, direction)
    if len(listed) > _MOST_SETS:
        raise asked.refusal(f"with :{direction} there are {_MOST_SETS} codes at most")
    paths = asked.field.parameter.paths
    systems = {path.codes_system for path in paths}
    codes: list[tuple[str, str]] = []
    conditions: list[Condition] = []
    for alternative in listed:
        parts = [unescape(part) for part in split(alternative, "|")]
        system = parts[0] if len(parts) == 2 else next(iter(systems)) if len(systems) == 1 else None
        if len(parts) > 2 or not parts[-1] or not system:
            raise asked.refusal(_FORMS[direction])
        if system == _MIME_TYPES and {path.type for path in paths} == {"code"}:
            conditions += _media_types(asked, parts[-1], direction)
        else:
            codes.append((system, parts[-1]))
    if codes:
        conditions.append({asked.field.path: {"$in": RelatedCodes(tuple(codes), direction, paths)}})
    return either(conditions)


def _media_types(asked: Asked, text: str, direction: Literal["above", "below"]) -> list[Condition]:
    """Return the conditions on a media type: `image` is above `image/png`, which is above `image/png;q=1`."""
    path, wanted = asked.field.path, escaped(text.rstrip("/"))
    if direction == "below":
        ends = "/;" if "/" not in wanted else ";"
        return [{path: wanted}, *({path: starting_with(wanted + end)} for end in ends)]
    whole = wanted.partition(";")[0]
    return [one_of(path, [wanted, whole, whole.partition("/")[0]])]


def _one(asked: Asked, text: str) -> Condition:
    exact: list[str] = []
    conditions: list[Condition] = []
    paths = asked.field.parameter.paths
    for alternative in split(text, ","):
        parts = [unescape(part) for part in split(alternative, "|")]
        if len(parts) > 2 or not any(parts):
            raise asked.refusal("a token is code, system|code, |code or system|")
        if len(parts) == 1:
            exact += without_system(paths, parts[0])
        elif all(path.type in WITHOUT_SYSTEM for path in paths):
            raise asked.refusal("there is no system here, so that a token is just the value")
        elif parts[1]:
            exact += with_system(paths, *parts)
        else:
            conditions += _of_system(asked, parts[0])
    if exact:
        conditions.append(one_of(asked.field.path, exact))
    return either(conditions) if conditions else NOTHING


def _of_system(asked: Asked, system: str) -> list[Condition]:
    paths = asked.field.parameter.paths
    found: list[Condition] = []
    if any(path.type in CODED for path in paths):
        found.append(asked.on_values(starting_with(f"{system}|")))
    if any(path.type not in CODED and has_system(path, system, paths) for path in paths):
        found.append({asked.field.path: {"$exists": True}})
    return found
