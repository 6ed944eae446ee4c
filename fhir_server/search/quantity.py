"""quantity: a number with a unit. https://hl7.org/fhir/R4/search.html#quantity

Indexed once for each way of asking for its unit: `{u, v}` with `u` empty, `system|code`, the code, or the
unit's text, and the value `v`.
"""

from typing import Any

from fhir_server.search.asked import Asked, Condition, either
from fhir_server.search.escaping import split, unescape
from fhir_server.search.number import alternatives, parse_number

MODIFIERS: tuple[str, ...] = ()

_CURRENCIES = "urn:iso:std:iso:4217"


def values(element: Any, fhir_type: str) -> list[dict[str, Any]]:
    """Return the index values of one element; of a range those of both ends."""
    if fhir_type == "Range":
        ends = [element[end] for end in ("low", "high") if end in element]
        return [value for end in ends for value in values(end, "Quantity")]
    number = element.get("value")
    if number is None:
        return []
    if fhir_type == "Money":
        system, code, unit = _CURRENCIES, element.get("currency"), None
    else:
        system, code, unit = element.get("system", ""), element.get("code"), element.get("unit")
    units = dict.fromkeys(("", f"{system}|{code}" if code else "", code or "", unit or ""))
    return [{"u": name, "v": number} for name in units]


def condition(asked: Asked) -> Condition:
    """Return the condition on the document for `number`, `number|system|code`, `number||unit`, or several."""
    return either([_one(asked, text) for text in split(asked.text, ",")])


def _one(asked: Asked, text: str) -> Condition:
    parts = [unescape(part) for part in split(text, "|")]
    if len(parts) not in (1, 3) or (len(parts) == 3 and not parts[2]):
        raise asked.refusal("a quantity is number, number|system|code or number||unit")
    prefix, number = parse_number(asked, parts[0])
    unit = "" if len(parts) == 1 else f"{parts[1]}|{parts[2]}" if parts[1] else parts[2]
    return either(
        [{asked.field: {"$elemMatch": {"u": unit, "v": limit}}} for limit in alternatives(prefix, number)]
    )
