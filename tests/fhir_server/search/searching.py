"""What the tests of searching share: storing resources, and asking for them as a client does."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

import httpx

FORM = {"content-type": "application/x-www-form-urlencoded"}
_ENTRIES_AT_ONCE = 200

Resource = dict[str, Any]
Row = tuple[str, str, str]
"""The anchor of the rule in https://hl7.org/fhir/R4/search.html, the search, and the ids that it finds."""


def store(client: httpx.Client, resources: Iterable[Resource]) -> None:
    """Store `resources`, each of which has an id."""
    waiting = list(resources)
    while waiting:
        entries = [
            {
                "resource": resource,
                "request": {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"},
            }
            for resource in waiting[:_ENTRIES_AT_ONCE]
        ]
        answer = client.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
        assert answer.status_code == 200, answer.text
        del waiting[:_ENTRIES_AT_ONCE]


def encoded(search: str) -> str:
    """Return `search`, written plainly (`Patient?name=a b&age=1+`), with its values percent-encoded."""
    address, _, query = search.partition("?")
    pairs = (pair.partition("=") for pair in query.split("&"))
    return f"{address}?" + "&".join(f"{quote(name)}={quote(value)}" for name, _, value in pairs)


def page(client: httpx.Client, search: str, **options: Any) -> Resource:
    """Return the Bundle that answers `search`, written plainly."""
    answer = client.get(encoded(search), **options)
    assert answer.status_code == 200, f"{search}: {answer.text}"
    bundle: Resource = answer.json()
    assert bundle["resourceType"] == "Bundle"
    assert bundle["type"] == "searchset"
    return bundle


def links(bundle: Resource) -> Mapping[str, str]:
    """Return the addresses of a bundle's links by their relation."""
    return {link["relation"]: link["url"] for link in bundle["link"]}


def matches(bundle: Resource) -> list[Resource]:
    """Return the resources that match, in their order."""
    entries = bundle.get("entry", [])
    return [entry["resource"] for entry in entries if entry["search"]["mode"] == "match"]


def ids(client: httpx.Client, search: str) -> list[str]:
    """Return the ids of all that `search` finds, page after page, in their order."""
    bundle = page(client, search)
    found = [resource["id"] for resource in matches(bundle)]
    while "next" in links(bundle):
        bundle = client.get(links(bundle)["next"]).raise_for_status().json()
        found += [resource["id"] for resource in matches(bundle)]
    return found


def check(client: httpx.Client, row: Row) -> None:
    """Assert that a search of a table finds what it should, in whatever order, none twice."""
    anchor, search, expected = row
    assert sorted(ids(client, search)) == sorted(expected.split()), f"search.html#{anchor}: {search}"


def row_id(row: object) -> str:
    """Return the name of a row of a table, for pytest."""
    return str(row[1]) if isinstance(row, tuple) else str(row)


def refusal(client: httpx.Client, search: str) -> Resource:
    """Return the first issue of the OperationOutcome with which `search` is refused."""
    answer = client.get(encoded(search))
    assert answer.status_code == 400, f"{search}: {answer.status_code} {answer.text}"
    issue: Resource = answer.json()["issue"][0]
    return issue
