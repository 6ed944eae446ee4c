"""Sums of money: exact, and rounded half up to the cent where they are written down.

https://hl7.org/fhir/R4/datatypes.html#Money
"""

from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

CENT = Decimal("0.01")
ZERO = Decimal(0)


def rounded(amount: Decimal) -> Decimal:
    """Return `amount` in whole cents, half a cent away from nought."""
    return amount.quantize(CENT, ROUND_HALF_UP)


def decimal(value: Any) -> Decimal:
    """Return a number of a resource as it is written there."""
    return value if isinstance(value, Decimal) else Decimal(str(value))


def money(amount: Decimal, currency: str) -> dict[str, Any]:
    """Return `amount` as an element of a resource."""
    return {"value": rounded(amount), "currency": currency}


def value_of(element: Mapping[str, Any] | None) -> Decimal:
    """Return the amount of a Money, nought if there is none."""
    return decimal(element["value"]) if element and "value" in element else ZERO


def currencies(elements: Iterable[Mapping[str, Any] | None]) -> set[str]:
    """Return the currencies that are named among `elements`."""
    return {one["currency"] for one in elements if one and "currency" in one}
