"""Support tickets: whoever makes one, who sees it, and who works on it."""

import asyncio
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from fhir_server.asynchronous.jobs import Jobs
from fhir_server.context import Context
from fhir_server.identifiers import new_id
from fhir_server.routes import match
from fhir_server.settings import Settings
from fhir_server.smart.principal import Principal
from fhir_server.store import open_store
from fhir_server.store.accounts import Account
from fhir_server.store.ruling import Entry
from fhir_server.workflows.services import Services
from fhir_server.workflows.upkeep import tickets
from fhir_server.write_path import commit, replacement
from resources.operation_outcome import PreconditionFailed
from tests.fhir_server.conftest import FHIR_JSON, running_server

Resource = dict[str, Any]

CODE = {"coding": [{"system": "urn:fhir-hospital-server:tasks", "code": "support"}]}
PEOPLE = {"nora": "RN", "nils": "RN", "petra": "PH", "ada": "AD", "dora": "DR", "anna": "PT"}
_JSON_PATCH = {"content-type": "application/json-patch+json"}
_SECONDS = 60.0


async def authenticate(token: str) -> Principal | None:
    """Return whom a token stands for: its name."""
    role = PEOPLE.get(token)
    if role is None:
        return None
    kind = "Patient" if role == "PT" else "Practitioner"
    return Principal("app", ("user/*.cruds",), token, f"{kind}/{token}", frozenset({role}))


@pytest.fixture(scope="module")
def settings(mongo_url: str) -> Iterator[Settings]:
    """Settings of a server whose rules hold."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    yield Settings(mongo_url=mongo_url, database=name, log_level="error", auth="off", workflows_off=None)
    with MongoClient[dict[str, object]](mongo_url) as client:
        client.drop_database(name)


@pytest.fixture(scope="module")
def clients(settings: Settings) -> Iterator[dict[str, httpx.Client]]:
    """A client for each of the people; Ada has an account, as administrators have."""

    async def add_account() -> None:
        store = open_store(settings, str(settings.mongo_url))
        await store.accounts.add(Account("1", "ada", "Ada", "x", ("AD",), "Practitioner/ada"))
        await store.close()

    asyncio.run(add_account())
    with running_server(settings, authenticate) as url:
        made = {
            name: httpx.Client(
                base_url=url,
                headers={"authorization": f"Bearer {name}", "content-type": FHIR_JSON},
                timeout=30,
            )
            for name in PEOPLE
        }
        yield made
        for client in made.values():
            client.close()


def ticket(**elements: Any) -> Resource:
    """Return a ticket as a nurse sends it."""
    return {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "code": CODE,
        "description": "The printer of ward 3 is silent.",
        **elements,
    }


def own(name: str) -> Resource:
    """Return a ticket with its requester."""
    return ticket(requester={"reference": f"Practitioner/{name}"})


def become(client: httpx.Client, task: Resource, state: str) -> httpx.Response:
    """Patch the state of a ticket."""
    patch = [{"op": "replace", "path": "/status", "value": state}]
    return client.patch(f"/Task/{task['id']}", json=patch, headers=_JSON_PATCH)


@pytest.mark.workflow("0-21")
def test_administrators_are_told_and_others_see_their_own(clients: dict[str, httpx.Client]) -> None:
    """A nurse's ticket is seen by her and by administrators, who are told of it, and by nobody else."""
    made = clients["nora"].post("/Task", json=own("nora"))
    assert made.status_code == 201, made.text
    task = made.json()
    address = f"/Task/{task['id']}"
    assert task["authoredOn"]
    assert clients["nora"].get(address).status_code == 200
    for other in ("nils", "petra", "dora", "anna"):
        assert clients[other].get(address).status_code in (403, 404), other
        found = clients[other].get(f"/Task?_id={task['id']}")
        assert found.status_code == 403 or found.json()["total"] == 0, other
    give_up = time.monotonic() + _SECONDS
    while time.monotonic() < give_up:
        told = clients["ada"].get("/Communication?recipient=Practitioner/ada").json()
        if any(one["resource"]["about"] == [{"reference": address[1:]}] for one in told.get("entry", ())):
            break
    else:
        raise AssertionError("nobody was told")
    asked = clients["ada"].get(address).json()
    assert asked["restriction"]["recipient"] == [{"reference": "Practitioner/ada"}]
    assert become(clients["ada"], task, "in-progress").status_code == 200
    assert become(clients["ada"], task, "completed").status_code == 200


