"""Does an element have a code? https://hl7.org/fhir/R4/search.html#token"""

from collections.abc import Iterator

from tests.fhir_server.search.agreement.asking import Asked, plain, split
from tests.fhir_server.search.agreement.definitions import system_of
from tests.fhir_server.search.agreement.elements import Element
from tests.fhir_server.search.agreement.texts import starts

ANY = "any system"
"""Stands where an element does not say its system, and its binding does not either."""


def meets(element: Element, text: str, asked: Asked) -> bool:
    """Tell whether `element` has the code that `text` asks for; `:not` and `:not-in` are for the caller."""
    if asked.modifier == "text":
        return any(starts(found, plain(text)) for found in written_texts(element))
    if asked.modifier == "of-type":
        return _is_of_type(element, text)
    if asked.modifier in ("in", "not-in"):
        members = asked.value_sets[plain(text)]
        return any((own or "", str(code).casefold()) in members for own, code in codes(element))
    if asked.modifier in ("above", "below"):
        return _is_related(element, text, asked)
    return any(_is(element, own, code, text) for own, code in codes(element))


def _is(element: Element, own: str | None, code: str | None, text: str) -> bool:
    parts = [plain(part) for part in split(text, "|")]
    if len(parts) == 1:
        return _same_code(element.type, code, parts[0])
    system, wanted = parts
    if own != ANY and (own or "") != system:
        return False
    return _same_code(element.type, code, wanted) if wanted else bool(own)


def codes(element: Element) -> Iterator[tuple[str | None, str | None]]:
    """Yield systems and codes of an element."""
    value = element.value
    if element.type == "CodeableConcept":
        yield from ((coding.get("system"), coding.get("code")) for coding in value.get("coding", []))
    elif element.type == "Coding":
        yield value.get("system"), value.get("code")
    elif element.type == "Identifier":
        yield value.get("system"), value.get("value")
    elif element.type == "ContactPoint":
        yield None, value.get("value")
    elif element.type == "boolean":
        yield None, "true" if value else "false"
        yield "http://hl7.org/fhir/special-values", "true" if value else "false"
    elif element.type == "code":  # its system is implied, and it has no property that says so
        yield None, value
        yield system_of(element.value_set) or ANY, value
    else:
        yield None, value


def _same_code(fhir_type: str, one: str | None, other: str) -> bool:
    if one is None:
        return False
    if fhir_type in ("code", "id", "uri", "boolean"):
        return one == other
    return one.casefold() == other.casefold()


def written_texts(element: Element) -> Iterator[str]:
    """Yield the text that is associated with a code."""
    value = element.value
    if element.type == "CodeableConcept":
        yield from [value["text"]] if "text" in value else []
        yield from (coding["display"] for coding in value.get("coding", []) if "display" in coding)
    elif element.type == "Coding" and "display" in value:
        yield value["display"]
    elif element.type == "Identifier":
        yield from [value["type"]["text"]] if "text" in value.get("type", {}) else []


def _is_of_type(element: Element, text: str) -> bool:
    system, code, wanted = (plain(part) for part in split(text, "|"))
    if element.type != "Identifier" or str(element.value.get("value")).casefold() != wanted.casefold():
        return False
    kinds = element.value.get("type", {}).get("coding", [])
    return any(
        kind.get("system") == system and str(kind.get("code")).casefold() == code.casefold() for kind in kinds
    )


def _is_related(element: Element, text: str, asked: Asked) -> bool:
    """Tell whether a code is below (above) the one that is asked for, or that one itself."""
    system, wanted = (plain(part) for part in split(text, "|"))
    for own, code in codes(element):
        if own != system or code is None:
            continue
        low, high = (code, wanted) if asked.modifier == "below" else (wanted, code)
        if high in _lineage(system, low, asked):
            return True
    return False


def _lineage(system: str, code: str, asked: Asked) -> list[str]:
    found = [code]
    while (above := asked.parents.get((system, found[-1]))) is not None:
        found.append(above)
    return found
