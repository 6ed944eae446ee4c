"""Sends each message of the public data set the whole way: inbox, mapping, rules, transaction, answer.

All go to one database, from which everything is deleted before the next: the files use the same numbers for
different people, and a database for each would take ten minutes to make their indexes.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from adapters.channels import LOCAL, Channel, Channels
from fhir_server.asynchronous.jobs import Jobs
from fhir_server.context import Context
from fhir_server.hl7v2.applying import Applying
from fhir_server.hl7v2.wiring import Messages
from fhir_server.identifiers import new_id
from fhir_server.routes import match
from fhir_server.settings import Settings
from fhir_server.store import Store, open_store
from fhir_server.workflows.modes import parse_modes
from fhir_server.workflows.registry import PATTERNS
from fhir_server.workflows.rulebook import RuleBook
from hl7.ack import Ack, read_ack
from hl7.message import Message
from hl7.parser import parse

Resource = dict[str, Any]
Database = AsyncDatabase[dict[str, Any]]

_ZONE = ZoneInfo("Europe/Berlin")
_KEPT = frozenset({"registry"})
"""Which collections have their indexes; a store remembers that of its database."""
_MOST = 1000


@dataclass(frozen=True, slots=True)
class Reason:
    """What is wrong with a message: code of table 0357, place, and the rule of the hospital that says so."""

    code: str
    location: str
    text: str
    rule: str


@dataclass(frozen=True, slots=True)
class Sent:
    """A message, what its sender was answered, and the resources that were in the database afterwards.

    `answers` are the acknowledgments in the order in which they were sent. `state` and `reasons` are those of
    the inbox; the reasons of a message that was accepted are its warnings.
    """

    name: str
    message: Message
    answers: tuple[Ack, ...]
    state: str
    reasons: tuple[Reason, ...]
    resources: tuple[Resource, ...]


async def sent(settings: Settings, files: Sequence[Path]) -> list[Sent]:
    """Return what became of the message of each file; `settings` name an empty database."""
    url = str(settings.mongo_url)
    store = open_store(settings, url)
    book = RuleBook(PATTERNS, parse_modes(settings.workflows_off, settings.workflows_warn), store)
    jobs = Jobs(store.async_jobs)

    def new_context(_request_id: str) -> Context:
        return Context("http://localhost/fhir", store, settings, _now, new_id, match, jobs)

    applying = Applying(new_context, book)
    read = [(path.name, parse(path.read_bytes())) for path in files]
    channels = _channels([one for _, one in read])
    await store.prepare_new_database()
    found = []
    async with AsyncMongoClient[dict[str, Any]](url, tz_aware=True) as client:
        database = client[settings.database]
        for name, message in read:
            await _empty(database)
            messages = Messages(channels, store, applying.apply, applying.preview)
            found.append(await _sent(name, message, messages, store, database))
    await store.close()
    return found


def _channels(messages: Sequence[Message]) -> Channels:
    """Return a channel for each of the systems that the messages say they are from."""
    senders = dict.fromkeys(_sender(one) for one in messages)
    return Channels(tuple(_channel(number, *sender) for number, sender in enumerate(senders, 1)))


def _sender(message: Message) -> tuple[str, str, str]:
    header = message.header
    environment = header.processing_id.partition("^")[0]
    return header.sending_application[1].text, header.sending_facility[1].text, environment


def _channel(number: int, application: str, facility: str, environment: str) -> Channel:
    return Channel(
        f"channel-{number}", application, facility, _ZONE, processing_id=environment, unknown_authority="urn"
    )


async def _empty(database: Database) -> None:
    for name in await database.list_collection_names():
        if name not in _KEPT:
            await database[name].delete_many({})


async def _sent(name: str, message: Message, messages: Messages, store: Store, database: Database) -> Sent:
    messages.start()
    answers = await messages.inbound.receive(message.data, LOCAL)
    await messages.stop()  # which finishes what no answer waits for
    entry = await database["hl7_inbox"].find_one({}) or {}
    read = tuple(read_ack(parse(one)) for one in (answers.accept, answers.application) if one)
    reasons = tuple(
        Reason(one["code"], one.get("location", ""), one["text"], one.get("rule", ""))
        for one in entry.get("reasons", ())
    )
    resources = [one async for one in _stored(store, database)]
    return Sent(name, message, read, entry.get("state", ""), reasons, tuple(resources))


async def _stored(store: Store, database: Database) -> AsyncIterator[Resource]:
    for name in sorted(await database.list_collection_names()):
        if name[0].isupper():  # those of resource types
            for one in await store.find(name, {}, (), {"resource": 1}, _MOST):
                yield one["resource"]


def _now() -> datetime:
    return datetime.now(UTC)
