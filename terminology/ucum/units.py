"""A unit's text taken apart by UCUM's grammar, and values brought into one unit for each dimension.

Case-sensitive codes only, as FHIR has them. All is exact: fractions, and decimals rounded once.

Source: https://ucum.org/ucum, sections 2 and 3
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from functools import cache, lru_cache

from terminology.ucum.atoms import ATOMS, BASE_UNITS, PREFIXES, TEMPERATURES

# What a client may ask to be parsed; the longest of UCUM's common units has 36 characters.
_LONGEST = 100
_DEEPEST = 8
_GREATEST_EXPONENT = 99
# A factor, and a value, beyond these powers of ten is compared with nothing.
_MOST_MAGNITUDE = 200
# Of numerator and denominator: powers of pi would otherwise cost seconds.
_MOST_BITS = 4_000

_TOKEN = re.compile(
    r"(?P<symbol>10[*^]|(?:\[[^\[\]{}]+\]|[!#$%&'*,:;<>?@A-Z\\^_`a-z|~])+)(?P<exponent>[+-]?\d{1,2}(?!\d))?"
    r"|(?P<factor>\d{1,9}(?!\d))|(?P<annotation>\{[^{}]*\})|(?P<sign>[./()])",
    re.ASCII,
)

_EXACT = Context(prec=2_000)
# MongoDB's decimals have 34 digits.
_ROUNDED = Context(prec=34)


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit: `dimension` names the unit that all comparable ones are brought into, such as `g.m-3`.

    A value in the unit, times `multiplier`, plus `addend`, over `divisor`, is the value in that one. It
    `is_multiple` if the multiplier alone says it.
    """

    dimension: str
    multiplier: Decimal
    addend: Decimal
    divisor: Decimal
    is_multiple: bool


def canonical(value: Decimal | int, text: str) -> tuple[Decimal, str] | None:
    """Return `value` of the unit `text` in the one unit of its dimension, and that unit.

    None if `text` is no UCUM unit, or the value is out of all proportion. Of two values the greater one never
    becomes the smaller one, and what is equal stays equal.
    """
    found = _remembered(text) if len(text) <= _LONGEST else None
    if found is None:
        return None
    number = value if isinstance(value, Decimal) else Decimal(value)
    if not -_MOST_MAGNITUDE < number.adjusted() < _MOST_MAGNITUDE:
        return None
    if found.is_multiple:
        return _ROUNDED.multiply(number, found.multiplier), found.dimension
    scaled = _EXACT.add(_EXACT.multiply(number, found.multiplier), found.addend)
    return _ROUNDED.divide(scaled, found.divisor), found.dimension


def unit(text: str) -> Unit | None:
    """Return the unit that a case-sensitive UCUM code means, None if it is none that values compare by."""
    return _remembered(text) if len(text) <= _LONGEST else None


@lru_cache(maxsize=4096)
def _remembered(text: str) -> Unit | None:
    try:
        measure = _parsed(text)
    except _NotAUnitError:
        return None
    factor, addend = measure.factor, measure.addend
    if not Fraction(1, 10**_MOST_MAGNITUDE) < factor < 10**_MOST_MAGNITUDE:
        return None
    multiplier, divisor = factor.numerator * addend.denominator, factor.denominator * addend.denominator
    # A factor such as a thousandth is a decimal itself, which takes one operation instead of two.
    decimal = _EXACT.divide(multiplier, divisor)
    is_multiple = not addend and Fraction(decimal) == factor
    return Unit(
        ".".join(f"{base}{'' if power == 1 else power}" for base, power in measure.dimension) or "1",
        decimal if is_multiple else Decimal(multiplier),
        Decimal(addend.numerator * factor.denominator),
        Decimal(1) if is_multiple else Decimal(divisor),
        is_multiple,
    )


class _NotAUnitError(Exception):
    """The text is not one of UCUM, or no value can be compared by it."""


@dataclass(frozen=True, slots=True)
class _Measure:
    """How much of the base units something is; `dimension` are they with their powers, sorted."""

    factor: Fraction
    dimension: tuple[tuple[str, int], ...] = ()
    addend: Fraction = Fraction(0)

    def times(self, other: "_Measure", power: int) -> "_Measure":
        """Return the product with a power of `other`."""
        if self.addend or other.addend:
            raise _NotAUnitError  # a scale that does not begin at 0 is no factor
        size = max(other.factor.numerator.bit_length(), other.factor.denominator.bit_length())
        if size * abs(power) + self.factor.denominator.bit_length() > _MOST_BITS:
            raise _NotAUnitError
        powers = dict(self.dimension)
        for base, exponent in other.dimension:
            powers[base] = powers.get(base, 0) + exponent * power
        if any(abs(exponent) > _GREATEST_EXPONENT for exponent in powers.values()):
            raise _NotAUnitError
        return _Measure(
            self.factor * other.factor**power, tuple(sorted(item for item in powers.items() if item[1]))
        )


