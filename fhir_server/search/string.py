"""string: names, addresses, titles. https://hl7.org/fhir/R4/search.html#string

Indexed without regard to case, accents and repeated spaces, so that the start of a name is a range of an
index. `:exact` asks the index in the same way, and the resource itself for the characters as they were
written.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Any

from fhir_server.search.asked import Asked, Condition, either, starting_with
from fhir_server.search.escaping import split, unescape

MODIFIERS = ("exact", "contains")

# The parts by which a name or an address is found: https://hl7.org/fhir/R4/search.html#string
_PARTS = {
    "HumanName": ("text", "family", "given", "prefix", "suffix"),
    "Address": ("text", "line", "city", "district", "state", "postalCode", "country"),
}


def values(element: Any, fhir_type: str) -> list[str]:
    """Return the index values of one element."""
    if fhir_type not in _PARTS:
        return [normalised(element)]
    found: list[str] = []
    for part in _PARTS[fhir_type]:
        value = element.get(part)
        if isinstance(value, str):
            found.append(normalised(value))
        elif isinstance(value, list):
            found += [normalised(item) for item in value if isinstance(item, str)]
    return found


@lru_cache(maxsize=4096)
def normalised(text: str) -> str:
    """Return `text` folded to the form in which strings are compared."""
    folded = text.casefold()
    if not folded.isascii():
        decomposed = unicodedata.normalize("NFKD", folded)
        folded = "".join(character for character in decomposed if not unicodedata.combining(character))
    return " ".join(folded.split())


def condition(asked: Asked) -> Condition:
    """Return the condition on the document for text that starts a value, is part of it, or is all of it."""
    conditions: list[Condition] = []
    for escaped in split(asked.text, ","):
        text = unescape(escaped)
        wanted = normalised(text)
        if not wanted:
            raise asked.refusal("a string is not empty")
        if asked.modifier == "exact":
            conditions.append({"$and": [{asked.field: wanted}, either(_as_written(asked, text))]})
        elif asked.modifier == "contains":
            conditions.append({asked.field: {"$regex": re.escape(wanted)}})
        else:
            conditions.append({asked.field: starting_with(wanted)})
    return either(conditions)


def _as_written(asked: Asked, text: str) -> list[Condition]:
    places = []
    for path in asked.parameter.paths:
        place = ".".join(("resource", *(step.key for step in path.steps)))
        places += [f"{place}.{part}" for part in _PARTS[path.type]] if path.type in _PARTS else [place]
    return [{place: text} for place in places]
