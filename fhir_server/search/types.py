"""The parameter types, each with its two halves: what is indexed and how it is asked.

https://hl7.org/fhir/R4/search.html#ptypes
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fhir_server.search import date, near, number, phonetic, quantity, reference, string, token, uri
from fhir_server.search.asked import Asked, Condition, Reader
from resources.fhirpath.element_paths import ElementPath
from resources.search_parameters import SearchParameter


@dataclass(frozen=True, slots=True)
class ParameterKind:
    """One parameter type: how elements are indexed, the condition on documents, and the modifiers it takes.

    `key` is what an index and an order are made of, below the parameter's field.
    """

    reader: Callable[[ElementPath], Reader]
    condition: Callable[[Asked], Condition]
    modifiers: Callable[[SearchParameter], tuple[str, ...]] = lambda _parameter: ()
    key: str = ""


KINDS: Mapping[str, ParameterKind] = {
    "date": ParameterKind(date.reader, date.condition, key=".lo"),
    "nearby": ParameterKind(near.reader, near.condition),
    "number": ParameterKind(number.reader, number.condition),
    "phonetic": ParameterKind(phonetic.reader, phonetic.condition),
    "quantity": ParameterKind(quantity.reader, quantity.condition, key=".v"),
    "reference": ParameterKind(reference.reader, reference.condition, reference.modifiers),
    "string": ParameterKind(string.reader, string.condition, lambda _parameter: string.MODIFIERS),
    "token": ParameterKind(token.reader, token.condition, token.modifiers),
    "uri": ParameterKind(uri.reader, uri.condition, lambda _parameter: uri.MODIFIERS),
}
