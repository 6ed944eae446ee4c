"""Values to ask for: those that resources have, those that they nearly have, and in all the accepted forms.

Drawn by a `Random`, which hypothesis can stand behind and make smaller.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

from tests.fhir_server.search.agreement import dates, links, numbers, texts, tokens
from tests.fhir_server.search.agreement.elements import Element, Resource

PREFIXES = ("", "", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
# "The presence of the pipe symbol SHALL NOT be used" for these; ids have no system either.
_WITHOUT_SYSTEM = {"ContactPoint", "uri", "boolean", "id"}
_LONGEST_TEXT = 40

Draw = Callable[[Random, Element], str | None]
"""Draws a value that `element` has or nearly has; None if there is nothing to ask for."""


def escaped(text: str) -> str:
    """Return `text` with a backslash before each character that has a meaning in values."""
    for character in "\\,$|":
        text = text.replace(character, f"\\{character}")
    return text


def _nearly(random: Random, text: str) -> str:
    """Return `text`, mostly as it is."""
    change = random.choice(("", "", "", "upper", "more", "less"))
    if change == "upper":
        return text.swapcase()
    if change == "more":
        return f"{text}x"
    return text[:-1] or text if change == "less" else text


def token(random: Random, element: Element) -> str | None:
    """Draw a code with or without its system."""
    found = [(system, code) for system, code in tokens.codes(element) if system or code]
    if not found:
        return None
    system, code = random.choice(found)
    code = escaped(_nearly(random, code or "none"))
    if element.type in _WITHOUT_SYSTEM:
        return code
    plain_system = escaped(system) if system and system != tokens.ANY else ""
    form = random.choice(("code", "code", "both", "both", "no system", "system", "other"))
    if form == "both":
        return f"{plain_system}|{code}"
    if form == "system" and plain_system:
        return f"{plain_system}|"
    return {"no system": f"|{code}", "other": f"http://other.example|{code}"}.get(form, code)


def string(random: Random, element: Element) -> str | None:
    """Draw a part of a text, mostly its start."""
    found = [part for part in (*texts.parts(element), *texts.later_names(element)) if texts.folded(part)]
    if not found:
        return None
    text = random.choice(found)[:_LONGEST_TEXT]
    start = random.choice((0, 0, 0, 1, len(text) // 2))
    part = _nearly(random, text[start : start + random.choice((1, 3, 5, 100))])
    return escaped(part) if texts.folded(part) else None


def uri(random: Random, element: Element) -> str | None:
    """Draw an address, or a part of it."""
    value = str(element.value)
    return escaped(random.choice((value, value, _nearly(random, value), value.rpartition("/")[0] or value)))


def reference(random: Random, element: Element) -> str | None:
    """Draw a reference in one of its forms."""
    if element.type != "Reference":
        return uri(random, element)
    written: str = element.value.get("reference", "")
    if written.startswith("#"):  # what is contained is not found by its reference
        return None
    target = links.local_target(element, "http://none.example/")
    if target is None:
        return escaped(written) or None
    resource_type, resource_id = target
    return random.choice(
        (
            f"{resource_type}/{resource_id}",
            f"{resource_type}/{resource_id}",
            resource_id,
            f"{resource_type}/{resource_id}/_history/1",
            f"{resource_type}/{resource_id}x"[:64],
            written,
        )
    )


def date(random: Random, element: Element) -> str | None:
    """Draw a moment at one end of an interval or near it, of any precision."""
    span = dates.span(element.type, element.value)
    if span is None:
        return None
    moment = random.choice(span)
    if not 1000 < moment.year < 9000:
        moment = datetime(2015, 6, 1, tzinfo=moment.tzinfo)
    moment += random.choice((0, 0, 0, 1, -1)) * random.choice(
        (timedelta(milliseconds=1), timedelta(seconds=1), timedelta(days=1), timedelta(days=40))
    )
    form = random.choice(("%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%d", "minute", "second", "milli", "zone"))
    return random.choice(PREFIXES) + _written(moment, form)


def _written(moment: datetime, form: str) -> str:
    if form == "minute":
        return moment.strftime("%Y-%m-%dT%H:%MZ")
    if form == "second":
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    if form == "milli":
        return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"
    if form == "zone":
        return (moment + timedelta(hours=5, minutes=30)).strftime("%Y-%m-%dT%H:%M:%S+05:30")
    return moment.strftime(form)


def _number_near(random: Random, value: Decimal) -> str:
    digits = random.choice((0, 1, 2, 4))
    near = value + random.choice((0, 0, 0, 1, -1, Decimal("0.05"), Decimal("-0.5"), value))
    text = f"{near:.{digits}f}"
    if random.choice((False, False, False, True)):
        text = f"{near:.{random.choice((0, 1, 3))}e}"
    return random.choice(PREFIXES) + text


def number(random: Random, element: Element) -> str | None:
    """Draw a number that is near, of any precision."""
    return _number_near(random, Decimal(element.value))


def quantity(random: Random, element: Element) -> str | None:
    """Draw an amount that is near, with its unit, another one, or none."""
    found = _amount(random, element)
    if found is None:
        return None
    value, unit = found
    system, code = unit.get("system", ""), unit.get("code", "")
    form = random.choice(("none", "none", "both", "both", "code", "unit", "other"))
    near = _number_near(random, value)
    if form == "both" and system and code:
        return f"{near}|{escaped(system)}|{escaped(code)}"
    wanted = {"code": code, "unit": unit.get("unit", ""), "other": "kat"}.get(form, "")
    return f"{near}||{escaped(wanted)}" if wanted else near


def converted(random: Random, element: Element) -> str | None:
    """Draw an amount as `quantity` does, or in a unit that measures the same."""
    found = _amount(random, element)
    code = found[1].get("code", "") if found else ""
    if found is None or code not in numbers.UNITS or random.choice((True, False)):
        return quantity(random, element)
    kind, factor = numbers.UNITS[code]
    other = random.choice([name for name, (same, _) in numbers.UNITS.items() if same == kind])
    ratio = factor / numbers.UNITS[other][1]
    value = found[0] * Decimal(ratio.numerator) / Decimal(ratio.denominator)
    return f"{_number_near(random, value)}|{numbers.UCUM}|{escaped(other)}"


def _amount(random: Random, element: Element) -> tuple[Decimal, Resource] | None:
    """Return one end of an amount, and where its unit stands."""
    found = numbers.ends(element.type, element.value)
    known = [(end, unit) for end, unit in found or () if end is not None]
    if not known:
        return None
    end, unit = random.choice(known)
    return Decimal(end.numerator) / Decimal(end.denominator), unit


DRAW: Mapping[str, Draw] = {
    "token": token,
    "string": string,
    "uri": uri,
    "reference": reference,
    "date": date,
    "number": number,
    "quantity": quantity,
}


def text_of_code(random: Random, element: Element) -> str | None:
    """Draw the start of a text that is associated with a code."""
    found = [text for text in tokens.written_texts(element) if texts.folded(text)]
    text = random.choice(found)[: random.choice((2, 5, 40))] if found else ""
    return escaped(text) if texts.folded(text) else None


def of_type(random: Random, element: Element) -> str | None:
    """Draw an identifier with its type."""
    if element.type != "Identifier":
        return None
    codings = element.value.get("type", {}).get("coding", [])
    known = [coding for coding in codings if coding.get("system") and coding.get("code")]
    if not known or not element.value.get("value"):
        return None
    coding = random.choice(known)
    value = _nearly(random, element.value["value"])
    return "|".join(escaped(part) for part in (coding["system"], coding["code"], value))


def identifier_of(random: Random, element: Element) -> str | None:
    """Draw the identifier beside a reference."""
    if element.type != "Reference" or "value" not in element.value.get("identifier", {}):
        return None
    return token(random, Element("Identifier", element.value["identifier"], "Identifier"))


def level(random: Random, element: Element) -> str | None:
    """Draw a URL, or one above or below it."""
    value = str(element.value)
    if "://" not in value or "|" in value:
        return None
    return escaped(random.choice((value, f"{value}/x", value.rpartition("/")[0], f"{value}x")))


def whole(random: Random, element: Element) -> str | None:
    """Draw a resource of which others may be parts."""
    drawn = reference(random, element) or ""
    resource_type, _, resource_id = drawn.partition("/")
    is_plain = resource_type in _WHOLES and resource_id and "/" not in resource_id
    return drawn if is_plain else None


# The types of which a resource can be part of another one.
_WHOLES = ("Location", "Organization", "Encounter", "Task")

MODIFIED: Mapping[tuple[str, str], Draw] = {
    ("string", "exact"): string,
    ("string", "contains"): string,
    ("token", "not"): token,
    ("token", "text"): text_of_code,
    ("token", "of-type"): of_type,
    ("reference", "identifier"): identifier_of,
    ("reference", "above"): whole,
    ("reference", "below"): whole,
    ("uri", "above"): level,
    ("uri", "below"): level,
}
"""What is drawn for a parameter type with a modifier; those that need terminology are not here."""


def several(random: Random, draw: Draw, found: Sequence[Element]) -> str | None:
    """Draw one value or a few, joined by commas."""
    count = random.choice((1, 1, 1, 2, 3))
    drawn = [draw(random, random.choice(found)) for _ in range(count)]
    return ",".join(value for value in drawn if value) or None
