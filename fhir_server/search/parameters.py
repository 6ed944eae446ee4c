"""From the text of a search to a query that the store can carry out.

What is not understood is an error that names what would be, never silence, unless the client asks for
lenience.
https://hl7.org/fhir/R4/search.html
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from fhir_server.search import composite
from fhir_server.search.asked import Asked, Condition
from fhir_server.search.extraction import DOCUMENT_FIELDS
from fhir_server.search.sorting import SortKey, parse_sort
from fhir_server.search.types import KINDS
from resources.operation_outcome import FhirError, InvalidSearch, Issue, error
from resources.search_parameters import SearchParameter, search_parameters

Total = Literal["none", "estimate", "accurate"]
Pairs = Sequence[tuple[str, str]]

_TOTALS: dict[str, Total] = {"none": "none", "estimate": "estimate", "accurate": "accurate"}
_RESULT_PARAMETERS = frozenset({"_sort", "_count", "_total", "_summary"})
# About the answer's form, or carried by page links; the search itself does not look at them.
_IGNORED = frozenset({"_format", "_pretty", "_page"})
_MODIFIERS_OF_ALL = ("missing",)
_MOST_COUNT_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Query:
    """A search that was understood.

    `filter` is a MongoDB filter on the documents of `resource_type`; `count` is what `_count` asks for, None
    if nothing; `counts_only` asks for the number of matches alone. `used` are the pairs that were understood,
    for the self link, and `ignored` says what was not, if the client is lenient.
    """

    resource_type: str
    filter: dict[str, Any]
    sort: tuple[SortKey, ...] = ()
    count: int | None = None
    total: Total | None = None
    counts_only: bool = False
    used: tuple[tuple[str, str], ...] = ()
    ignored: tuple[Issue, ...] = ()


@dataclass(slots=True)
class _Reading:
    """What has been read of a search so far."""

    conditions: list[Condition] = field(default_factory=list)
    results: dict[str, str] = field(default_factory=dict)
    used: list[tuple[str, str]] = field(default_factory=list)
    ignored: list[Issue] = field(default_factory=list)


def parse_search(
    resource_type: str, pairs: Pairs, *, lenient: bool, base_url: str, now: datetime | None = None
) -> Query:
    """Return the query that `pairs`, the decoded names and values of a search, ask for.

    `now` is what "approximately" is relative to. Raises InvalidSearch with all that is wrong; a lenient
    search leaves out what is unknown, but a value that is malformed is an error all the same.
    """
    reading = _Reading()
    issues: list[Issue] = []
    for name, text in pairs:
        try:
            _read(resource_type, name, text, reading, base_url, now or datetime.now(UTC))
        except _UnknownError as failure:
            (reading.ignored if lenient else issues).extend(failure.issues)
        except FhirError as failure:
            issues.extend(failure.issues)
    if issues:
        raise InvalidSearch(*issues)
    results = reading.results
    return Query(
        resource_type,
        _all(reading.conditions),
        parse_sort(resource_type, results.get("_sort", "")),
        _count(results.get("_count")),
        _total(results.get("_total")),
        _counts_only(results),
        tuple(reading.used),
        tuple(Issue("warning", issue.code, issue.diagnostics) for issue in reading.ignored),
    )


class _UnknownError(InvalidSearch):
    """A parameter that is not known here; a lenient client has it left out."""


def _read(resource_type: str, name: str, text: str, reading: _Reading, base_url: str, now: datetime) -> None:
    if name in _IGNORED:
        return
    if name in _RESULT_PARAMETERS:
        if name in reading.results:
            raise InvalidSearch(error("invalid", f"{name} is given twice"))
        reading.results[name] = text
    else:
        code, _, modifier = name.partition(":")
        parameter = _known(resource_type, code)
        asked = Asked(parameter, _field(code), text, base_url, now, modifier or None)
        reading.conditions.append(_condition(asked))
    reading.used.append((name, text))


def _known(resource_type: str, code: str) -> SearchParameter:
    parameter = search_parameters(resource_type).get(code)
    if parameter is None or not is_supported(parameter):
        known = ", ".join(supported_codes(resource_type))
        is_name = len(code) < 64 and code.replace("-", "").replace("_", "").isalnum()
        unknown = f"'{code}'" if is_name else "of such a name"
        message = f"{resource_type} has no search parameter {unknown} here; it has {known}"
        raise _UnknownError(error("not-supported", message))
    return parameter


def is_supported(parameter: SearchParameter) -> bool:
    """Tell whether the parameter can be searched."""
    return bool(parameter.paths) and parameter.usage == "normal" and parameter.type != "special"


def supported_codes(resource_type: str) -> list[str]:
    """Return the codes of the parameters that can be searched, sorted."""
    found = search_parameters(resource_type).items()
    return sorted(code for code, parameter in found if is_supported(parameter))


def _field(code: str) -> str:
    return DOCUMENT_FIELDS.get(code, f"search.{code}")


def _condition(asked: Asked) -> Condition:
    if asked.modifier == "missing":
        return _missing(asked)
    if asked.parameter.type == "composite":
        _check_modifier(asked, ())
        return composite.condition(asked)
    kind = KINDS[asked.parameter.type]
    _check_modifier(asked, kind.modifiers)
    if asked.text == "":
        raise asked.refusal("a value is needed")
    return kind.condition(asked)


def _check_modifier(asked: Asked, allowed: Iterable[str]) -> None:
    modifiers = (*allowed, *_MODIFIERS_OF_ALL)
    if asked.modifier is not None and asked.modifier not in modifiers:
        listed = ", ".join(f":{name}" for name in modifiers)
        message = f"{asked.parameter.code} takes these modifiers here: {listed}"
        raise InvalidSearch(error("not-supported", message))


def _missing(asked: Asked) -> Condition:
    if asked.text not in ("true", "false"):
        raise asked.refusal(":missing is true or false")
    return {asked.field: {"$exists": asked.text == "false"}}


def _all(conditions: list[Condition]) -> Condition:
    """Return the condition that all hold, as one flat filter where the fields differ."""
    merged: Condition = {}
    rest: list[Condition] = []
    for condition in conditions:
        if condition.keys() & merged.keys():
            rest.append(condition)
        else:
            merged |= condition
    return merged | {"$and": rest} if rest else merged


def _count(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > _MOST_COUNT_DIGITS:
        raise InvalidSearch(error("value", "_count is a whole number"))
    return int(text)


def _total(text: str | None) -> Total | None:
    if text is None:
        return None
    if text not in _TOTALS:
        raise InvalidSearch(error("value", "_total is none, estimate or accurate"))
    return _TOTALS[text]


def _counts_only(results: dict[str, str]) -> bool:
    summary = results.get("_summary", "false")
    if summary not in ("count", "false"):
        raise InvalidSearch(error("not-supported", "_summary is count or false here"))
    return summary == "count" or _count(results.get("_count")) == 0
