"""What a query reads, and by which requests."""

import asyncio
from dataclasses import fields
from typing import Any

import pytest

from fhir_server.context import Context, Request, Response, Route
from fhir_server.graphql.arranging import arranged
from fhir_server.graphql.checking import checked
from fhir_server.graphql.execution import Execution
from fhir_server.graphql.places import stored
from fhir_server.graphql.requests import Asked
from fhir_server.graphql.schema import schema
from fhir_server.settings import Settings

_PATIENTS = 7


class _NoStore:
    """What stands for the store: only the key of cursors is asked of it."""

    async def shared_key(self, name: str, candidate: str) -> str:
        return candidate


def _resource(name: str, resource_id: str) -> dict[str, Any]:
    found: dict[str, Any] = {"resourceType": name, "id": resource_id}
    if name == "Patient":
        number = int(resource_id.removeprefix("p")) % 2
        found["managingOrganization"] = {"reference": f"Organization/o{number}"}
    return found


def _asked_in(query: str, root: dict[str, Any], **settings: Any) -> tuple[Any, list[str]]:
    """Return what a query gives about a resource, and the requests that it made on the way."""
    requests: list[str] = []

    async def handler(request: Request, context: Context) -> Response:
        ids = next((text for name, text in request.query if name == "_id"), "").split(",")
        requests.append(f"{request.method} {'/'.join(request.path)}?_id={','.join(ids)}")
        entries = [{"resource": _resource(request.path[0], one), "search": {"mode": "match"}} for one in ids]
        return Response(200, {"resourceType": "Bundle", "entry": entries})

    # Of all that a context has a query needs these alone.
    needed: dict[str, Any] = dict.fromkeys((field.name for field in fields(Context)), None)
    needed |= {"base_url": "http://here", "store": _NoStore(), "settings": Settings(**settings)}
    needed["match"] = lambda request: Route("search-type", handler)
    context = Context(**needed)
    types = schema(root["resourceType"])
    operation = checked(Asked(query), types)
    found = asyncio.run(Execution(operation, types, context).root(stored(root)))
    return arranged(found), requests


_GROUP = {
    "resourceType": "Group",
    "id": "g",
    "member": [{"entity": {"reference": f"Patient/p{i}"}} for i in (*range(_PATIENTS), 0)],
}
_QUERY = (
    "{ member { entity { resource(type: Patient) { id"
    " managingOrganization { resource(type: Organization) { id } } } } } }"
)


@pytest.mark.feature("operation.graphql.reference")
def test_one_search_finds_the_targets_of_a_level() -> None:
    """Seven patients take one search, their two organizations another; nothing is read twice."""
    found, requests = _asked_in(_QUERY, _GROUP)
    assert requests == [
        "GET Patient?_id=p0,p1,p2,p3,p4,p5,p6",
        "GET Organization?_id=o0,o1",
    ]
    entities = [member["entity"]["resource"] for member in found["member"]]
    assert [entity["id"] for entity in entities] == ["p0", "p1", "p2", "p3", "p4", "p5", "p6", "p0"]
    assert entities[3]["managingOrganization"] == {"resource": {"id": "o1"}}


def test_a_search_asks_for_no_more_than_a_page_holds() -> None:
    """With small pages the targets are looked for in several searches, and all of them are found."""
    found, requests = _asked_in(_QUERY, _GROUP, max_page_size=3)
    assert [request for request in requests if "Patient" in request] == [
        "GET Patient?_id=p0,p1,p2",
        "GET Patient?_id=p3,p4,p5",
        "GET Patient?_id=p6",
    ]
    assert len(found["member"]) == _PATIENTS + 1