@pytest.mark.workflow("0-21")
def test_only_administrators_carry_it_out(clients: dict[str, httpx.Client]) -> None:
    """Who made it may describe it better and cancel it, and not decide more; by PATCH or a transaction."""
    task = clients["petra"].post("/Task", json=own("petra")).json()
    refused = become(clients["petra"], task, "completed")
    assert refused.status_code == 403
    assert "W20.ticket-administrator" in refused.text
    current = clients["petra"].get(f"/Task/{task['id']}").json()
    taken = current | {"owner": {"reference": "Practitioner/petra"}}
    entry = {"resource": taken, "request": {"method": "PUT", "url": f"Task/{task['id']}"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    assert clients["petra"].post("/", json=bundle).status_code == 403
    better = current | {"description": "The printers of ward 3 and 4 are silent."}
    assert clients["petra"].put(f"/Task/{task['id']}", json=better).status_code == 200
    assert become(clients["petra"], task, "cancelled").status_code == 200
    over = become(clients["ada"], task, "in-progress")
    assert over.status_code == 422
    assert "W20.ticket-state" in over.text


def test_a_ticket_says_who_and_what(clients: dict[str, httpx.Client]) -> None:
    """Nobody asks in another's name; something is wrong; a patient makes none."""
    mute = own("ada") | {"description": " "}
    answer = clients["ada"].post("/Task", json=mute)
    assert (answer.status_code, "W20.ticket-description" in answer.text) == (422, True)
    forged = clients["ada"].post("/Task", json=own("nora"))
    assert (forged.status_code, "W20.ticket-requester" in forged.text) == (403, True)
    assert clients["nora"].post("/Task", json=own("nils")).status_code == 403
    assert clients["anna"].post("/Task", json=ticket()).status_code == 403
    assert clients["ada"].post("/Task", json=ticket()).json()["requester"] == {
        "reference": "Practitioner/ada"
    }
    begun = clients["ada"].post("/Task", json=ticket(status="completed"))
    assert (begun.status_code, "W20.ticket-state" in begun.text) == (422, True)


def test_nothing_else_becomes_a_ticket(clients: dict[str, httpx.Client]) -> None:
    """A Task of another kind stays one: else its state could be anything."""
    other = ticket(code={"text": "Fetch the results"})
    task = clients["nora"].post("/Task", json=other).json()
    answer = clients["ada"].put(f"/Task/{task['id']}", json=task | {"code": CODE})
    assert answer.status_code == 403
    assert clients["nils"].get(f"/Task/{task['id']}").status_code == 200


@pytest.mark.anyio
async def test_what_is_written_while_administrators_are_looked_up_is_kept(
    settings: Settings, clients: dict[str, httpx.Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ticket is asked for again as it is then."""
    del clients  # there is an administrator
    store = open_store(settings, str(settings.mongo_url))
    await store.commit([replacement("Task", "busy", ticket(id="busy"))])
    better = ticket(id="busy", description="All printers are silent.")

    async def late(*arguments: Any) -> Any:
        await store.commit([replacement("Task", "busy", better)])
        return await commit(*arguments)

    monkeypatch.setattr(tickets, "commit", late)
    jobs, now = Jobs(store.async_jobs), datetime.now(UTC)
    context = Context("http://server/fhir", store, settings, lambda: now, new_id, match, jobs)
    entry = Entry("ticket/Task/busy", now, tickets.ASSIGN, "Task/busy")
    try:
        with pytest.raises(PreconditionFailed):
            await tickets.ask_administrators(entry, context, Services())
        kept = await store.read("Task", "busy")
    finally:
        await store.close()
    assert kept is not None
    assert kept.resource is not None
    assert kept.resource["description"] == better["description"]
