"""uri: addresses and names that are compared character for character. https://hl7.org/fhir/R4/search.html#uri"""

from typing import Any

from fhir_server.search.asked import Asked, Condition
from fhir_server.search.escaping import split, unescape

MODIFIERS: tuple[str, ...] = ()


def values(element: Any, fhir_type: str) -> list[str]:
    """Return the index values of one element; a canonical is found without its version as well."""
    address, _, version = element.partition("|")
    return [element, address] if version and fhir_type == "canonical" else [element]


def condition(asked: Asked) -> Condition:
    """Return the condition on the document for one uri or several."""
    wanted = [unescape(text) for text in split(asked.text, ",")]
    if not all(wanted):
        raise asked.refusal("a uri is not empty")
    return {asked.field: {"$in": wanted} if len(wanted) > 1 else wanted[0]}
