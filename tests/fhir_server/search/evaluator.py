"""A plain reading of R4 search in Python: does a resource meet a search? It shares no code with the server.

Slow, small and literal: each rule stands where the specification has it, and nothing is indexed.
https://hl7.org/fhir/R4/search.html
"""

import calendar
import re
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

Resource = dict[str, Any]
Element = tuple[str, Any]
"""The FHIR type of an element, and the element."""

BASE_URL = "http://here.example/fhir/"

# Parameter -> its type, and the elements that it is about as `FhirType path`.
PARAMETERS: dict[str, dict[str, tuple[str, str]]] = {
    "Observation": {
        "_id": ("token", "id id"),
        "_tag": ("token", "Coding meta.tag"),
        "_profile": ("uri", "canonical meta.profile"),
        "_source": ("uri", "uri meta.source"),
        "category": ("token", "CodeableConcept category"),
        "code": ("token", "CodeableConcept code"),
        "component-code": ("token", "CodeableConcept component.code"),
        "combo-code": ("token", "CodeableConcept code, CodeableConcept component.code"),
        "date": (
            "date",
            "dateTime effectiveDateTime, Period effectivePeriod, Timing effectiveTiming,"
            " instant effectiveInstant",
        ),
        "identifier": ("token", "Identifier identifier"),
        "patient": ("reference", "Reference:Patient subject"),
        "performer": ("reference", "Reference performer"),
        "status": ("token", "code status"),
        "subject": ("reference", "Reference subject"),
        "value-concept": ("token", "CodeableConcept valueCodeableConcept"),
        "value-date": ("date", "dateTime valueDateTime, Period valuePeriod"),
        "value-quantity": ("quantity", "Quantity valueQuantity, SampledData valueSampledData"),
        "component-value-quantity": (
            "quantity",
            "Quantity component.valueQuantity, SampledData component.valueSampledData",
        ),
        "combo-value-quantity": (
            "quantity",
            "Quantity valueQuantity, SampledData valueSampledData, Quantity component.valueQuantity,"
            " SampledData component.valueSampledData",
        ),
        "value-string": ("string", "string valueString, string valueCodeableConcept.text"),
    },
    "Patient": {
        "active": ("token", "boolean active"),
        "address": ("string", "Address address"),
        "address-city": ("string", "string address.city"),
        "birthdate": ("date", "date birthDate"),
        "death-date": ("date", "dateTime deceasedDateTime"),
        "email": ("token", "ContactPoint:email telecom"),
        "family": ("string", "family name.family"),
        "gender": ("token", "code gender"),
        "general-practitioner": ("reference", "Reference generalPractitioner"),
        "given": ("string", "string name.given"),
        "identifier": ("token", "Identifier identifier"),
        "language": ("token", "CodeableConcept communication.language"),
        "name": ("string", "HumanName name"),
        "organization": ("reference", "Reference managingOrganization"),
        "telecom": ("token", "ContactPoint telecom"),
    },
    "Encounter": {
        "class": ("token", "Coding class"),
        "date": ("date", "Period period"),
        "length": ("quantity", "Quantity length"),
        "location": ("reference", "Reference location.location"),
        "location-period": ("date", "Period location.period"),
    },
    "RiskAssessment": {"probability": ("number", "decimal prediction.probabilityDecimal")},
    "ValueSet": {
        "context-quantity": (
            "quantity",
            "Quantity useContext.valueQuantity, Range useContext.valueRange",
        ),
        "url": ("uri", "uri url"),
        "version": ("token", "string version"),
    },
}

# Composite -> for each kind of element that it is about: its path, and the components within it.
COMPOSITES: dict[str, dict[str, list[tuple[str, list[tuple[str, str]]]]]] = {
    "Observation": {
        "code-value-quantity": [
            ("", [("token", "CodeableConcept code"), ("quantity", "Quantity valueQuantity")])
        ],
        "code-value-concept": [
            ("", [("token", "CodeableConcept code"), ("token", "CodeableConcept valueCodeableConcept")])
        ],
        "code-value-string": [("", [("token", "CodeableConcept code"), ("string", "string valueString")])],
        "component-code-value-quantity": [
            ("component", [("token", "CodeableConcept code"), ("quantity", "Quantity valueQuantity")])
        ],
        "combo-code-value-quantity": [
            ("", [("token", "CodeableConcept code"), ("quantity", "Quantity valueQuantity")]),
            ("component", [("token", "CodeableConcept code"), ("quantity", "Quantity valueQuantity")]),
        ],
    },
    "ValueSet": {
        "context-type-quantity": [
            (
                "useContext",
                [("token", "Coding code"), ("quantity", "Quantity valueQuantity, Range valueRange")],
            )
        ]
    },
}

