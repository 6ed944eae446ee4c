"""The parameters that say what is wanted of the matches: _sort, _count, _total and _summary.

https://hl7.org/fhir/R4/search.html#return
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from fhir_server.search.sorting import SortKey, parse_sort
from resources.operation_outcome import InvalidSearch, error

Total = Literal["none", "estimate", "accurate"]

RESULT_PARAMETERS = frozenset({"_sort", "_count", "_total", "_summary"})
SUMMARIES = ("count", "false")
"""The values of `_summary` that are understood."""

_TOTALS: Mapping[str, Total] = {"none": "none", "estimate": "estimate", "accurate": "accurate"}
_MOST_COUNT_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Results:
    """What is wanted of the matches: `count` on a page (None: as the server likes), in the order of `sort`.

    `counts_only` asks for the number of matches alone.
    """

    sort: tuple[SortKey, ...] = ()
    count: int | None = None
    total: Total | None = None
    counts_only: bool = False


def parse_results(resource_type: str, given: Mapping[str, Sequence[str]]) -> Results:
    """Return what the values `given` by the names of result parameters ask for.

    Raises InvalidSearch for what is not understood, and for all but `_sort` being given twice.
    """
    for name, texts in given.items():
        if len(texts) > 1 and name != "_sort":
            raise InvalidSearch(error("invalid", f"{name} is given twice"))
    count = _count(given["_count"][0]) if "_count" in given else None
    return Results(
        parse_sort(resource_type, ",".join(given.get("_sort", ()))),
        count,
        _total(given["_total"][0]) if "_total" in given else None,
        # "if _count has the value 0, this shall be treated the same as _summary=count"
        count == 0 or given.get("_summary", ("false",))[0] == "count",
    )


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > _MOST_COUNT_DIGITS:
        raise InvalidSearch(error("value", "_count is a whole number"))
    return int(text)


def _total(text: str) -> Total:
    if text not in _TOTALS:
        raise InvalidSearch(error("value", "_total is none, estimate or accurate"))
    return _TOTALS[text]
