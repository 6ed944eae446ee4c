"""A hospital that sends messages: its store, its clock, which tests set, and a real mail server."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import Message
from typing import Any

import httpx
import pytest
from aiosmtpd.controller import Controller

from adapters.email.smtp import SmtpMailer
from adapters.sms.http import HttpTextGateway
from fhir_server.asynchronous.jobs import Jobs
from fhir_server.context import Context
from fhir_server.identifiers import new_id
from fhir_server.settings import Settings
from fhir_server.store import Store, open_store
from fhir_server.store.agenda import AGENDA
from fhir_server.store.claims import CLAIMS
from fhir_server.workflows.clock import Clock
from fhir_server.workflows.consequences import Later
from fhir_server.workflows.messages import delivery
from fhir_server.workflows.messages.pattern import PATTERN
from fhir_server.workflows.modes import parse_modes
from fhir_server.workflows.notices import NoticeKind, notice
from fhir_server.workflows.rulebook import RuleBook, ruled
from fhir_server.workflows.services import Services
from fhir_server.write_path import commit, replacement
from tests.fhir_server.faults.server_process import free_port

Resource = dict[str, Any]

NOON = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)
BOOKED = NoticeKind("WT.booked", "Booked: {start}", "See {place} at {start}. {link}", "Booked: {start}")
REMINDER = NoticeKind("WT.reminder", "Soon", "Soon: {start}", "Soon: {start}", category="reminder")
ALERT = NoticeKind("WT.alert", "Now", "Come now", "Come now", category="alert", urgent=True)


class MailBox:
    """What a real mail server received; it refuses addresses at `nowhere.example`, and all while `is_ill`."""

    def __init__(self) -> None:
        """Be empty."""
        self.mails: list[tuple[str, Message]] = []
        self.is_ill = False

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        """Take an address, or not."""
        if address.endswith("@nowhere.example"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, _server: Any, _session: Any, envelope: Any
    ) -> str:
        """Take a mail, or not now."""
        if self.is_ill:
            return "451 try again later"
        self.mails.append((envelope.rcpt_tos[0], message_from_bytes(envelope.content)))
        return "250 OK"

    @property
    def ids(self) -> list[str]:
        """The Message-IDs, as they came."""
        return [str(mail["Message-ID"]) for _, mail in self.mails]


@pytest.fixture
def mailbox() -> MailBox:
    """What the mail server receives."""
    return MailBox()


@pytest.fixture
def smtp_url(mailbox: MailBox) -> Iterator[str]:
    """The address of a mail server that is running."""
    port = free_port()
    controller = Controller(mailbox, hostname="127.0.0.1", port=port, ready_timeout=60)
    controller.start()
    yield f"smtp://127.0.0.1:{port}"
    controller.stop()


@dataclass
class Hospital:
    """A store with the rules of messages, and the time, which stands still."""

    store: Store
    settings: Settings
    book: RuleBook
    services: Services
    texts: list[httpx.Request]
    now: datetime = NOON
    gateway_answers: list[int] = field(default_factory=list)

    def context(self, principal: Any = None) -> Context:
        """Return a context of now, for everybody or for a caller."""

        def no_route(_request: object) -> Any:
            raise AssertionError

        return Context(
            "http://server/fhir",
            self.store,
            self.settings,
            lambda: self.now,
            new_id,
            no_route,
            Jobs(self.store.async_jobs),
            principal=principal,
        )

    async def put(self, *resources: Resource, by: Any = None) -> list[Resource]:
        """Store resources together, as anybody may or as the caller `by`; return what is stored."""
        writes = [replacement(one["resourceType"], one["id"], one) for one in resources]
        written = await commit(ruled(self.context(by), self.book), writes)
        return [one.version.resource for one in written if one.version and one.version.resource]

    async def plan(self, *notices: Later) -> None:
        """Put notices into the agenda."""
        for later in notices:
            one = later.entry
            document = {"due": one.due, "action": one.action, "subject": one.subject, "data": dict(one.data)}
            state = {"_id": one.key, "state": "waiting", "until": None, "attempts": 0}
            await self.store._database[AGENDA].insert_one(document | state)

    async def work(self) -> int:
        """Do all that is due; return how much that was."""
        clock = Clock(self.store, self.book, self.services, lambda _id: self.context())
        for number in range(100):
            if not await clock.work_once():
                return number
        raise AssertionError("the agenda does not come to an end")

    async def communications(self) -> list[Resource]:
        """Return all Communications."""
        found = await self.store.find("Communication", {}, [("_id", 1)], {"resource": 1}, 100)
        return [one["resource"] for one in found]

    async def entries(self) -> dict[str, Resource]:
        """Return the agenda, by key."""
        found = await self.store._database[AGENDA].find({}).to_list()
        return {one["_id"]: one for one in found}


@pytest.fixture
async def hospital(
    settings: Settings, smtp_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Hospital]:
    """A hospital without anybody in it, which is empty again after each test."""
    assert settings.mongo_url is not None
    store = open_store(settings, settings.mongo_url)
    book = RuleBook([PATTERN], parse_modes(None, None), store)
    kinds = {kind.id: kind for kind in (BOOKED, REMINDER, ALERT, *PATTERN.notices)}
    monkeypatch.setattr(delivery, "_kinds", lambda: kinds)
    made = Hospital(store, settings, book, Services(), [])

    def answer(request: httpx.Request) -> httpx.Response:
        made.texts.append(request)
        return httpx.Response(made.gateway_answers.pop(0) if made.gateway_answers else 202)

    gateway = HttpTextGateway("https://gateway.example/send", "a token", httpx.MockTransport(answer))
    made.services = Services(SmtpMailer(smtp_url, "hospital@example.org"), gateway)
    yield made
    for name in await store._database.list_collection_names():
        if name[0].isupper() or name in (AGENDA, CLAIMS, "history"):
            await store._database[name].delete_many({})
    await store.close()


def without_mail(hospital: Hospital) -> None:
    """Take the mail server away."""
    hospital.services = replace(hospital.services, mailer=None)


def patient(patient_id: str = "1", **elements: Any) -> Resource:
    """Return a patient with an e-mail address."""
    telecom = [{"system": "email", "value": f"patient{patient_id}@example.org"}]
    return {"resourceType": "Patient", "id": patient_id, "telecom": telecom, **elements}


def practitioner(practitioner_id: str = "1", **elements: Any) -> Resource:
    """Return a practitioner with an e-mail address."""
    telecom = [{"system": "email", "value": f"doctor{practitioner_id}@example.org"}]
    return {"resourceType": "Practitioner", "id": practitioner_id, "telecom": telecom, **elements}


START = "2027-03-02T08:30:00Z"


def told(kind: NoticeKind = BOOKED, recipient: str = "Patient/1", **named: Any) -> Any:
    """Return a notice of an appointment."""
    data = named.pop("data", {"start": START, "place": "Ward 3"})
    return notice(kind, "Appointment/9", recipient, named.pop("at", NOON), data=data, **named)
