"""Whoever changes, removes, adds or reorders an event directly in the database is found out.

So is who does the same to the blocks of the chain, or cuts off its end.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from pymongo import MongoClient
from pymongo.database import Database

from fhir_server.secrets_at_rest import new_key
from fhir_server.settings import Settings
from fhir_server.store import Store, open_store
from tests.fhir_server.audit.log import Log

Clients = dict[str, httpx.Client]
Document = dict[str, Any]
Parameters = dict[str, list[Any]]


@pytest.fixture
def records(audited: Settings) -> Iterator[Database[Document]]:
    """The database, as whoever has its files may change it."""
    with MongoClient[Document](str(audited.mongo_url)) as client:
        yield client[audited.database]


def _verify(clients: Clients, query: str = "") -> Parameters:
    answer = clients["auditor"].get(f"/AuditEvent/$verify{query}")
    answer.raise_for_status()
    found: Parameters = {}
    for parameter in answer.json()["parameter"]:
        value = next((parameter[key] for key in parameter if key.startswith("value")), None)
        if "part" in parameter:
            value = {
                part["name"]: next(v for k, v in part.items() if k != "name") for part in parameter["part"]
            }
        found.setdefault(parameter["name"], []).append(value)
    return found


def _kinds(found: Parameters) -> set[str]:
    return {finding["kind"] for finding in found.get("finding", ())}


@pytest.fixture
def event_id(clients: Clients, log: Log) -> str:
    """An event that is sealed."""
    clients["doctor"].get("/Observation/observation-anna").raise_for_status()
    [event] = log.events()
    return str(event["id"])


@pytest.mark.workflow("0-46", "1-43")
def test_a_whole_log(clients: Clients, event_id: str) -> None:
    """Nothing is wrong, and everything was looked at."""
    found = _verify(clients)
    assert found["result"] == [True]
    assert "finding" not in found
    assert found["unsealed"] == [0]
    assert found["events"][0] >= found["blocks"][0] > 0
    assert found["block"] == found["blocks"]


class TestEvents:
    """What is done to an event; each test puts things right again."""

    @pytest.mark.workflow("0-46", "1-43")
    def test_changed(self, clients: Clients, records: Database[Document], event_id: str) -> None:
        """One element is another."""
        before = records.AuditEvent.find_one({"_id": event_id})
        assert before is not None
        records.AuditEvent.update_one({"_id": event_id}, {"$set": {"resource.outcome": "8"}})
        found = _verify(clients)
        assert found["result"] == [False]
        assert found["finding"][0]["kind"] == "changed"
        assert found["finding"][0]["event"] == {"reference": f"AuditEvent/{event_id}"}
        records.AuditEvent.replace_one({"_id": event_id}, before)
        assert _verify(clients)["result"] == [True]

    def test_removed(self, clients: Clients, records: Database[Document], event_id: str) -> None:
        """It is not there any more."""
        before = records.AuditEvent.find_one_and_delete({"_id": event_id})
        assert before is not None
        found = _verify(clients)
        assert [(one["kind"], one["event"]["reference"]) for one in found["finding"]] == [
            ("missing", f"AuditEvent/{event_id}")
        ]
        records.AuditEvent.insert_one(before)
        assert _verify(clients)["result"] == [True]

    def test_forged(self, clients: Clients, records: Database[Document], event_id: str) -> None:
        """One was put in that this server never wrote, with the stamp of another."""
        before = records.AuditEvent.find_one({"_id": event_id})
        assert before is not None
        forged = {**before, "_id": "ffffffff-forged", "seq": before["seq"] + 1}
        forged["resource"] = {**before["resource"], "id": "ffffffff-forged"}
        records.AuditEvent.insert_one(forged)
        found = _verify(clients)
        assert [(one["kind"], one["event"]["reference"]) for one in found["finding"]] == [
            ("forged", "AuditEvent/ffffffff-forged")
        ]
        records.AuditEvent.delete_one({"_id": "ffffffff-forged"})

    def test_exchanged(self, clients: Clients, records: Database[Document], log: Log) -> None:
        """Two events have taken each other's places."""
        for address in ("/Observation/observation-anna", "/Patient/anna"):
            clients["doctor"].get(address).raise_for_status()
        first, second = (one["id"] for one in log.events())
        documents = [records.AuditEvent.find_one({"_id": one}) for one in (first, second)]
        assert documents[0] is not None
        assert documents[1] is not None
        for identity, other in ((first, documents[1]), (second, documents[0])):
            resource = {**other["resource"], "id": identity}
            records.AuditEvent.update_one({"_id": identity}, {"$set": {"resource": resource}})
        assert _kinds(_verify(clients)) == {"changed"}
        for document in documents:
            assert document is not None
            records.AuditEvent.replace_one({"_id": document["_id"]}, document)
        assert _verify(clients)["result"] == [True]


