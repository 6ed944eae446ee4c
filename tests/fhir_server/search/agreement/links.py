"""Does an element point to a resource, and to which ones? https://hl7.org/fhir/R4/search.html#reference"""

import re
from dataclasses import replace

from tests.fhir_server.search.agreement import tokens
from tests.fhir_server.search.agreement.asking import Asked, plain
from tests.fhir_server.search.agreement.elements import Element

_LOCAL = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9.-]{1,64})(?:/_history/([A-Za-z0-9.-]{1,64}))?")


def meets(element: Element, text: str, asked: Asked) -> bool:
    """Tell whether a reference is to what `text` names: `id`, `Type/id` or an address."""
    if asked.modifier == "identifier":
        return _has_identifier(element, text, asked)
    wanted = plain(text).removeprefix(asked.base_url)
    if element.type != "Reference":
        return bool(element.value == wanted or element.value.partition("|")[0] == wanted)
    found = element.value.get("reference", "").removeprefix(asked.base_url)
    if "/_history/" not in wanted:
        found = found.partition("/_history/")[0]
    if not re.fullmatch(r"[A-Za-z0-9.-]{1,64}", wanted):
        return bool(found == wanted)
    types = [asked.modifier] if asked.modifier else asked.targets
    return any(found == f"{name}/{wanted}" for name in types) or (not types and found.endswith(f"/{wanted}"))


def _has_identifier(element: Element, text: str, asked: Asked) -> bool:
    """Tell whether the identifier beside the reference, not the one of the resource there, is `text`."""
    if element.type != "Reference" or "identifier" not in element.value:
        return False
    identifier = Element("Identifier", element.value["identifier"], "Identifier")
    return tokens.meets(identifier, text, replace(asked, modifier=""))


def local_target(element: Element, base_url: str) -> tuple[str, str] | None:
    """Return type and id of the resource of this server that a reference points to."""
    if element.type != "Reference":
        return None
    match = _LOCAL.fullmatch(element.value.get("reference", "").removeprefix(base_url))
    return (match[1], match[2]) if match else None
