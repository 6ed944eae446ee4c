"""token: a code, an identifier, a yes or no. https://hl7.org/fhir/R4/search.html#token

Indexed as the strings `system|code` and `code`, so that each way of asking is one look into an index. Letters
are compared without regard to case, as the specification has it when in doubt, except in elements of the
types `code`, `id` and `uri`. These, booleans, strings and the values of ContactPoints are indexed as the code
alone; the system of a `code` is known from its binding.
"""

from typing import Any

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
from resources.fhirpath.element_paths import ElementPath

MODIFIERS = ("not",)

_SPECIAL_VALUES = "http://hl7.org/fhir/special-values"

# "The presence of the pipe symbol SHALL NOT be used" for the first three; ids have no system either.
_WITHOUT_SYSTEM = frozenset({"ContactPoint", "uri", "boolean", "id"})
_FOLDED = frozenset({"Coding", "CodeableConcept", "Identifier", "ContactPoint", "string"})
_CODED = frozenset({"Coding", "CodeableConcept", "Identifier"})


def reader(path: ElementPath) -> Reader:
    """Return how elements of the path's type are indexed."""
    return _READERS.get(path.type, Reader(as_it_is))


def _concept(concept: dict[str, Any]) -> list[str]:
    codings = concept.get("coding", ())
    if len(codings) == 1:
        return _coding(codings[0])
    return list(dict.fromkeys(value for coding in codings for value in _coding(coding)))


def _coding(coding: dict[str, Any]) -> list[str]:
    return _values(coding.get("system", ""), coding.get("code"))


def _identifier(identifier: dict[str, Any]) -> list[str]:
    return _values(identifier.get("system", ""), identifier.get("value"))


def _values(system: str, code: str | None) -> list[str]:
    if code is None:
        return [f"{system}|"] if system else []
    folded = code.casefold()
    if "|" in folded:
        folded = _escaped(folded)
    return [f"{system}|{folded}", folded]


def _escaped(code: str) -> str:
    # A code with a pipe must not look like a system and a code.
    return code.replace("|", r"\|")


def _contact_value(contact_point: dict[str, Any]) -> str | None:
    value = contact_point.get("value")
    return None if value is None else _escaped(value.casefold())


def _folded(text: str) -> str:
    return _escaped(text.casefold())


def _boolean(element: bool) -> str:
    return "true" if element else "false"


_READERS = {
    "CodeableConcept": Reader(_concept, several=True),
    "Coding": Reader(_coding, several=True),
    "Identifier": Reader(_identifier, several=True),
    "ContactPoint": Reader(_contact_value),
    "string": Reader(_folded),
    "boolean": Reader(_boolean),
}


def condition(asked: Asked) -> Condition:
    """Return the condition on the document; `:not` is for the caller, who knows all fields of a parameter."""
    return both(_one(asked, text) for text in asked.texts)


def _one(asked: Asked, text: str) -> Condition:
    exact: list[str] = []
    conditions: list[Condition] = []
    for alternative in split(text, ","):
        parts = [unescape(part) for part in split(alternative, "|")]
        if len(parts) > 2 or not any(parts):
            raise asked.refusal("a token is code, system|code, |code or system|")
        if len(parts) == 1:
            exact += _without_system(asked, parts[0])
        elif _takes_no_system(asked):
            raise asked.refusal("there is no system here, so that a token is just the value")
        elif parts[1]:
            exact += _with_system(asked, *parts)
        else:
            conditions += _of_system(asked, parts[0])
    if exact:
        conditions.append(one_of(asked.field.path, exact))
    return either(conditions) if conditions else NOTHING


def _takes_no_system(asked: Asked) -> bool:
    return all(path.type in _WITHOUT_SYSTEM for path in asked.field.parameter.paths)


def _without_system(asked: Asked, code: str) -> list[str]:
    types = {path.type for path in asked.field.parameter.paths}
    forms = {_escaped(code.casefold())} if types & _FOLDED else set()
    return sorted(forms | ({_escaped(code)} if types - _FOLDED else set()))


def _with_system(asked: Asked, system: str, code: str) -> list[str]:
    forms: set[str] = set()
    for path in asked.field.parameter.paths:
        if path.type in _CODED:
            forms.add(f"{system}|{_escaped(code.casefold())}")
        elif path.type == "string" and not system:
            forms.add(_folded(code))
        elif _has_system(path, system):
            forms.add(_escaped(code))
    return sorted(forms)


def _has_system(path: ElementPath, system: str) -> bool:
    """Tell whether the codes of a plain element are of `system`, which the element itself does not say."""
    if path.type == "code":
        # Without a single known system, such as of languages, whatever the client says is taken as right.
        return path.codes_system is None or system in ("", path.codes_system)
    return path.type == "boolean" and system == _SPECIAL_VALUES


def _of_system(asked: Asked, system: str) -> list[Condition]:
    paths = asked.field.parameter.paths
    found: list[Condition] = []
    if any(path.type in _CODED for path in paths):
        found.append(asked.on_values(starting_with(f"{system}|")))
    if any(path.type not in _CODED and _has_system(path, system) for path in paths):
        found.append({asked.field.path: {"$exists": True}})
    return found
