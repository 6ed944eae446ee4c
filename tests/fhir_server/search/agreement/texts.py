"""Does an element have a text, or an address?

https://hl7.org/fhir/R4/search.html#string, https://hl7.org/fhir/R4/search.html#uri
"""

import unicodedata
from collections.abc import Iterator
from typing import Any

from tests.fhir_server.search.agreement.asking import Asked, plain
from tests.fhir_server.search.agreement.elements import Element

_NO_TEXT = ("use", "period", "type", "id", "extension")


def meets_string(element: Element, text: str, asked: Asked) -> bool:
    """Tell whether a text starts with `text`, contains it, or is it exactly."""
    wanted = plain(text)
    if asked.modifier == "exact":
        return wanted in parts(element)
    if asked.modifier == "contains":
        return any(folded(wanted) in folded(part) for part in parts(element))
    return any(folded(part).startswith(folded(wanted)) for part in (*parts(element), *later_names(element)))


def starts(value: str, wanted: str) -> bool:
    """Tell whether `value` starts with `wanted` as strings are compared."""
    return folded(value).startswith(folded(wanted))


def parts(element: Element) -> list[str]:
    """Return the texts of an element: those of a name or an address are searched each by itself."""
    if element.type not in ("HumanName", "Address"):
        return [element.value]
    return [
        part
        for key, value in element.value.items()
        if key not in _NO_TEXT and not key.startswith("_")
        for part in (value if isinstance(value, list) else [value])
        if part is not None
    ]


def later_names(element: Element) -> Iterator[str]:
    """Yield what of a family name begins with its second word, its third and so on.

    "searching either Carreno or Quinones should match a family name of Carreno Quinones"
    """
    for family in _families(element):
        words = folded(family).split(" ")
        yield from (" ".join(words[start:]) for start in range(1, len(words)))


def _families(element: Element) -> list[str]:
    if element.type == "HumanName":
        return [element.value["family"]] if element.value.get("family") else []
    return [element.value] if element.path.endswith("family") else []


def folded(text: str) -> str:
    """Return `text` without case, accents, punctuation and repeated spaces; a dash is a space."""
    letters = [c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c)]
    spaced = [" " if unicodedata.category(c) == "Pd" else c for c in letters]
    found = " ".join("".join(c for c in spaced if unicodedata.category(c)[0] != "P").split())
    return found or " ".join("".join(letters).split())


def meets_uri(element: Element, text: str, asked: Asked) -> bool:
    """Tell whether an address is `text`, or above or below it."""
    wanted, value = plain(text), element.value
    forms = [value, value.partition("|")[0]] if element.type == "canonical" else [value]
    if asked.modifier == "below":
        return any(form.rstrip("/") == wanted or is_below(form, wanted) for form in forms)
    if asked.modifier == "above":
        return any(wanted.rstrip("/") == form or is_below(wanted, form) for form in forms)
    return wanted in forms


def is_below(url: str, above: str) -> bool:
    """Tell whether `url` is `above`, or lies below it."""
    return url == above or url.startswith(above.rstrip("/") + "/")


def meets_own_url(resource: dict[str, Any], text: str) -> bool:
    """Tell whether the resource's own canonical address is `text`, which may name a version."""
    url, bar, version = plain(text).rpartition("|")
    if not bar:
        return resource.get("url") == version
    return resource.get("url") == url and resource.get("version") == version
