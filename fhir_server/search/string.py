"""string: names, addresses, titles. https://hl7.org/fhir/R4/search.html#string

Indexed without regard to case, accents, punctuation and repeated spaces, so that the start of a name is a
range of an index. The parts of a family name are found each by itself. `:exact` asks the resource for the
characters as they were written.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from fhir_server.search.asked import Asked, Condition, Reader, both, either, starting_with
from fhir_server.search.escaping import split, unescape
from fhir_server.search.written import written
from resources.fhirpath.element_paths import ElementPath

MODIFIERS = ("exact", "contains")

# The elements of type string, by which a name or an address is found.
_PARTS = {
    "HumanName": ("text", "family", "given", "prefix", "suffix"),
    "Address": ("text", "line", "city", "district", "state", "postalCode", "country"),
}

_PERHAPS_PUNCTUATION = re.compile(r"[^\w\s]|_")
# A family name with more words than these is found by its first words only.
_MOST_PARTS = 8
_LONGEST_REMEMBERED = 64
# MongoDB refuses patterns of 32,764 bytes and more.
_LONGEST_PART = 1_000


def reader(path: ElementPath) -> Reader:
    """Return how elements of the path's type are indexed."""
    if path.type == "HumanName":
        return Reader(_name, several=True)
    if path.type == "Address":
        return Reader(_address, several=True)
    if path.steps and path.steps[-1].key == "family":
        return Reader(_family, several=True)
    return Reader(normalised)


def _name(name: dict[str, Any]) -> list[str]:
    family = name.get("family")
    return _distinct([*_texts(name, "HumanName"), *(_family(family)[1:] if family else ())])


def _address(address: dict[str, Any]) -> list[str]:
    return _distinct(_texts(address, "Address"))


def _texts(element: dict[str, Any], fhir_type: str) -> Iterable[str]:
    for part in _PARTS[fhir_type]:
        value = element.get(part)
        if isinstance(value, list):
            yield from (normalised(item) for item in value if item is not None)
        elif value is not None:
            yield normalised(value)


def _family(family: str) -> list[str]:
    """Return a family name, and what of it begins with the second word, the third and so on."""
    whole = normalised(family)
    found = [whole]
    while " " in found[-1] and len(found) < _MOST_PARTS:
        found.append(found[-1].partition(" ")[2])
    return found


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def normalised(text: str) -> str:
    """Return `text` folded to the form in which strings are compared.

    A dash counts as a space, other punctuation as nothing: `Anne-Marie` is `anne marie`, `O'Brien` is
    `obrien`. What is punctuation alone is left as it is.
    """
    return _remembered(text) if len(text) <= _LONGEST_REMEMBERED else _folded(text)


def _folded(text: str) -> str:
    folded = text.casefold()
    if not folded.isascii():
        decomposed = unicodedata.normalize("NFKD", folded).casefold()
        folded = "".join(character for character in decomposed if not unicodedata.combining(character))
    letters = folded
    if _PERHAPS_PUNCTUATION.search(folded):
        letters = "".join(map(_without_punctuation, folded))
    return " ".join(letters.split()) or " ".join(folded.split())


# Names come again and again, long texts do not.
_remembered = lru_cache(maxsize=4096)(_folded)


def _without_punctuation(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Pd":
        return " "
    return "" if category[0] == "P" else character


def condition(asked: Asked) -> Condition:
    """Return the condition on the document for text that starts a value, is part of it, or is all of it."""
    return both(_one(asked, text) for text in asked.texts)


def _one(asked: Asked, text: str) -> Condition:
    conditions: list[Condition] = []
    for escaped in split(text, ","):
        literal = unescape(escaped)
        wanted = normalised(literal)
        if not wanted:
            raise asked.refusal("a string is more than spaces")
        if asked.modifier == "exact":
            conditions.append(both([{asked.field.path: wanted}, either(_as_written(asked, literal))]))
        elif asked.modifier == "contains":
            if len(wanted) > _LONGEST_PART:
                raise asked.refusal(f"with :contains a string has {_LONGEST_PART} characters at most")
            conditions.append({asked.field.path: {"$regex": re.escape(wanted)}})
        else:
            conditions.append(asked.on_values(starting_with(wanted)))
    return either(conditions)


def _as_written(asked: Asked, literal: str) -> Iterable[Condition]:
    for path in asked.field.parameter.paths:
        for part in _PARTS.get(path.type, ("",)):
            yield written(path, literal, below=part)
