"""Every way of reading, by every kind of caller, about one's own patients and others': nothing leaks.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from fhir_server.settings import Settings
from fhir_server.store import Store
from tests.fhir_server.conftest import FHIR_JSON, running_server
from tests.fhir_server.smart.access.expected import SEEN, may_see
from tests.fhir_server.smart.access.world import CALLERS as KNOWN
from tests.fhir_server.smart.access.world import PATIENTS, authenticate, of_patient, resources, secret
from tests.sweeps import IS_WHOLE

Client = Callable[..., httpx.Response]
Resource = dict[str, Any]

TYPES = sorted(
    {one["resourceType"] for one in resources() if one["id"].endswith(f"-{PATIENTS[0]}")} | {"Patient"}
)
# A sample of them; a whole sweep asks for all, some 16,000 questions in two minutes.
_ALWAYS = ("doctor", "narrow", "patient")
CALLERS = sorted(set(SEEN) - {"backend"}) if IS_WHOLE else _ALWAYS


@pytest.fixture(scope="module")
def url(settings: Settings) -> Iterator[str]:
    """The address of a server that knows the callers, with all resources in it."""
    with running_server(settings, authenticate) as address:
        entries = [
            {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}}
            for one in resources()
        ]
        # Which makes the collections of all types, with their indexes.
        with httpx.Client(base_url=address, headers=_headers("backend"), timeout=180) as backend:
            answer = backend.post(
                "/", json={"resourceType": "Bundle", "type": "transaction", "entry": entries}
            )
            assert answer.status_code == 200, answer.text
        yield address


def _headers(caller: str) -> dict[str, str]:
    return {"authorization": f"Bearer {caller}", "content-type": FHIR_JSON}


@pytest.fixture(scope="module")
def clients(url: str) -> Iterator[dict[str, httpx.Client]]:
    """A client for each caller."""
    made = {one: httpx.Client(base_url=url, headers=_headers(one), timeout=30) for one in KNOWN}
    yield made
    for client in made.values():
        client.close()


def _bundle(kind: str, *addresses: str) -> Resource:
    entries = [{"request": {"method": "GET", "url": address}} for address in addresses]
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


def _ways(resource_type: str, resource_id: str, patient: str) -> Iterator[tuple[str, str, Any]]:
    """Yield all ways to read a resource, or to learn of it: method, address and body."""
    name, one = resource_type, f"{resource_type}/{resource_id}"
    for address in (
        one,
        f"{one}/_history",
        f"{one}/_history/1",
        f"{one}/$meta",
        name,
        f"{name}/_history",
        f"{name}?_id={resource_id}&_total=accurate",
        f"{name}?_summary=count",
        f"{name}?_sort=-_lastUpdated&_count=2",
        f"{name}?_sort=_lastUpdated,_id",
        f"{name}?_filter=_id eq {resource_id}",
        f"{name}?_elements=id&_count=1",
        f"{name}?_id={resource_id}&_include={name}:*",
        f"{name}?_content={secret(patient)}",
        f"?_type={name}&_id={resource_id}",
        f"Patient/{patient}/{name}",
        f"Patient?_id={patient}&_revinclude={name}:*",
        f"Patient?_has:{name}:{_link(name)}:_id={resource_id}"
        if _link(name)
        else f"{name}?_lastUpdated=ge2020",
        f"{name}?{_link(name)}:Patient.family={secret(patient)}" if _link(name) else f"{name}?_tag=x",
    ):
        yield "GET", address, None
    yield "POST", "", _bundle("batch", one, f"{name}?_id={resource_id}")
    yield "POST", "", _bundle("transaction", f"{name}?_id={resource_id}", f"Patient?_id={patient}")
    yield "POST", "$graphql", {"query": f'{{ {name}(id: "{resource_id}") {{ id }} {name}List {{ id }} }}'}


_LINKS = {"Provenance": "target", "Binary": "", "Group": "member"}


def _link(resource_type: str) -> str:
    return "" if resource_type == "Patient" else _LINKS.get(resource_type, "patient")


def _resources(found: Any) -> Iterator[Resource]:
    """Yield all resources within an answer, however deep."""
    if isinstance(found, dict):
        if "resourceType" in found and "id" in found:
            yield found
        for inner in found.values():
            yield from _resources(inner)
    elif isinstance(found, list):
        for inner in found:
            yield from _resources(inner)


def _leaks(caller: str, answer: httpx.Response) -> list[str]:
    """Return what an answer has that the caller may not see."""
    hidden = [name for name in PATIENTS if name not in SEEN[caller][1]]
    asked = str(answer.request.url)
    found = [
        name
        for name in hidden
        if secret(name) in answer.text.replace(quote(asked), "") and secret(name) not in asked
    ]
    found += _numbers_that_tell(caller, answer)
    if answer.content and "json" in answer.headers["content-type"]:
        for one in _resources(json.loads(answer.text)):
            if one["resourceType"] != "Bundle" and not may_see(caller, one["resourceType"], one["id"]):
                found.append(f"{one['resourceType']}/{one['id']}")
    return found


def _numbers_that_tell(caller: str, answer: httpx.Response) -> list[str]:
    """Return the address if a number, or a match by what is hidden, tells of what the caller may not see."""
    url = answer.request.url
    name, asked = url.path.rpartition("/")[2], dict(url.params)
    if answer.status_code != 200 or answer.request.method != "GET":
        return []
    reverse = next((key for key in asked if key.startswith("_has:")), None)
    if reverse is not None and not may_see(caller, reverse.split(":")[1], asked[reverse]):
        return [str(url)] if answer.json().get("total") else []
    if ":Patient.family" in str(url) and not SEEN[caller][0] & {"Patient"}:
        return [str(url)] if answer.json().get("total") else []
    if asked.get("_summary") == "count":
        visible = [
            one for one in resources() if one["resourceType"] == name and may_see(caller, name, one["id"])
        ]
        return [str(url)] if answer.json()["total"] != len(visible) else []
    return []


def _all_leaks(client: httpx.Client, caller: str, resource_type: str) -> Iterator[tuple[str, str, list[str]]]:
    """Ask on all ways; yield those on which something came that should not."""
    for patient in PATIENTS:
        resource_id = of_patient(resource_type, patient)["id"]
        for method, address, body in _ways(resource_type, resource_id, patient):
            answer = client.request(method, f"/{address}", json=body)
            assert answer.status_code < 500, (address, answer.text)
            if found := _leaks(caller, answer):
                yield method, address, found


@pytest.mark.workflow("0-18", "1-03", "1-08", "2-02", "2-05", "3-40", "3-49", "4-01", "4-11")
@pytest.mark.parametrize("resource_type", TYPES)
@pytest.mark.parametrize("caller", CALLERS)
def test_nothing_leaks(clients: dict[str, httpx.Client], caller: str, resource_type: str) -> None:
    """On no way comes anything of a patient, or of a type, that the caller may not see."""
    assert list(_all_leaks(clients[caller], caller, resource_type)) == []


@pytest.mark.parametrize(
    ("method", "caller"),
    [
        ("read", "patient"),
        ("read_version", "patient"),
        ("history", "patient"),
        ("find", "patient"),
        ("count", "patient"),
        ("aggregate", "patient"),
        ("matching_ids", "results"),
    ],
)
def test_a_missing_check_is_seen(
    clients: dict[str, httpx.Client], monkeypatch: pytest.MonkeyPatch, method: str, caller: str
) -> None:
    """If one method of the store forgot the rules, the matrix would tell."""
    original = getattr(Store, method)

    async def unguarded(store: Store, *arguments: Any, **options: Any) -> Any:
        view = copy.copy(store)
        view._guard = None
        return await original(view, *arguments, **options)

    monkeypatch.setattr(Store, method, unguarded)
    assert any(any(_all_leaks(clients[caller], caller, name)) for name in ("Observation", "Condition"))


@pytest.mark.workflow("0-17", "1-08", "3-37", "3-40", "4-01", "4-44")
@pytest.mark.parametrize("caller", sorted(SEEN))
def test_what_may_be_seen_is_seen(clients: dict[str, httpx.Client], caller: str) -> None:
    """What the table allows is read and found, and what it does not allow is neither."""
    client = clients[caller]
    for one in resources():
        name, resource_id = one["resourceType"], one["id"]
        allowed = may_see(caller, name, resource_id)
        assert (client.get(f"/{name}/{resource_id}").status_code == 200) == allowed, (name, resource_id)
        found = client.get(f"/{name}?_id={resource_id}&_total=accurate")
        assert (found.status_code == 200 and found.json()["total"] == 1) == allowed, (name, resource_id)


def test_there_are_enough_cases() -> None:
    """Of all callers over 5,000 questions are asked, and of the sample over 3,000."""
    ways = sum(1 for _ in _ways("Observation", "x", "y"))
    questions = len(TYPES) * len(PATIENTS) * ways
    assert len(CALLERS) * questions > 3_000
    assert (len(SEEN) - 1) * questions > 5_000
