"""From the text of a search to a query that the store can carry out.

What is not understood is an error that names what would be, never silence, unless the client asks for
lenience.
https://hl7.org/fhir/R4/search.html
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal

from fhir_server.search import composite, date, reference
from fhir_server.search.asked import Asked, Condition, Field, both, either
from fhir_server.search.fields import fields, is_searchable, narrowed_fields
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
_UPDATED = "updated"
_MOST_COUNT_DIGITS = 9
# Bounds on what an error message repeats or lists.
_LONGEST_NAME = 64
_MOST_LISTED = 20


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

    asked: dict[str, list[str]] = field(default_factory=dict)
    results: dict[str, str] = field(default_factory=dict)
    used: list[tuple[str, str]] = field(default_factory=list)
    ignored: list[Issue] = field(default_factory=list)
    wrong: list[Issue] = field(default_factory=list)


def parse_search(
    resource_type: str, pairs: Pairs, *, lenient: bool, base_url: str, now: datetime | None = None
) -> Query:
    """Return the query that `pairs`, the decoded names and values of a search, ask for.

    `now` is what "approximately" is relative to. Raises InvalidSearch with all that is wrong; a lenient
    search leaves out what is unknown, but a value that is malformed is an error all the same.
    """
    reading = _Reading()
    for name, text in pairs:
        _read(resource_type, name, text, reading, lenient=lenient)
    conditions = []
    for name, texts in reading.asked.items():
        try:
            conditions.append(
                _condition(resource_type, name, tuple(texts), base_url, now or datetime.now(UTC))
            )
        except FhirError as failure:
            reading.wrong.extend(failure.issues)
    if reading.wrong:
        raise InvalidSearch(*reading.wrong)
    results = reading.results
    return Query(
        resource_type,
        both(conditions),
        parse_sort(resource_type, results.get("_sort", "")),
        _count(results.get("_count")),
        _total(results.get("_total")),
        _counts_only(results),
        tuple(reading.used),
        tuple(Issue("warning", issue.code, issue.diagnostics) for issue in reading.ignored),
    )


def _read(resource_type: str, name: str, text: str, reading: _Reading, *, lenient: bool) -> None:
    if name in _IGNORED:
        return
    if name in _RESULT_PARAMETERS:
        if name in reading.results:
            reading.wrong.append(error("invalid", f"{name} is given twice"))
        reading.results[name] = text
    elif name.partition(":")[0] in supported_codes(resource_type):
        reading.asked.setdefault(name, []).append(text)
    else:
        unknown = _unknown(resource_type, name.partition(":")[0])
        (reading.ignored if lenient else reading.wrong).append(unknown)
        return
    reading.used.append((name, text))


def _unknown(resource_type: str, code: str) -> Issue:
    known = ", ".join(supported_codes(resource_type))
    is_name = len(code) < _LONGEST_NAME and code.replace("-", "").replace("_", "").isalnum()
    unknown = f"'{code}'" if is_name else "of such a name"
    return error("not-supported", f"{resource_type} has no search parameter {unknown} here; it has {known}")


@cache
def supported_codes(resource_type: str) -> tuple[str, ...]:
    """Return the codes of the parameters that can be searched, sorted."""
    found = search_parameters(resource_type).items()
    return tuple(sorted(code for code, parameter in found if is_searchable(parameter)))


def _condition(
    resource_type: str, name: str, texts: tuple[str, ...], base_url: str, now: datetime
) -> Condition:
    """Return the condition of one parameter, with all the values that it is given."""
    code, _, modifier = name.partition(":")
    parameter = search_parameters(resource_type)[code]
    _check_modifier(parameter, modifier)
    whole = Asked(Field("", parameter, is_bare=False), texts, base_url, now, modifier or None)
    if not all(texts):
        raise whole.refusal("a value is needed")
    if parameter.type == "composite":
        return composite.condition(whole)
    asked = [replace(whole, field=found) for found in fields(resource_type)[code]]
    if modifier == "missing":
        return both(_missing(asked, text) for text in texts)
    if modifier == "not":
        return both({"$nor": [_of_fields(asked, text)]} for text in texts)
    if len(asked) == 1:
        return _of_field(_narrowed(asked[0]))
    return both(_of_fields(asked, text) for text in texts)


def _narrowed(asked: Asked) -> Asked:
    """Return a question about one type of references as asked of the parameter for them, if there is one."""
    parameter = asked.field.parameter
    if parameter.type != "reference":
        return asked
    known = narrowed_fields(parameter.resource_type)
    narrow = known.get((parameter.code, reference.only_type(asked) or ""))
    return asked if narrow is None else replace(asked, field=narrow)


def _of_field(asked: Asked) -> Condition:
    if asked.field.path == _UPDATED:
        return date.moment_condition(asked)
    return KINDS[asked.field.type].condition(asked)


def _of_fields(asked: list[Asked], text: str) -> Condition:
    return either(_of_field(replace(one, texts=(text,))) for one in asked)


def _missing(asked: list[Asked], text: str) -> Condition:
    if text not in ("true", "false"):
        raise asked[0].refusal(":missing is true or false")
    there = [{one.field.path: {"$exists": True}} for one in asked]
    return either(there) if text == "false" else {"$nor": there}


def _check_modifier(parameter: SearchParameter, modifier: str) -> None:
    """Raise InvalidSearch unless the parameter takes the modifier.

    "Server SHALL reject any search request that is suffixed by a modifier that the server does not support"
    """
    if not modifier:
        return
    if parameter.type == "composite":
        raise InvalidSearch(error("not-supported", f"{parameter.code} takes no modifiers"))
    allowed = ("missing", *KINDS[parameter.type].modifiers(parameter))
    if modifier not in allowed:
        listed = ", ".join(f":{name}" for name in allowed[:_MOST_LISTED])
        more = " and so on" if len(allowed) > _MOST_LISTED else ""
        message = f"{parameter.code} takes these modifiers here: {listed}{more}"
        raise InvalidSearch(error("not-supported", message))


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