_SYSTEM_OF_CODES = {
    "status": "http://hl7.org/fhir/observation-status",
    "gender": "http://hl7.org/fhir/administrative-gender",
}


def meets(resource: Resource, name: str, text: str, now: datetime) -> bool:
    """Tell whether `resource` meets one parameter with its value."""
    code, _, modifier = name.partition(":")
    resource_type = resource["resourceType"]
    if code in COMPOSITES.get(resource_type, {}):
        bases = COMPOSITES[resource_type][code]
        return any(_meets_composite(resource, bases, value, now) for value in _split(text, ","))
    kind, places = PARAMETERS[resource_type][code]
    elements = list(_elements(resource, places))
    if modifier == "missing":
        return (not elements) == (text == "true")
    if kind == "uri" and code == "url" and "|" in text:
        return any(_meets_url(resource, value) for value in _split(text, ","))
    found = any(
        _TESTS[kind](element, value, (code, modifier, now))
        for element in elements
        for value in _split(text, ",")
    )
    return not found if modifier == "not" else found


def _meets_composite(
    resource: Resource, bases: list[tuple[str, list[tuple[str, str]]]], text: str, now: datetime
) -> bool:
    values = _split(text, "$")
    return any(
        all(
            any(_TESTS[kind](element, value, ("", "", now)) for element in _elements(base, places))
            for (kind, places), value in zip(components, values, strict=True)
        )
        for path, components in bases
        for base in _at(resource, path.split(".") if path else [])
    )


def _elements(resource: Resource, places: str) -> Iterator[Element]:
    for place in places.split(", "):
        fhir_type, path = place.split(" ")
        fhir_type, _, condition = fhir_type.partition(":")
        for element in _at(resource, path.split(".")):
            if fhir_type == "ContactPoint" and condition and element.get("system") != condition:
                continue
            if fhir_type == "Reference" and condition and not _is_to(element, condition):
                continue
            yield fhir_type, element


def _is_to(reference: Resource, type_name: str) -> bool:
    return bool(re.search(rf"(^|/){type_name}/[^/]+(/_history/[^/]+)?$", reference.get("reference", "")))


def _at(node: Any, keys: list[str]) -> Iterator[Any]:
    if isinstance(node, list):
        for item in node:
            yield from _at(item, keys)
    elif node is not None:
        if not keys:
            yield node
        elif keys[0] in node:
            yield from _at(node[keys[0]], keys[1:])


def _split(text: str, separator: str) -> list[str]:
    """Split at the separators that no backslash precedes (a backslash before a backslash is a character)."""
    marked = text.replace("\\\\", "\x00").replace(f"\\{separator}", "\x01")
    return [
        part.replace("\x01", f"\\{separator}").replace("\x00", "\\\\") for part in marked.split(separator)
    ]


def _plain(text: str) -> str:
    return re.sub(r"\\([\\,$|])", r"\1", text)


# token: https://hl7.org/fhir/R4/search.html#token


def _token(element: Element, text: str, asked: tuple[str, str, datetime]) -> bool:
    parts = [_plain(part) for part in _split(text, "|")]
    if len(parts) == 1:
        return any(_same_code(element[0], code, parts[0]) for _, code in _codes(element, asked[0]))
    system, code = parts
    return any(
        (own or "") == system and (not code or _same_code(element[0], value, code))
        for own, value in _codes(element, asked[0])
        if code or own
    )


def _codes(element: Element, code: str) -> Iterable[tuple[str | None, str | None]]:
    fhir_type, value = element
    if fhir_type == "CodeableConcept":
        return [(c.get("system"), c.get("code")) for c in value.get("coding", [])]
    if fhir_type == "Coding":
        return [(value.get("system"), value.get("code"))]
    if fhir_type == "Identifier":
        return [(value.get("system"), value.get("value"))]
    if fhir_type == "ContactPoint":
        return [(None, value.get("value"))]
    if fhir_type == "boolean":
        return [(None, "true" if value else "false")]
    if fhir_type == "code":  # its system is implied, and it has no property that says so
        return [(_SYSTEM_OF_CODES[code], value), (None, value)]
    return [(None, value)]


def _same_code(fhir_type: str, one: str | None, other: str) -> bool:
    if one is None:
        return False
    if fhir_type in ("code", "id", "uri", "boolean"):
        return one == other
    return one.casefold() == other.casefold()


# reference: https://hl7.org/fhir/R4/search.html#reference


def _reference(element: Element, text: str, asked: tuple[str, str, datetime]) -> bool:
    modifier = asked[1]
    wanted = _plain(text).removeprefix(BASE_URL)
    if "/" not in wanted and ":" not in wanted:
        pattern = rf"{modifier or '[A-Za-z]+'}/{re.escape(wanted)}"
    else:
        pattern = re.escape(wanted)
    found = element[1].get("reference", "").removeprefix(BASE_URL)
    if "/_history/" not in wanted:
        found = found.partition("/_history/")[0]
    return re.fullmatch(pattern, found) is not None


