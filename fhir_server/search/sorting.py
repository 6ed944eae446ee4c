"""_sort: by any parameter of the type, several of them, resources without a value last.

https://hl7.org/fhir/R4/search.html#sort
"""

from dataclasses import dataclass

from fhir_server.search.asked import Field
from fhir_server.search.fields import fields
from fhir_server.search.known import not_indexed
from fhir_server.search.types import KINDS
from resources.operation_outcome import InvalidSearch, error
from resources.search_parameters import is_waiting

_MOST_KEYS = 8


@dataclass(frozen=True, slots=True)
class SortKey:
    """One key of an order: paths in the document, direction, and whether there is one value at most.

    Of several values the least counts, in descending order the greatest. `array` is the path of the only
    array that they are in, if its index is in the order of the key; "" otherwise.
    """

    paths: tuple[str, ...]
    descending: bool
    is_bare: bool
    array: str = ""

    @property
    def direction(self) -> int:
        """1 for ascending, -1 for descending, as MongoDB has it."""
        return -1 if self.descending else 1


def parse_sort(resource_type: str, text: str) -> tuple[SortKey, ...]:
    """Return the keys that `_sort` names, such as `-date,_id`; raise InvalidSearch for what is unknown."""
    if not text:
        return ()
    names = text.split(",")
    if not all(names):
        raise InvalidSearch(error("value", "_sort is names of search parameters with commas between them"))
    if len(names) > _MOST_KEYS:
        raise InvalidSearch(error("too-costly", f"_sort takes {_MOST_KEYS} parameters at most"))
    return tuple(_key(resource_type, name) for name in names)


def _key(resource_type: str, name: str) -> SortKey:
    found = fields(resource_type).get(name.removeprefix("-"))
    if is_waiting(resource_type, name.removeprefix("-")):
        raise InvalidSearch(not_indexed(name.removeprefix("-")))
    if found is None or found[0].type == "nearby":
        message = f"_sort takes the search parameters of {resource_type}, composites and places excepted"
        raise InvalidSearch(error("not-supported", message))
    paths = tuple(_path(field) for field in found)
    is_bare = len(found) == 1 and found[0].is_bare
    # A quantity may be a range, which has no single number to be sorted by.
    is_walkable = len(found) == 1 and not is_bare and found[0].type != "quantity"
    return SortKey(paths, name.startswith("-"), is_bare, found[0].path if is_walkable else "")


def _path(field: Field) -> str:
    return field.path + KINDS[field.type].key if field.path.startswith("search.") else field.path