_ONE = _Measure(Fraction(1))


def _parsed(text: str) -> _Measure:
    tokens = list(_tokens(text))
    measure, end = _term(tokens, 0, 0)
    if end != len(tokens):
        raise _NotAUnitError
    return measure


def _tokens(text: str) -> Iterator[re.Match[str]]:
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _NotAUnitError
        yield match
        position = match.end()


def _term(tokens: list[re.Match[str]], position: int, depth: int) -> tuple[_Measure, int]:
    """Return the measure of components joined by `.` and `/`, from the left, and where they end."""
    power, measure = 1, None
    if position < len(tokens) and tokens[position]["sign"] == "/":
        power, measure, position = -1, _ONE, position + 1
    while True:
        component, position = _component(tokens, position, depth)
        measure = component if measure is None else measure.times(component, power)
        sign = tokens[position]["sign"] if position < len(tokens) else None
        if sign not in (".", "/"):
            return measure, position
        power, position = (1 if sign == "." else -1), position + 1


def _component(tokens: list[re.Match[str]], position: int, depth: int) -> tuple[_Measure, int]:
    if position >= len(tokens):
        raise _NotAUnitError
    token, position = tokens[position], position + 1
    if token["annotation"]:
        return _ONE, position
    if token["factor"]:
        measure = _number(token["factor"])
    elif token["symbol"]:
        measure = _symbol(token["symbol"])
        if token["exponent"]:
            measure = _ONE.times(measure, int(token["exponent"]))
    elif token["sign"] == "(" and depth < _DEEPEST:
        measure, position = _term(tokens, position, depth + 1)
        if position >= len(tokens) or tokens[position]["sign"] != ")":
            raise _NotAUnitError
        position += 1
    else:
        raise _NotAUnitError
    if position < len(tokens) and tokens[position]["annotation"]:
        position += 1
    return measure, position


def _number(text: str) -> _Measure:
    factor = Fraction(text)
    if factor == 0:
        raise _NotAUnitError
    return _Measure(factor)


def _symbol(symbol: str) -> _Measure:
    """Return the measure of an atom, with a prefix or without."""
    found = _atom(symbol)
    if found is not None:
        return found[0]
    for length in (2, 1):
        prefix = PREFIXES.get(symbol[:length])
        found = _atom(symbol[length:]) if prefix is not None else None
        if found is not None and prefix is not None and found[1]:
            measure = found[0]
            return _Measure(measure.factor * Fraction(prefix), measure.dimension, measure.addend)
    raise _NotAUnitError


@cache
def _definitions() -> Mapping[str, tuple[bool, str]]:
    lines = (line.split(" ", 2) for line in ATOMS.splitlines() if line and not line.startswith("# "))
    return {code: (metric == "*", definition) for code, metric, definition in lines}


# Of the symbols of clients only those that are atoms take up room.
_known: dict[str, tuple[_Measure, bool]] = {}


def _atom(symbol: str) -> tuple[_Measure, bool] | None:
    """Return the measure of an atom, and whether it takes prefixes; None if there is no such atom."""
    if symbol not in _known:
        found = _defined(symbol)
        if found is None:
            return None
        _known[symbol] = found
    return _known[symbol]


def _defined(symbol: str) -> tuple[_Measure, bool] | None:
    if symbol in BASE_UNITS:
        return _Measure(Fraction(1), ((symbol, 1),)), True
    if symbol in TEMPERATURES:
        factor, addend, is_metric = TEMPERATURES[symbol]
        return _Measure(Fraction(factor), (("K", 1),), Fraction(addend)), is_metric
    if symbol not in _definitions():
        return None
    is_metric, definition = _definitions()[symbol]
    if definition == "=":
        return _Measure(Fraction(1), ((symbol, 1),)), is_metric
    number, _, unit_text = definition.rpartition(" ")
    measure = _parsed(unit_text)
    return _Measure(measure.factor * Fraction(number or "1"), measure.dimension), is_metric