class TestBlocks:
    """What is done to the chain; each test puts things right again."""

    @pytest.fixture(autouse=True)
    def _kept(self, records: Database[Document], clients: Clients, event_id: str) -> Iterator[None]:
        clients["doctor"].get("/Patient/anna").raise_for_status()
        _verify(clients)
        before = list(records.audit_chain.find({}))
        yield
        records.audit_chain.delete_many({"_id": {"$in": [block["_id"] for block in before]}})
        records.audit_chain.insert_many(before)
        assert _verify(clients)["result"] == [True]

    def test_an_event_taken_out(self, clients: Clients, records: Database[Document]) -> None:
        """An event was removed with its entry in the block."""
        records.audit_chain.update_one({"_id": 1}, {"$pop": {"entries": 1}})
        assert "block-changed" in _kinds(_verify(clients))

    def test_entries_in_another_order(self, clients: Clients, records: Database[Document]) -> None:
        """The entries of a block were reordered."""
        block = next(one for one in records.audit_chain.find({}) if len(one["entries"]) > 1)
        entries = block["entries"][::-1]
        records.audit_chain.update_one({"_id": block["_id"]}, {"$set": {"entries": entries}})
        assert _kinds(_verify(clients)) == {"block-changed"}

    def test_blocks_in_another_order(self, clients: Clients, records: Database[Document]) -> None:
        """Two blocks have taken each other's places."""
        first, second = records.audit_chain.find({}).sort("_id", 1).limit(2)
        records.audit_chain.delete_many({"_id": {"$in": [first["_id"], second["_id"]]}})
        records.audit_chain.insert_many([{**first, "_id": second["_id"]}, {**second, "_id": first["_id"]}])
        assert _kinds(_verify(clients)) == {"block-changed"}

    def test_a_block_removed(self, clients: Clients, records: Database[Document]) -> None:
        """A block is missing, and the next one does not follow."""
        records.audit_chain.delete_one({"_id": 2})
        assert "block-missing" in _kinds(_verify(clients))

    def test_the_end_cut_off(self, clients: Clients, records: Database[Document]) -> None:
        """The last block is gone with its events: who has kept its seal, from a log line or so, sees that."""
        found = _verify(clients)
        block, seal = found["block"][0], found["seal"][0]
        last = records.audit_chain.find_one_and_delete({"_id": block})
        assert last is not None
        ids = [entry["id"] for entry in last["entries"]]
        events = list(records.AuditEvent.find({"_id": {"$in": ids}}))
        records.AuditEvent.delete_many({"_id": {"$in": ids}})
        anchored = _verify(clients, f"?block={block}&seal={seal}")
        records.AuditEvent.insert_many(events)
        records.audit_chain.insert_one(last)
        assert {"anchor", "block-missing"} & _kinds(anchored)


def test_an_anchor_that_holds(clients: Clients, event_id: str) -> None:
    """The block is still the one that was told of; another seal is found out."""
    found = _verify(clients)
    block, seal = found["block"][0], found["seal"][0]
    assert _verify(clients, f"?block={block}&seal={seal}")["result"] == [True]
    assert _kinds(_verify(clients, f"?block={block}&seal={'0' * 64}")) == {"anchor"}
    assert clients["auditor"].get(f"/AuditEvent/$verify?block={block}").status_code == 400


@pytest.mark.parametrize("caller", ["doctor", "patient", "nurse", "clerk"])
def test_who_may_verify(clients: Clients, caller: str) -> None:
    """Auditors and administrators."""
    assert clients[caller].get("/AuditEvent/$verify").status_code == 403


class TestTheKey:
    """The key of the chain is encrypted, and who has it not can seal nothing."""

    def _with_store(self, settings: Settings, work: Callable[[Store], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            store = open_store(settings, str(settings.mongo_url))
            try:
                return await work(store)
            finally:
                await store.close()

        return asyncio.run(run())

    def test_is_not_in_the_database(self, settings: Settings) -> None:
        """It is encrypted with FHIR_ENCRYPTION_KEY, and without that it cannot be opened."""
        database = f"{settings.database}-key"
        secure = Settings(
            mongo_url=settings.mongo_url, database=database, audit="on", encryption_key=SecretStr(new_key())
        )

        async def seal(store: Store) -> None:
            assert store.audit_log is not None
            await store.audit_log.prepare()

        try:
            self._with_store(secure, seal)
            with MongoClient[Document](str(settings.mongo_url)) as client:
                [kept] = client[database]["keys"].find({"_id": "audit"})
            assert kept["key"].startswith("1.")
            other = secure.model_copy(update={"encryption_key": SecretStr(new_key())})
            with pytest.raises(Exception, match="No key that is known"):
                self._with_store(other, seal)
        finally:
            with MongoClient[Document](str(settings.mongo_url)) as client:
                client.drop_database(database)
