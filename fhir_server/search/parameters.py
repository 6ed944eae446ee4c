"""From the text of a search to a query that the store can carry out.

What is not understood is an error that names what would be, never silence, unless the client asks for
lenience.
https://hl7.org/fhir/R4/search.html
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fhir_server.search.allowed import check_contained
from fhir_server.search.asked import both
from fhir_server.search.criteria import criterion, problem
from fhir_server.search.known import NOT_INDEXED
from fhir_server.search.results import Results, is_result_parameter, parse_results
from fhir_server.search.scope import Scope
from resources.operation_outcome import FhirError, InvalidSearch, Issue, error

Pairs = Sequence[tuple[str, str]]

MOST_VALUES = 1_000
"""How many values a search may name in all; each may be a branch of the database's plan."""

# About the answer's form, or carried by page links; the search itself does not look at them.
_IGNORED = frozenset({"_format", "_pretty", "_page"})


@dataclass(frozen=True, slots=True)
class Query:
    """A search that was understood.

    `filter` is a MongoDB filter on the documents of `resource_type`; {} if all of them match. It may have
    lookups in it, which `joins.resolved` replaces by what the store says. `used` are the pairs that were
    understood, for the self link, and `ignored` says what was not, if the client is lenient. With a
    `container` the query is about resources that are contained in resources of that type.
    """

    resource_type: str
    filter: dict[str, Any]
    results: Results
    used: tuple[tuple[str, str], ...] = ()
    ignored: tuple[Issue, ...] = ()
    container: str = ""

    @property
    def collection(self) -> str:
        """The type of the documents in which the resources stand."""
        return self.container or self.resource_type

    @property
    def label(self) -> str:
        """What tells the query from the others of a search: its type, or the container with a #."""
        return f"{self.container}#" if self.container else self.resource_type


@dataclass(slots=True)
class _Reading:
    """What has been read of a search so far: values by name, and the issues that were found."""

    asked: dict[str, list[str]] = field(default_factory=dict)
    results: dict[str, list[str]] = field(default_factory=dict)
    used: list[tuple[str, str]] = field(default_factory=list)
    ignored: list[Issue] = field(default_factory=list)
    wrong: list[Issue] = field(default_factory=list)


def parse_search(
    resource_type: str,
    pairs: Pairs,
    *,
    lenient: bool,
    base_url: str,
    now: datetime | None = None,
    types: Sequence[str] = (),
) -> Query:
    """Return the query that `pairs`, the decoded names and values of a search, ask for.

    `now` is what "approximately" is relative to; `types` are all that are searched together.
    Raises InvalidSearch with all that is wrong; a lenient search leaves out what is unknown, but a value that
    is malformed is an error all the same.
    """
    if sum(1 + text.count(",") for _, text in pairs) > MOST_VALUES:
        raise InvalidSearch(error("too-costly", f"A search names {MOST_VALUES} values at most"))
    reading = _Reading()
    for name, text in pairs:
        _read(resource_type, name, text, reading, lenient=lenient)
    conditions, results = [], Results()
    scope = Scope(base_url, now or datetime.now(UTC))
    for name, texts in reading.asked.items():
        try:
            conditions.append(criterion(resource_type, name, tuple(texts), scope))
        except FhirError as failure:
            reading.wrong.extend(failure.issues)
    try:
        results = parse_results(resource_type, reading.results, types)
    except FhirError as failure:
        reading.wrong.extend(failure.issues)
    if reading.wrong:
        raise InvalidSearch(*reading.wrong)
    if results.containment.searched != "false":
        check_contained(resource_type, conditions, (path for key in results.sort for path in key.paths))
    return Query(resource_type, both(conditions), results, tuple(reading.used), tuple(reading.ignored))


def _read(resource_type: str, name: str, text: str, reading: _Reading, *, lenient: bool) -> None:
    # "Empty parameters are not an error - they are just ignored by the server."
    if name in _IGNORED or not text:
        return
    wrong = None if is_result_parameter(name) else problem(resource_type, name)
    if wrong is None:
        known = reading.results if is_result_parameter(name) else reading.asked
        known.setdefault(name, []).append(text)
        reading.used.append((name, text))
    elif lenient and name != "_query" and wrong.code != NOT_INDEXED:
        # "Servers ... SHALL refuse" a named query that they do not know
        reading.ignored.append(Issue("warning", wrong.code, wrong.diagnostics))
    else:
        reading.wrong.append(wrong)
