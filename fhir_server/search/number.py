"""number: plain numbers, compared with the precision that they are asked with.

Indexed as they are. https://hl7.org/fhir/R4/search.html#number
"""

import re
from dataclasses import dataclass
from decimal import Context, Decimal

from fhir_server.search.asked import Asked, Condition, Reader, as_it_is, both, either
from fhir_server.search.escaping import split
from fhir_server.search.prefixes import Prefix, split_prefix
from resources.fhirpath.element_paths import ElementPath

# The point, and not only what follows it, is what may be missing: else digits could be divided in many ways.
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_MOST_DIGITS = 30

_APPROXIMATION = Decimal("0.1")
# Bounds need a digit more than the number that was given; MongoDB's decimals have 34.
_ARITHMETIC = Context(prec=34)

Limit = dict[str, Decimal]
"""MongoDB operators with the numbers that they compare to."""


def reader(_path: ElementPath) -> Reader:
    """Return how elements are indexed."""
    return Reader(as_it_is)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a resource's value has to meet: `low` the lower end of a range, `high` its upper end.

    The two are the same for a value that is no range.
    """

    low: Limit
    high: Limit

    @property
    def of_value(self) -> Limit:
        """The bounds on a value that is no range."""
        return self.low | self.high


def condition(asked: Asked) -> Condition:
    """Return the condition on the document for one number with its prefix, or several."""
    return both(
        either(
            asked.on_values(bounds.of_value)
            for number in split(text, ",")
            for bounds in alternatives(*parse_number(asked, number))
        )
        for text in asked.texts
    )


def is_number(text: str) -> bool:
    """Tell whether `text` is a number of no more digits than are compared here."""
    return _NUMBER.fullmatch(text) is not None and sum(map(str.isdigit, text)) <= _MOST_DIGITS


def parse_number(asked: Asked, text: str) -> tuple[Prefix, Decimal]:
    """Return prefix and number of a search value; raise InvalidSearch if it is none."""
    prefix, digits = split_prefix(text)
    if not is_number(digits):
        raise asked.refusal("a number is like 5, -5.40 or 5.4e-3")
    return prefix, Decimal(digits)


def alternatives(prefix: Prefix, number: Decimal) -> list[Bounds]:
    """Return what the prefix asks of a value: one of these; only equality looks at the number of digits.

    `100` means 99.5 up to 100.5, `100.00` means 99.995 up to 100.005, `1e2` means 95 up to 105.
    """
    margin = _half_of_last_digit(number)
    low, high = _ARITHMETIC.subtract(number, margin), _ARITHMETIC.add(number, margin)
    match prefix:
        case "eq":
            return [Bounds({"$gte": low}, {"$lt": high})]
        case "ne":
            return [Bounds({"$lt": low}, {}), Bounds({}, {"$gte": high})]
        case "gt":
            return [Bounds({}, {"$gt": number})]
        case "ge":
            return [Bounds({}, {"$gte": number})]
        case "lt":
            return [Bounds({"$lt": number}, {})]
        case "le":
            return [Bounds({"$lte": number}, {})]
        case "sa":
            return [Bounds({"$gt": number}, {})]
        case "eb":
            return [Bounds({}, {"$lt": number})]
        case "ap":
            tenth = _ARITHMETIC.multiply(abs(number), _APPROXIMATION)
            reach = max(tenth, margin)
            return [
                Bounds(
                    {"$lte": _ARITHMETIC.add(number, reach)}, {"$gte": _ARITHMETIC.subtract(number, reach)}
                )
            ]


def _half_of_last_digit(number: Decimal) -> Decimal:
    """Return half of what the last digit of `number` stands for.

    One digit with a power of ten counts as two, as in the specification's example `1e2`: 95 up to 105.
    """
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)  # noqa: S101 - what parse_number lets pass is finite
    if exponent > 0 and len(digits) == 1:
        exponent -= 1
    return Decimal(5).scaleb(exponent - 1)
