"""The parameters about the matches: their order and number, what comes of each, and what beside them.

https://hl7.org/fhir/R4/search.html#return
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from fhir_server.search.contained import (
    CONTAINED_PARAMETERS,
    OUTSIDE,
    Containment,
    parse_containment,
)
from fhir_server.search.include import INCLUDES, Include, parse_includes
from fhir_server.search.sorting import SortKey, parse_sort
from fhir_server.search.subsetting import WHOLE, Subsetting, parse_subsetting
from resources.operation_outcome import InvalidSearch, error

Total = Literal["none", "estimate", "accurate"]

RESULT_PARAMETERS = frozenset(
    {"_sort", "_count", "_total", "_summary", "_elements", *INCLUDES, *CONTAINED_PARAMETERS}
)

_REPEATABLE = frozenset({"_sort", "_elements", *INCLUDES})
_TOTALS: Mapping[str, Total] = {"none": "none", "estimate": "estimate", "accurate": "accurate"}
_MOST_COUNT_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Results:
    """What is wanted of the matches: `count` on a page (None: as the server likes), in the order of `sort`.

    `counts_only` asks for the number of matches alone. `subsetting` is the part that comes of each resource,
    `includes` are the other resources that come beside the matches. `containment` says whether what is
    contained in resources is searched.
    """

    sort: tuple[SortKey, ...] = ()
    count: int | None = None
    total: Total | None = None
    counts_only: bool = False
    subsetting: Subsetting = WHOLE
    includes: tuple[Include, ...] = ()
    containment: Containment = OUTSIDE


def is_result_parameter(name: str) -> bool:
    """Tell whether a parameter, with or without a modifier, is about the results."""
    return name.partition(":")[0] in RESULT_PARAMETERS


def parse_results(
    resource_type: str, given: Mapping[str, Sequence[str]], types: Sequence[str] = ()
) -> Results:
    """Return what the values `given` by the names of result parameters ask for.

    `types` are all that are searched together with `resource_type`. Raises InvalidSearch for what is not
    understood, and for what can be given once only.
    """
    for name, texts in given.items():
        if name not in RESULT_PARAMETERS:
            raise InvalidSearch(error("not-supported", f"{name.partition(':')[0]} has no such modifier"))
        if len(texts) > 1 and name not in _REPEATABLE:
            raise InvalidSearch(error("invalid", f"{name} is given twice"))
    count = _count(given["_count"][0]) if "_count" in given else None
    asks_count = list(given.get("_summary", ())) == ["count"]
    results = Results(
        parse_sort(resource_type, ",".join(given.get("_sort", ()))),
        count,
        _total(given["_total"][0]) if "_total" in given else None,
        # "if _count has the value 0, this shall be treated the same as _summary=count"
        count == 0 or asks_count,
        parse_subsetting(
            {name: texts for name, texts in given.items() if name != "_summary" or not asks_count},
            types or [resource_type],
        ),
        parse_includes(given),
        parse_containment(given),
    )
    if results.includes and results.subsetting.summary == "text":
        message = "_include and _revinclude cannot be mixed with _summary=text"
        raise InvalidSearch(error("invalid", message))
    return results


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > _MOST_COUNT_DIGITS:
        raise InvalidSearch(error("value", "_count is a whole number"))
    return int(text)


def _total(text: str) -> Total:
    if text not in _TOTALS:
        raise InvalidSearch(error("value", "_total is none, estimate or accurate"))
    return _TOTALS[text]
