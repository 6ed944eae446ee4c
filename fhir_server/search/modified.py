"""Index values that only modifiers ask for, of all parameters of a resource in one array.

The values look as they are asked for: `code:text=body height`, `identifier:of-type=<system>|MR|12345`,
`subject:identifier=<system>|12345`. One array costs one index, where a field for each parameter and modifier
would take more indexes than MongoDB has.

https://hl7.org/fhir/R4/search.html#modifiers
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fhir_server.search import asked
from fhir_server.search.asked import Condition, Field, Reader
from fhir_server.search.string import normalised
from fhir_server.search.token_values import folded, identifier_values
from resources.fhirpath.element_paths import ElementPath

PATH = "search.:modifiers"

Element = dict[str, Any]


def prefix(field: Field, modifier: str) -> str:
    """Return what the values of a parameter's field for a modifier begin with."""
    return f"{field.path.removeprefix('search.')}:{modifier}="


def starting_with(beginning: str) -> Condition:
    """Return the condition that one of the values begins with `beginning`, a prefix and more."""
    return {PATH: {"$elemMatch": asked.starting_with(beginning)}}


def modified_readers(field: Field) -> Iterable[tuple[ElementPath, Reader]]:
    """Return how the elements of a field give values for modifiers, and where these elements are."""
    for path in field.parameter.paths:
        for modifier, read in _READ.get((field.type, path.type), {}).items():
            yield path, Reader(_prefixed(prefix(field, modifier), read), several=True)


def _prefixed(beginning: str, read: Callable[[Element], list[str]]) -> Callable[[Element], list[str]]:
    return lambda element: [beginning + value for value in read(element)]


def _concept_texts(concept: Element) -> list[str]:
    displays = [coding.get("display") for coding in concept.get("coding", ())]
    return _texts([concept.get("text"), *displays])


def _coding_texts(coding: Element) -> list[str]:
    return _texts([coding.get("display")])


def _identifier_texts(identifier: Element) -> list[str]:
    return _texts([identifier.get("type", {}).get("text")])


def _texts(found: Iterable[str | None]) -> list[str]:
    return [normalised(text) for text in dict.fromkeys(found) if text is not None]


def _typed_identifier(identifier: Element) -> list[str]:
    value = identifier.get("value")
    if value is None:
        return []
    return [
        f"{coding.get('system', '')}|{folded(coding['code'])}|{folded(value)}"
        for coding in identifier.get("type", {}).get("coding", ())
        if "code" in coding
    ]


def _reference_identifier(reference: Element) -> list[str]:
    identifier = reference.get("identifier")
    return [] if identifier is None else identifier_values(identifier)


_READ: Mapping[tuple[str, str], Mapping[str, Callable[[Element], list[str]]]] = {
    ("token", "CodeableConcept"): {"text": _concept_texts},
    ("token", "Coding"): {"text": _coding_texts},
    ("token", "Identifier"): {"text": _identifier_texts, "of-type": _typed_identifier},
    ("reference", "Reference"): {"identifier": _reference_identifier},
}
