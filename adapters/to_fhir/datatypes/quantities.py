"""Numbers, and the values of observations: NM, SN, NR, CQ, NA, ED, RP, MO.

https://hl7.org/fhir/R4/datatypes.html#Quantity, HL7 v2.5.1 §2.A.47 (NM), §2.A.70 (SN)
"""

import base64
import binascii
from decimal import Decimal
from typing import Any

from adapters.to_fhir.scope import Scope
from adapters.to_fhir.tables.codes import system_of
from adapters.to_fhir.value import Value
from hl7.datatypes import number
from hl7.errors import DATA_TYPE

_UCUM = "http://unitsofmeasure.org"
_COMPARATORS = ("<", "<=", ">=", ">")
_MEDIA = {"AP": "application", "AU": "audio", "FT": "text", "IM": "image", "SI": "image", "TEXT": "text"}


def decimal(value: Value, scope: Scope) -> Decimal | None:
    """Return an NM, each digit kept; raise HL7Error (102) if it is no number."""
    told = value[1]
    return Decimal(number(told, scope.place.location())) if told else None


def positive(value: Value, scope: Scope) -> int | None:
    """Return an NM as a positiveInt, None if it is none."""
    found = decimal(value, scope)
    return int(found) if found is not None and found > 0 and found == int(found) else None


def unit(value: Value) -> dict[str, str]:
    """Return what a CWE says of a unit: in words, and as a code of a system (CWE[Quantity])."""
    code, words, system = value[1], value[2], value[3]
    made: dict[str, str] = {}
    if words or code:
        made["unit"] = words or code
    if code and system:
        made |= {"system": system_of(system), "code": code}
    return made


def quantity(value: Value, scope: Scope, units: Value | None = None) -> dict[str, Any] | None:
    """Return an NM with its units (OBX-6) as a Quantity."""
    found = decimal(value, scope)
    if found is None:
        return None
    return {"value": found} | (unit(units) if units is not None and units.raw else {})


def cq(value: Value, scope: Scope) -> dict[str, Any] | None:
    """Return a CQ as a Quantity; its units are a CWE among subcomponents."""
    found = decimal(value, scope)
    return None if found is None else {"value": found} | unit(value.part(2))


def money(value: Value, scope: Scope) -> dict[str, Any] | None:
    """Return a CP or MO as Money; a currency that is not named is that of the invoice, and left out."""
    amount = value.part(1)
    raw, currency = (amount[1], amount[2]) if len(amount.parts) > 1 else (value[1], value[2])
    if not raw:
        return None
    made: dict[str, Any] = {"value": Decimal(number(raw, scope.place.location()))}
    return made | ({"currency": currency.upper()} if len(currency) == 3 and currency.isalpha() else {})


def range_of(value: Value, scope: Scope) -> dict[str, Any] | None:
    """Return an NR as a Range."""
    made: dict[str, Any] = {}
    for component, element in ((1, "low"), (2, "high")):
        if value[component]:
            made[element] = {"value": Decimal(number(value[component], scope.place.location()))}
    return made or None


def structured(value: Value, scope: Scope, units: Value | None) -> tuple[str, Any] | None:
    """Return an SN as the element and value that it makes: a Quantity, Range, Ratio or string."""
    comparator, first, separator, second = (value[component] for component in range(1, 5))
    place = scope.place.location()
    if comparator == "<>" or separator == "+" or (second and separator not in ("-", ":", "/")) or not first:
        told = " ".join(filter(None, (comparator, first, separator, second)))
        return ("valueString", told) if told else None
    low = {"value": Decimal(number(first, place))} | (unit(units) if units is not None and units.raw else {})
    if second:
        high = {**low, "value": Decimal(number(second, place))}
        if separator == "-":
            return "valueRange", {"low": low, "high": high}
        numerator = low | ({"comparator": comparator} if comparator in _COMPARATORS else {})
        return "valueRatio", {"numerator": numerator, "denominator": {"value": high["value"]}}
    if comparator in _COMPARATORS:
        low = {"value": low.pop("value"), "comparator": comparator, **low}
    return "valueQuantity", low


def length_of_stay(value: Value, scope: Scope) -> dict[str, Any] | None:
    """Return an NM as a Duration in days."""
    found = decimal(value, scope)
    if found is None or found < 0:
        return None
    return {"value": found, "unit": "days", "system": _UCUM, "code": "d"}


def embedded(value: Value, scope: Scope) -> dict[str, Any] | None:
    """Return an ED as an Attachment: what it contains, in base 64."""
    kind, subtype, encoding, data = value[2], value[3], value[4].upper(), value[5]
    if not data:
        return None
    made: dict[str, Any] = {}
    content = content_type(kind, subtype)
    if content:
        made["contentType"] = content
    made["data"] = _base64(data, encoding, scope)
    return made


def content_type(kind: str, subtype: str) -> str:
    """Return the media type of an ED or RP by its type of data (table 0191) and subtype (table 0291)."""
    if "/" in subtype:
        return subtype.lower()
    major = _MEDIA.get(kind.upper(), kind.lower())
    if subtype.upper() == "PDF" or kind.upper() == "PDF":
        return "application/pdf"
    if major and subtype and major.isalpha():
        return f"{major}/{subtype.lower()}"
    return "text/plain" if major in ("text", "tx") else ""


def _base64(data: str, encoding: str, scope: Scope) -> str:
    try:
        if encoding in ("HEX",):
            return base64.b64encode(binascii.unhexlify(data)).decode()
        if encoding in ("A", ""):
            return base64.b64encode(data.encode()).decode()
        packed = "".join(data.split())
        base64.b64decode(packed, validate=True)
    except (ValueError, binascii.Error):
        raise scope.error("the data is not encoded as it says", DATA_TYPE) from None
    return packed


def pointer(value: Value, _scope: Scope) -> dict[str, Any] | None:
    """Return an RP as an Attachment: where it is."""
    if not value[1]:
        return None
    made = {"url": value[1].replace(" ", "%20")}
    kind = content_type(value[3], value[4])
    return made | ({"contentType": kind} if kind else {})


def sampled(value: Value, _scope: Scope) -> str | None:
    """Return the numbers of an NA one behind the other, as SampledData has them."""
    return " ".join(one for one in (value[place] for place in range(1, len(value.parts) + 1)) if one) or None
