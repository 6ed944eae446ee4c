"""Queries that ask for too much are refused, and with a clear error.

https://hl7.org/fhir/R4/graphql.html#searching
"""

import pytest

from fhir_server.graphql import limits
from fhir_server.graphql.limits import Work
from resources.operation_outcome import TooCostly
from tests.fhir_server.graphql.conftest import Ask

pytestmark = pytest.mark.usefixtures("records")

_TO_AND_FRO = "subject { resource(type: Patient) { ObservationList(_reference: subject) { "
_CONTACT = "contact { organization { ...G%d } }"
_BOMB = " ".join(
    f"fragment F{i} on Patient {{ {' '.join(f'{alias}: {_CONTACT % i}' for alias in 'abc')} }}"
    f" fragment G{i} on Reference {{ resource(optional: true, type: Patient) {{ ...F{i + 1} }} }}"
    for i in range(6)
)
_MANY_GENDERS = " ".join(f"g{i}: gender" for i in range(30))

_TOO_LARGE: list[tuple[str, str]] = [
    ("{ " + "x: id " * 20_000 + "}", "characters"),
    ("{ " + "id " * 6_000 + "}", "tokens"),
    (f"{{ {'extension { ' * 21} url {'} ' * 21} }}", "deep"),
    ("{ id } " + " ".join(f"fragment F{i} on Patient {{ id }}" for i in range(150)), "fragments"),
    ("{ " + "... { " * 2_400, "nested"),
    ("{ ...F0 } " + _BOMB + " fragment F6 on Patient { id }", "fields"),
    (
        f"{{ {' '.join(f'a{i}: contact {{ ...F }}' for i in range(100))} }}"
        f" fragment F on PatientContact {{ {_MANY_GENDERS} }}",
        "fields",
    ),
    ("{ " + " ".join(f"a{i}: contained {{ id status }}" for i in range(40)) + " }", "fields"),
]


@pytest.mark.feature("operation.graphql.limits")
@pytest.mark.parametrize(("query", "reason"), _TOO_LARGE)
def test_large_queries_are_refused(ask: Ask, query: str, reason: str) -> None:
    """Too long, too deep, too many fields: a 400 before anything is read."""
    answer = ask("/Patient/ida", query)
    assert answer.status_code == 400, answer.text[:500]
    assert reason in answer.json()["errors"][0]["message"]


@pytest.mark.feature("operation.graphql.limits")
def test_many_searches_are_refused(ask: Ask) -> None:
    """Each resource of a list with a search of its own, and each of these again, is too much."""
    query = "{ ObservationList(patient: ida) { " + _TO_AND_FRO * 4 + "id" + " } } }" * 4 + " } }"
    answer = ask("", query)
    assert answer.status_code == 408
    assert "searches" in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    ("spend", "most"),
    [
        (Work.spend_values, limits.MOST_VALUES),
        (Work.spend_resources, limits.MOST_RESOURCES),
        (Work.spend_searches, limits.MOST_SEARCHES),
    ],
)
def test_work_runs_out(spend, most: int) -> None:  # type: ignore[no-untyped-def]
    """All of what is granted may be spent, and no more."""
    work = Work()
    spend(work, most)
    with pytest.raises(TooCostly):
        spend(work, 1)
