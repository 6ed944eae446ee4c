"""number: plain numbers, compared with the precision that they are asked with.

https://hl7.org/fhir/R4/search.html#number
"""

from decimal import Decimal, InvalidOperation
from typing import Any

from fhir_server.search.asked import Asked, Condition, either
from fhir_server.search.escaping import split
from fhir_server.search.prefixes import Prefix, split_prefix

MODIFIERS: tuple[str, ...] = ()

_MOST_CHARACTERS = 40
_LARGEST_EXPONENT = 1000
_APPROXIMATION = Decimal("0.1")


def values(element: Any, _fhir_type: str) -> list[Any]:
    """Return the index values of one element."""
    return [element]


def condition(asked: Asked) -> Condition:
    """Return the condition on the document for one number with its prefix, or several."""
    conditions = []
    for text in split(asked.text, ","):
        prefix, number = parse_number(asked, text)
        conditions += [_on_field(asked, limit) for limit in alternatives(prefix, number)]
    return either(conditions)


def _on_field(asked: Asked, limit: dict[str, Decimal]) -> Condition:
    return {asked.field: limit if asked.single else {"$elemMatch": limit}}


def parse_number(asked: Asked, text: str) -> tuple[Prefix, Decimal]:
    """Return prefix and number of a search value; raise InvalidSearch if it is none."""
    prefix, digits = split_prefix(text)
    try:
        number = Decimal(digits)
    except InvalidOperation:
        raise asked.refusal("a number is like 5, -5.40 or 5.4e-3") from None
    if (
        not number.is_finite()
        or len(digits) > _MOST_CHARACTERS
        or abs(number.adjusted()) > 1000
        or "_" in digits
    ):
        raise asked.refusal("a number is like 5, -5.40 or 5.4e-3")
    return prefix, number


def alternatives(prefix: Prefix, number: Decimal) -> list[dict[str, Decimal]]:
    """Return what the prefix asks of a value: one of these; only equality looks at the number of digits.

    `100` means 99.5 up to 100.5, `100.00` means 99.995 up to 100.005.
    """
    margin = _half_of_last_digit(number)
    if prefix == "eq":
        return [{"$gte": number - margin, "$lt": number + margin}]
    if prefix == "ne":
        return [{"$lt": number - margin}, {"$gte": number + margin}]
    if prefix == "ap":
        margin = max(abs(number) * _APPROXIMATION, margin)
        return [{"$gte": number - margin, "$lte": number + margin}]
    operators = {"gt": "$gt", "lt": "$lt", "ge": "$gte", "le": "$lte", "sa": "$gt", "eb": "$lt"}
    return [{operators[prefix]: number}]


def _half_of_last_digit(number: Decimal) -> Decimal:
    """Return half of what the last digit of `number` stands for."""
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)  # noqa: S101 - parse_number lets finite numbers pass only
    return Decimal(5).scaleb(exponent - 1)
