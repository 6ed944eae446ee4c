"""_sort: by any parameter of the type, several of them, resources without a value last.

https://hl7.org/fhir/R4/search.html#sort
"""

from dataclasses import dataclass

from fhir_server.search.asked import stored_bare
from fhir_server.search.extraction import DOCUMENT_FIELDS
from fhir_server.search.types import KINDS
from resources.operation_outcome import InvalidSearch, error
from resources.search_parameters import SearchParameter, search_parameters

_MOST_KEYS = 8


@dataclass(frozen=True, slots=True)
class SortKey:
    """One key of an order: field of the document, direction, and whether the field holds one bare value."""

    field: str
    descending: bool
    is_bare: bool


def parse_sort(resource_type: str, text: str) -> tuple[SortKey, ...]:
    """Return the keys that `_sort` names, such as `-date,_id`; raise InvalidSearch for what is unknown."""
    names = [name for name in text.split(",") if name]
    if len(names) > _MOST_KEYS:
        raise InvalidSearch(error("too-costly", f"_sort takes {_MOST_KEYS} parameters at most"))
    return tuple(_key(resource_type, name) for name in names)


def _key(resource_type: str, name: str) -> SortKey:
    code = name.removeprefix("-")
    parameter = search_parameters(resource_type).get(code)
    if parameter is None or not is_sortable(parameter):
        message = f"_sort takes the search parameters of {resource_type}, composites excepted"
        raise InvalidSearch(error("not-supported", message))
    descending = name.startswith("-")
    if code in DOCUMENT_FIELDS:
        return SortKey(DOCUMENT_FIELDS[code], descending, is_bare=True)
    field = f"search.{code}{KINDS[parameter.type].sort}"
    return SortKey(field, descending, stored_bare(parameter))


def is_sortable(parameter: SearchParameter) -> bool:
    """Tell whether resources can be put in the order of `parameter`."""
    return parameter.type in KINDS and bool(parameter.paths) and parameter.usage == "normal"
