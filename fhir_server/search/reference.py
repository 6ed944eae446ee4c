"""reference: what a resource points to. https://hl7.org/fhir/R4/search.html#reference

Indexed as `Type/id`, versions left out; other addresses as they are. An address on this server is also
found by its absolute form, which is for the question to add, since a server may be known by several names.
A canonical is indexed with and without its version.
"""

from typing import Any

from fhir_server.search.asked import Asked, Condition
from fhir_server.search.escaping import split, unescape
from resources.definitions import resource_types
from resources.references import is_id, parse_reference

MODIFIERS: tuple[str, ...] = ()


def values(element: Any, fhir_type: str) -> list[str]:
    """Return the index values of one element."""
    if fhir_type == "Reference":
        reference = element.get("reference")
        if reference is None or reference.startswith("#"):
            return []
        return [reference.partition("/_history/")[0]]
    if fhir_type == "Resource":
        return []
    address, _, version = element.partition("|")
    return [element, address] if version else [address]


def condition(asked: Asked) -> Condition:
    """Return the condition on the document for `id`, `Type/id` or an absolute address, or several."""
    wanted: list[str] = []
    for text in split(asked.text, ","):
        if not text:
            raise asked.refusal("a reference is id, Type/id or an address")
        wanted += _forms(asked, unescape(text))
    return {asked.field: {"$in": wanted} if len(wanted) > 1 else wanted[0]}


def _forms(asked: Asked, text: str) -> list[str]:
    parsed = parse_reference(text.removeprefix(f"{asked.base_url}/"))
    if parsed is not None and not parsed.base:
        return _local_forms(asked, [f"{parsed.resource_type}/{parsed.id}"])
    if is_id(text):
        types = [asked.modifier] if asked.modifier else asked.parameter.targets or resource_types()
        return _local_forms(asked, [f"{name}/{text}" for name in types])
    return [text]


def _local_forms(asked: Asked, relative: list[str]) -> list[str]:
    return relative + [f"{asked.base_url}/{reference}" for reference in relative]
