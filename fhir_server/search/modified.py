"""Index values that only modifiers ask for, of all parameters of a resource in one array.

The values look as they are asked for: `code:text=body height`, `identifier:of-type=<system>|MR|12345`,
`subject:identifier=<system>|12345`. One array costs one index, where a field for each parameter and modifier
would take more indexes than MongoDB has.

https://hl7.org/fhir/R4/search.html#modifiers
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from typing import Any

from fhir_server.search import asked
from fhir_server.search.asked import Condition, Field, Reader
from fhir_server.search.string import normalised
from fhir_server.search.token_values import folded, identifier_values
from resources.fhirpath.element_paths import ElementPath

PATH = "search.:modifiers"

LONGEST_TEXT = 500
"""Of a text so many characters are kept, by the start of which it is found."""

_LONGEST_REMEMBERED = 64

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
            yield path, Reader(partial(read, prefix(field, modifier)), several=True)


def _concept_texts(beginning: str, concept: Element) -> list[str]:
    text = concept.get("text")
    found = [] if text is None else [_form(beginning, text)]
    for coding in concept.get("coding", ()):
        display = coding.get("display")
        if display is not None and display != text:
            found.append(_form(beginning, display))
    return found


def _coding_texts(beginning: str, coding: Element) -> list[str]:
    display = coding.get("display")
    return [] if display is None else [_form(beginning, display)]


def _identifier_texts(beginning: str, identifier: Element) -> list[str]:
    text = identifier.get("type", {}).get("text")
    return [] if text is None else [_form(beginning, text)]


def _form(beginning: str, text: str) -> str:
    return (
        _remembered(beginning, text)
        if len(text) <= _LONGEST_REMEMBERED
        else beginning + normalised(text)[:LONGEST_TEXT]
    )


# Displays come again and again, long texts do not.
@lru_cache(maxsize=16_384)
def _remembered(beginning: str, text: str) -> str:
    return beginning + normalised(text)


def _typed_identifier(beginning: str, identifier: Element) -> list[str]:
    value = identifier.get("value")
    if value is None:
        return []
    return [
        f"{beginning}{coding.get('system', '')}|{folded(coding['code'])}|{folded(value)}"
        for coding in identifier.get("type", {}).get("coding", ())
        if "code" in coding
    ]


def _reference_identifier(beginning: str, reference: Element) -> list[str]:
    identifier = reference.get("identifier")
    return [] if identifier is None else [beginning + value for value in identifier_values(identifier)]


_READ: Mapping[tuple[str, str], Mapping[str, Callable[[str, Element], list[str]]]] = {
    ("token", "CodeableConcept"): {"text": _concept_texts},
    ("token", "Coding"): {"text": _coding_texts},
    ("token", "Identifier"): {"text": _identifier_texts, "of-type": _typed_identifier},
    ("reference", "Reference"): {"identifier": _reference_identifier},
}
