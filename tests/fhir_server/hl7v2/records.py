"""A hospital whose records messages change: the real rules, the real MongoDB, and made-up people."""

import asyncio
import hashlib
import itertools
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from adapters.applying import Applied, Received
from adapters.channels import Channel
from adapters.inboxes import Arrival
from fhir_server.asynchronous.jobs import Jobs
from fhir_server.context import Context
from fhir_server.hl7v2.applying import Applying, Difference
from fhir_server.identifiers import new_id
from fhir_server.routes import match
from fhir_server.settings import Settings
from fhir_server.store import Store, open_store
from fhir_server.workflows.modes import parse_modes
from fhir_server.workflows.registry import PATTERNS
from fhir_server.workflows.rulebook import RuleBook, ruled
from fhir_server.write_path import commit, replacement
from hl7.message import Message
from hl7.parser import parse

Resource = dict[str, Any]
Result = TypeVar("Result")

MR = "urn:oid:1.2.3.4.5.1"
"""The system of the hospital's numbers of patients."""
VISIT = "urn:oid:1.2.3.4.5.2"
ADT = Channel(
    "adt",
    "ADT",
    "GENHOSP",
    ZoneInfo("Europe/Berlin"),
    authorities={"GENHOSP": MR, "VISITS": VISIT, "LABNO": "urn:oid:1.2.3.4.5.3"},
)
LAB = replace(ADT, name="lab", sending_application="LAB")


@dataclass
class Records:
    """The records, and what applies messages to them."""

    settings: Settings
    store: Store
    book: RuleBook
    loop: asyncio.AbstractEventLoop
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return what `work` does."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout=60)

    def context(self, request_id: str = "") -> Context:
        """Return a context of the server's own."""
        return Context(
            "http://localhost/fhir",
            self.store,
            self.settings,
            _now,
            new_id,
            match,
            Jobs(self.store.async_jobs),
        )

    @property
    def applying(self) -> Applying:
        """What applies messages."""
        return Applying(self.context, self.book)

    def send(self, *segments: str, channel: Channel = ADT) -> Applied:
        """Apply a message of `segments`, as the server does with one from the inbox."""
        return self.run(self._send(message(*segments), channel))

    def take(self, data: bytes, channel: Channel = ADT) -> Applied:
        """Apply a message that came as these bytes."""
        return self.run(self._send(parse(data), channel))

    async def _send(self, sent: Message, channel: Channel) -> Applied:
        digest = hashlib.sha256(sent.data).hexdigest()
        key = (channel.name, "", f"{next(self.numbers)}-{new_id()}")
        added = await self.store.hl7_inbox.add(Arrival(sent.data, digest, _now(), key, channel=channel.name))
        received = Received(added.entry.id, added.entry.received, digest)
        applied = await self.applying.apply(sent, channel, received)
        await self.store.hl7_inbox.settle(added.entry.id, applied)
        return applied

    def preview(self, *segments: str, channel: Channel = ADT) -> list[Difference]:
        """Return what a message would change."""
        return self.run(self.applying.preview(message(*segments), channel))

    def put(self, resource: Resource) -> None:
        """Store a resource, as the server itself does."""
        context = ruled(self.context(), self.book, is_system=True)
        self.run(commit(context, [replacement(resource["resourceType"], resource["id"], resource)]))

    def all(self, resource_type: str) -> list[Resource]:
        """Return all resources of a type."""
        found = self.run(self.store.find(resource_type, {}, (), {"resource": 1}, 1000))
        return [one["resource"] for one in found]

    def one(self, resource_type: str, value: str) -> Resource:
        """Return the one resource that has an identifier of a value."""
        (found,) = [
            one
            for one in self.all(resource_type)
            if any(each.get("value") == value for each in one.get("identifier", ()))
        ]
        return found

    def has(self, resource_type: str, value: str) -> bool:
        """Tell whether a resource has an identifier of a value."""
        return any(
            each.get("value") == value
            for one in self.all(resource_type)
            for each in one.get("identifier", ())
        )

    def version(self, resource: Resource) -> int:
        """Return the number of a resource's version."""
        return int(resource["meta"]["versionId"])


def _now() -> datetime:
    return datetime.now(UTC)


def message(*segments: str) -> Message:
    """Return the message of some segments."""
    return parse("\r".join(segments).encode() + b"\r")


def msh(event: str, control_id: str = "M1", *, application: str = "ADT", time: str = "20240105120000") -> str:
    """Return the MSH of a message of an event such as `ADT^A01`."""
    return f"MSH|^~\\&|{application}|GENHOSP|FHIR|GENHOSP|{time}||{event}|{control_id}|P|2.5.1"


@contextmanager
def hospital(settings: Settings) -> Iterator[Records]:
    """Open the records of a hospital, in a database of its own."""
    is_ready, is_over = threading.Event(), threading.Event()
    made: list[Records] = []

    async def main() -> None:
        store = open_store(settings, str(settings.mongo_url))
        book = RuleBook(PATTERNS, parse_modes(settings.workflows_off, settings.workflows_warn), store)
        made.append(Records(settings, store, book, asyncio.get_running_loop()))
        await store.prepare_new_database()
        is_ready.set()
        while not is_over.is_set():  # noqa: ASYNC110 - set from another thread
            await asyncio.sleep(0.02)
        await store.close()

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    assert is_ready.wait(60)
    yield made[0]
    is_over.set()
    thread.join(20)
