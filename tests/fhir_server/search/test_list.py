"""_list: the members of a List. https://hl7.org/fhir/R4/search.html#list"""

import httpx
import pytest

from tests.fhir_server.search.searching import Row, check, refusal, row_id, store


@pytest.fixture(scope="module", autouse=True)
def _stored(client: httpx.Client, base_url: str) -> None:
    items = [
        {"item": {"reference": "Patient/a"}},
        {"item": {"reference": f"{base_url}/Patient/b/_history/1"}},
        {"item": {"reference": "Patient/c"}, "deleted": True},
        {"item": {"reference": "Group/a"}},
        {"item": {"display": "somebody"}},
        {"item": {"reference": "http://elsewhere.example/fhir/Patient/d"}},
    ]
    store(
        client,
        [
            *({"resourceType": "Patient", "id": name, "active": name != "b"} for name in "abcd"),
            {"resourceType": "Group", "id": "a", "type": "person", "actual": True},
            {"resourceType": "List", "id": "42", "status": "current", "mode": "working", "entry": items},
            {
                "resourceType": "List",
                "id": "43",
                "status": "current",
                "mode": "working",
                "entry": [{"item": {"reference": "Patient/d"}}, {"item": {"reference": "Patient/a"}}],
            },
        ],
    )


LISTS: list[Row] = [
    ("list", "Patient?_list=42", "a b"),
    ("list", "Group?_list=42", "a"),
    ("list", "Patient?_list=42&active=true", "a"),
    ("list", "Patient?_list=42,43", "a b d"),
    ("list", "Patient?_list=42&_list=43", "a"),
    ("list", "Observation?_list=42", ""),
]


@pytest.mark.feature("search.list")
@pytest.mark.parametrize("row", LISTS, ids=row_id)
def test_a_list_gives_its_members(client: httpx.Client, row: Row) -> None:
    """Those of the type that is searched, without those that the list marks as deleted."""
    check(client, row)


@pytest.mark.feature("search.list.errors")
@pytest.mark.parametrize(
    ("text", "said"),
    [("44", "no List of this id"), ("$current-problems", "not computed here"), ("a b", "the id of a List")],
)
def test_a_list_that_there_is_not_is_refused(client: httpx.Client, text: str, said: str) -> None:
    """An unknown list is an error and not an empty answer."""
    assert said in refusal(client, f"Patient?_list={text}")["diagnostics"]
