"""The examples of docs/graphql.md give what the page says."""

import json
import re
from pathlib import Path

import httpx
import pytest

from fhir_server.graphql import limits
from tests.fhir_server.graphql.conftest import Ask

_PAGE = (Path(__file__).parents[3] / "docs" / "graphql.md").read_text()
_EXAMPLE = re.compile(r"^At (\S+):\n\n```graphql\n(.*?)```\n\n```json\n(.*?)```", re.MULTILINE | re.DOTALL)
_EXAMPLES = [
    (address.strip("`"), query, expected)
    for address, query, expected in _EXAMPLE.findall(_PAGE.replace("At the base", "At `/`"))
]
_COMMAND = re.compile(
    r'^curl -G "http://127\.0\.0\.1:8000/fhir(\S+)" --data-urlencode \'(\w+)=(.*)\'$', re.MULTILINE
)


@pytest.mark.parametrize(("address", "query", "expected"), _EXAMPLES)
def test_an_example_gives_what_the_page_says(
    ask: Ask, records: None, address: str, query: str, expected: str
) -> None:
    """The answer has the data that stands below the query."""
    answer = ask(address.rstrip("/"), query)
    assert answer.json() == {"data": json.loads(expected)}


def test_all_examples_are_found() -> None:
    """No query of the page is passed over."""
    assert len(_EXAMPLES) == _PAGE.count("```graphql") == 8
    assert len(_COMMAND.findall(_PAGE)) == _PAGE.count("```sh") == 2


@pytest.mark.parametrize(("address", "name", "query"), _COMMAND.findall(_PAGE))
def test_a_command_is_answered(
    client: httpx.Client, records: None, address: str, name: str, query: str
) -> None:
    """What the commands send is answered with data."""
    answer = client.get(address.replace("\\", ""), params={name: query})
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]


def test_the_bounds_are_those_of_the_code() -> None:
    """Each number in the table of bounds is the one that the code has."""
    table = _PAGE.partition("## What a query may ask for")[2].partition("##")[0]
    rows = [row.rsplit("|", 2)[1].strip() for row in table.splitlines() if row.startswith("|")][2:]
    assert rows == [
        f"{limits.LONGEST_QUERY:,}; {limits.MOST_TOKENS:,}; {limits.MOST_DEFINITIONS}",
        f"{limits.MOST_FIELDS:,}",
        str(limits.DEEPEST),
        f"{limits.MOST_VALUES:,}; {limits.MOST_INTROSPECTED:,}",
        f"{limits.MOST_RESOURCES:,}",
        str(limits.MOST_SEARCHES),
        f"{limits.LONGEST_SECONDS} s",
    ]
