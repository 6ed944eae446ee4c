"""The parameter types, each with its two halves: what is indexed and how it is asked.

https://hl7.org/fhir/R4/search.html#ptypes
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fhir_server.search import date, number, quantity, reference, string, token, uri
from fhir_server.search.asked import Asked, Condition

Values = Callable[[Any, str], list[Any]]
"""An element and its FHIR type -> the values under which its resource is indexed."""


@dataclass(frozen=True, slots=True)
class ParameterKind:
    """One parameter type: its index values, its condition on documents, and the modifiers it takes.

    `keys` are what an index on it is made of, below the parameter's field; `sort` is the one to sort by.
    """

    values: Values
    condition: Callable[[Asked], Condition]
    modifiers: tuple[str, ...]
    keys: tuple[str, ...] = ("",)
    sort: str = ""


KINDS: Mapping[str, ParameterKind] = {
    "date": ParameterKind(date.values, date.condition, date.MODIFIERS, (".lo", "seq", ".hi"), ".lo"),
    "number": ParameterKind(number.values, number.condition, number.MODIFIERS),
    "quantity": ParameterKind(quantity.values, quantity.condition, quantity.MODIFIERS, (".u", ".v"), ".v"),
    "reference": ParameterKind(reference.values, reference.condition, reference.MODIFIERS),
    "string": ParameterKind(string.values, string.condition, string.MODIFIERS),
    "token": ParameterKind(token.values, token.condition, token.MODIFIERS),
    "uri": ParameterKind(uri.values, uri.condition, uri.MODIFIERS),
}