# string: https://hl7.org/fhir/R4/search.html#string


def _string(element: Element, text: str, asked: tuple[str, str, datetime]) -> bool:
    fhir_type, value = element
    wanted = _plain(text)
    for part in _parts(fhir_type, value):
        if asked[1] == "exact":
            if part == wanted:
                return True
        elif asked[1] == "contains":
            if _folded(wanted) in _folded(part):
                return True
        elif _folded(part).startswith(_folded(wanted)):
            return True
    if asked[1]:
        return False
    families = (
        [value] if fhir_type == "family" else [value.get("family", "")] if fhir_type == "HumanName" else []
    )
    # "searching either Carreno or Quinones should match a family name of Carreno Quinones"
    return any(
        _folded(" ".join(_folded(family).split(" ")[start:])).startswith(_folded(wanted))
        for family in families
        for start in range(len(_folded(family).split(" ")))
        if family
    )


def _parts(fhir_type: str, value: Any) -> Iterator[str]:
    if fhir_type not in ("HumanName", "Address"):
        yield value
        return
    for key, part in value.items():
        if key not in ("use", "period", "type", "id", "extension"):
            yield from part if isinstance(part, list) else [part]


def _folded(text: str) -> str:
    letters = [c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c)]
    spaced = [" " if unicodedata.category(c) == "Pd" else c for c in letters]
    return " ".join("".join(c for c in spaced if unicodedata.category(c)[0] != "P").split())


# uri: https://hl7.org/fhir/R4/search.html#uri


def _uri(element: Element, text: str, _asked: tuple[str, str, datetime]) -> bool:
    fhir_type, value = element
    wanted = _plain(text)
    return bool(value == wanted or (fhir_type == "canonical" and value.partition("|")[0] == wanted))


def _meets_url(resource: Resource, text: str) -> bool:
    url, bar, version = _plain(text).rpartition("|")
    if not bar:
        return resource.get("url") == version
    return resource.get("url") == url and resource.get("version") == version


# number and quantity: https://hl7.org/fhir/R4/search.html#number, #quantity

_PREFIX = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?(.*)", re.DOTALL)


def _number(element: Element, text: str, _asked: tuple[str, str, datetime]) -> bool:
    value = Fraction(element[1])
    return _compare_numbers((value, value), text)


def _compare_numbers(target: tuple[Fraction | None, Fraction | None], text: str) -> bool:
    """Compare a range (None: an open end) to a number with its prefix."""
    match = _PREFIX.fullmatch(text)
    assert match
    prefix, digits = match[1] or "eq", match[2]
    number = Fraction(digits)
    low, high = target
    half = _half_of_last_digit(digits)
    contained = low is not None and high is not None and number - half <= low and high < number + half
    reach = max(abs(number) / 10, half)
    return {
        "eq": contained,
        "ne": not contained,
        "gt": high is None or high > number,
        "ge": high is None or high >= number,
        "lt": low is None or low < number,
        "le": low is None or low <= number,
        "sa": low is not None and low > number,
        "eb": high is not None and high < number,
        "ap": (high is None or high >= number - reach) and (low is None or low <= number + reach),
    }[prefix]


def _half_of_last_digit(digits: str) -> Fraction:
    mantissa, _, exponent = digits.lower().partition("e")
    power = int(exponent or 0) - len(mantissa.partition(".")[2])
    if power > 0 and len(mantissa.lstrip("+-").replace(".", "")) == 1:
        power -= 1  # the specification's example: 1e2 is 95 up to 105
    return Fraction(10) ** power / 2


# How many grams are in the units of UCUM that are drawn.
_GRAMS = {"mg": Fraction(1, 1000), "g": Fraction(1), "kg": Fraction(1000)}
_UCUM = "http://unitsofmeasure.org"
_HAIR = Fraction(1, 10**60)
"""What is below 5 is at most a hair less than 5."""


def _quantity(element: Element, text: str, _asked: tuple[str, str, datetime]) -> bool:
    number, *unit = [_plain(part) for part in _split(text, "|")]
    ends = _ends(*element)
    if ends is None:
        return False
    if not unit:
        return _compare_numbers((ends[0][0], ends[1][0]), number)
    system, code = unit
    if code in _GRAMS and system in ("", _UCUM):
        scales = [_GRAMS.get(q.get("code", "")) if q.get("system") == _UCUM else None for _, q in ends]
        moved = [
            end if end is None or scale is None else end * scale / _GRAMS[code]
            for (end, _), scale in zip(ends, scales, strict=True)
        ]
        if None not in scales and _compare_numbers((moved[0], moved[1]), number):
            return True
        if system:
            return False
    return _same_unit(ends[0][1], *unit) and _compare_numbers((ends[0][0], ends[1][0]), number)


End = tuple[Fraction | None, Resource]
"""One end of a range (None: open), and the quantity that says its unit."""


def _ends(fhir_type: str, value: Any) -> tuple[End, End] | None:
    """Return the two ends of a value, None if it has no number."""
    if fhir_type == "Range":
        low, high = value.get("low", {}), value.get("high", {})
        if "value" not in low and "value" not in high:
            return None
        ends = [Fraction(end["value"]) if "value" in end else None for end in (low, high)]
        return (ends[0], low or high), (ends[1], high or low)
    if fhir_type == "SampledData":
        origin = Fraction(value["origin"]["value"])
        factor = Fraction(value.get("factor", 1))
        samples = [origin + Fraction(s) * factor for s in value["data"].split() if s not in "EUL"]
        return ((min(samples), value["origin"]), (max(samples), value["origin"])) if samples else None
    if "value" not in value:
        return None
    number = Fraction(value["value"])
    low, high = {
        "<": (None, number - _HAIR),
        "<=": (None, number),
        ">=": (number, None),
        ">": (number + _HAIR, None),
    }.get(value.get("comparator"), (number, number))
    return (low, value), (high, value)


def _same_unit(quantity: Resource, system: str, code: str) -> bool:
    if system:
        return quantity.get("system") == system and quantity.get("code") == code
    return code in (quantity.get("code"), quantity.get("unit"))


# date: https://hl7.org/fhir/R4/search.html#date

_MILLISECOND = timedelta(milliseconds=1)
_EVER = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))


def _date(element: Element, text: str, asked: tuple[str, str, datetime]) -> bool:
    match = _PREFIX.fullmatch(text)
    assert match
    prefix, date = match[1] or "eq", match[2]
    target = _range(*element)
    if target is None:
        return False
    (low, high), (start, end) = target, _range_of_date(date)
    contained = start <= low and high <= end
    above, below = high > end, low < start
    reach = abs(asked[2] - start) / 10
    return {
        "eq": contained,
        "ne": not contained,
        "gt": above,
        "lt": below,
        "ge": above or contained,
        "le": below or contained,
        "sa": low >= end,
        "eb": high <= start,
        "ap": low < end + reach and high > start - reach,
    }[prefix]


def _range(fhir_type: str, value: Any) -> tuple[datetime, datetime] | None:
    if fhir_type == "instant":
        start = _range_of_date(value)[0]
        return start, start + _MILLISECOND
    if fhir_type == "Timing":
        found = [_range_of_date(event) for event in value.get("event", [])]
        bounds = value.get("repeat", {}).get("boundsPeriod")
        found += [_range_of_period(bounds)] if bounds else []
        return (min(low for low, _ in found), max(high for _, high in found)) if found else None
    if fhir_type == "Period":
        return _range_of_period(value) if "start" in value or "end" in value else None
    return _range_of_date(value)


def _range_of_period(period: Resource) -> tuple[datetime, datetime]:
    start, end = period.get("start"), period.get("end")
    return (
        _range_of_date(start)[0] if start else _EVER[0],
        _range_of_date(end)[1] if end else _EVER[1],
    )


def _range_of_date(text: str) -> tuple[datetime, datetime]:
    date, _, time = text.partition("T")
    year, month, day, *_ = [int(part) for part in date.split("-")] + [0, 0]
    start = datetime(year, month or 1, day or 1, tzinfo=UTC)
    if not time:
        days = 1 if day else calendar.monthrange(year, month)[1] if month else 365 + calendar.isleap(year)
        return start, start + timedelta(days=days)
    match = re.fullmatch(r"(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|([+-])(\d\d):(\d\d))?", time)
    assert match
    hour, minute, second, fraction, _, sign, zone_hours, zone_minutes = match.groups()
    start += timedelta(hours=int(hour), minutes=int(minute), seconds=int(second or 0))
    if sign:
        shift = timedelta(hours=int(zone_hours), minutes=int(zone_minutes))
        start += -shift if sign == "+" else shift
    if not second:
        return start, start + timedelta(minutes=1)
    digits = (fraction or "")[:3]
    start += timedelta(milliseconds=int(digits.ljust(3, "0")))
    return start, start + timedelta(seconds=1) / 10 ** len(digits)


_TESTS = {
    "token": _token,
    "reference": _reference,
    "string": _string,
    "uri": _uri,
    "number": _number,
    "quantity": _quantity,
    "date": _date,
}
