"""Invoices and receipts on paper, visits that are paid before they begin, and payments that nobody ends.

https://hl7.org/fhir/R4/documentreference.html
"""

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
from pypdf import PdfReader

from fhir_server.asynchronous.jobs import Jobs
from fhir_server.context import Context
from fhir_server.identifiers import new_id
from fhir_server.settings import Settings
from fhir_server.store import Store, open_store
from fhir_server.workflows.billing.making import Wanted, payment_resource
from fhir_server.workflows.billing.pattern import PATTERN
from fhir_server.workflows.billing.prepaid import unpaid
from fhir_server.workflows.billing.references import paper_id
from fhir_server.workflows.clock import Clock
from fhir_server.workflows.made import key_id
from fhir_server.workflows.modes import parse_modes
from fhir_server.workflows.notices import NOTIFY
from fhir_server.workflows.records import Records
from fhir_server.workflows.rulebook import RuleBook, ruled
from fhir_server.workflows.services import Services
from fhir_server.workflows.situation import Situation
from fhir_server.write_path import commit, replacement

pytestmark = pytest.mark.anyio

Resource = dict[str, Any]
_DOLLARS = {"value": Decimal("12.50"), "currency": "USD"}
_VIRTUAL = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "VR"}]}


class House:
    """A hospital without HTTP, whose clock the tests set."""

    def __init__(self, store: Store, settings: Settings) -> None:
        """Keep records in `store`."""
        self.store, self.settings = store, settings
        self.book = RuleBook([PATTERN], parse_modes(None, None), store)
        self.now = datetime.now(UTC)
        plain = self._context("request")
        self.clock = Clock(store, self.book, Services(), self._context)
        self.context = ruled(plain, self.book)

    def _context(self, _request: str) -> Context:
        def no_route(_request: object) -> Any:
            raise AssertionError

        jobs = Jobs(self.store.async_jobs)
        return Context(
            "http://server/fhir", self.store, self.settings, lambda: self.now, new_id, no_route, jobs
        )

    @property
    def situation(self) -> Situation:
        """Who acts now."""
        return Situation(self.now, "http://server/fhir", self.settings, new_id)

    @property
    def records(self) -> Records:
        """What is stored."""
        return Records(self.store, self.situation)

    async def put(self, *resources: Resource) -> None:
        """Store resources with all rules."""
        self.context = ruled(self._context("request"), self.book)
        await commit(self.context, [replacement(one["resourceType"], one["id"], one) for one in resources])

    async def work(self) -> None:
        """Do all that is due but notices, which another pattern sends."""
        while await self.clock.work_once():
            pass

    async def read(self, reference: str) -> Resource:
        """Return a resource."""
        found = await self.records.read(reference)
        assert found is not None
        return found


@pytest.fixture
async def house(settings: Settings) -> AsyncIterator[House]:
    """A patient with an invoice for one charge."""
    assert settings.mongo_url is not None
    store = open_store(settings, settings.mongo_url)
    house = House(store, settings)
    await house.put(
        {"resourceType": "Patient", "id": "p", "name": [{"given": ["Ada"], "family": "Byron"}]},
        {"resourceType": "Account", "id": "a", "status": "active", "subject": [{"reference": "Patient/p"}]},
    )
    yield house
    await store.close()


async def _invoice(house: House, name: str) -> Resource:
    charge = {
        "resourceType": "ChargeItem",
        "id": f"charge-{name}",
        "status": "billable",
        "code": {"text": "Consultation"},
        "subject": {"reference": "Patient/p"},
        "priceOverride": _DOLLARS,
    }
    line = {
        "sequence": 1,
        "chargeItemReference": {"reference": f"ChargeItem/charge-{name}"},
        "priceComponent": [{"type": "base", "amount": _DOLLARS}],
    }
    await house.put(charge)
    invoice = {
        "resourceType": "Invoice",
        "id": f"invoice-{name}",
        "status": "draft",
        "subject": {"reference": "Patient/p"},
        "date": "2026-11-27",
        "lineItem": [line],
        "totalNet": _DOLLARS,
        "totalGross": _DOLLARS,
    }
    await house.put(invoice)
    await house.put(invoice | {"status": "issued"})
    return await house.read(f"Invoice/invoice-{name}")


async def _paper(house: House, about: str) -> str:
    """Return the text of the paper about something, as the patient downloads it."""
    document = await house.read(f"DocumentReference/{paper_id(about)}")
    assert document["subject"] == {"reference": "Patient/p"}
    assert document["context"]["related"] == [{"reference": about}]
    binary = await house.read(document["content"][0]["attachment"]["url"])
    assert binary["securityContext"] == {"reference": "Patient/p"}
    pages = PdfReader(BytesIO(base64.b64decode(binary["data"]))).pages
    return "\n".join(page.extract_text() for page in pages)


def _payment(
    house: House, invoice: str, name: str, method: str = "cash", *, immediate: bool = True
) -> Resource:
    wanted = Wanted(name, Decimal("12.50"), "USD")
    return payment_resource(wanted, method, f"Invoice/{invoice}", house.situation, immediate=immediate)


@pytest.mark.workflow("4-21", "0-37", "0-28")
async def test_an_invoice_is_put_on_paper(house: House) -> None:
    """With its number, each line, and the total; once."""
    invoice = await _invoice(house, "paper")
    await house.work()
    text = await _paper(house, "Invoice/invoice-paper")
    for told in ("Ada Byron", invoice["identifier"][0]["value"], "Consultation", "12.50 USD"):
        assert told in text
    document = await house.read(f"DocumentReference/{paper_id('Invoice/invoice-paper')}")
    await house.work()
    assert await house.read(f"DocumentReference/{document['id']}") == document


@pytest.mark.workflow("4-23")
async def test_a_payment_has_one_receipt(house: House) -> None:
    """A PDF that the patient finds, and one notice without what it was for."""
    await _invoice(house, "paid")
    await house.put(_payment(house, "invoice-paid", "payment-1"))
    await house.work()
    text = await _paper(house, "PaymentReconciliation/payment-1")
    assert "Receipt" in text
    assert "12.50 USD" in text
    assert "cash" in text
    entries = await house.store.agenda.about("PaymentReconciliation/payment-1")
    told = [one for one in entries if one["action"] == NOTIFY]
    assert [one["data"]["kind"] for one in told] == ["W8.receipt"]
    assert told[0]["data"]["recipient"] == "Patient/p"
    assert "Consultation" not in str(told)


async def test_a_paper_of_what_is_cancelled_is_not_current(house: House) -> None:
    """Who looks for bills does not find it as one."""
    invoice = await _invoice(house, "cancelled")
    await house.work()
    await house.put(invoice | {"status": "cancelled", "cancelledReason": "wrong"})
    document = await house.read(f"DocumentReference/{paper_id('Invoice/invoice-cancelled')}")
    assert document["status"] == "superseded"


async def test_a_payment_that_nobody_ends_is_given_up(house: House) -> None:
    """After its time it keeps nothing free any more, and another one pays."""
    await _invoice(house, "over")
    await house.put(_payment(house, "invoice-over", "payment-2", "card", immediate=False))
    await house.work()
    assert (await house.read("PaymentReconciliation/payment-2"))["status"] == "draft"
    house.now += timedelta(hours=2)
    await house.work()
    assert (await house.read("PaymentReconciliation/payment-2"))["status"] == "cancelled"
    await house.put(_payment(house, "invoice-over", "payment-3"))
    assert (await house.read("Invoice/invoice-over"))["status"] == "balanced"


def _appointment(name: str, status: str = "booked", **more: Any) -> Resource:
    return {
        "resourceType": "Appointment",
        "id": name,
        "status": status,
        "appointmentType": _VIRTUAL,
        "start": "2027-01-01T10:00:00Z",
        "end": "2027-01-01T10:30:00Z",
        "participant": [{"actor": {"reference": "Patient/p"}, "status": "accepted"}],
        **more,
    }


async def _price_of_video(house: House) -> None:
    price = {"type": "base", "amount": _DOLLARS}
    await house.put(
        {
            "resourceType": "ChargeItemDefinition",
            "id": "video",
            "url": "http://house.example/video",
            "status": "active",
            "code": {"coding": [{"system": "urn:x", "code": "video-visit"}]},
            "propertyGroup": [{"priceComponent": [price]}],
        }
    )


@pytest.mark.workflow("3-52")
async def test_a_visit_by_video_is_paid_before_it_begins(house: House) -> None:
    """It is billed when it is booked; until that is paid nobody joins."""
    await _price_of_video(house)
    appointment = _appointment("video-1")
    await house.put(appointment)
    refusal = await unpaid(appointment, house.records)
    assert refusal is not None
    assert (refusal.rule.id, refusal.rule.status) == ("W8.unpaid-visit", 403)
    invoice_id = key_id("invoice", "Appointment/video-1")
    assert (await house.read(f"Invoice/{invoice_id}"))["status"] == "issued"
    await house.put(_payment(house, invoice_id, "payment-video"))
    assert await unpaid(appointment, house.records) is None


async def test_other_visits_are_joined_without_paying_first(house: House) -> None:
    """Those on site, and those that cost nothing."""
    assert await unpaid({"resourceType": "Appointment", "id": "x"}, house.records) is None
    assert await unpaid(_appointment("free"), house.records) is None


async def test_a_visit_that_is_off_costs_nothing(house: House) -> None:
    """Its invoice is cancelled, if nobody paid it yet."""
    await _price_of_video(house)
    await house.put(_appointment("video-2"))
    reason = {"text": "ill"}
    await house.put(_appointment("video-2", "cancelled", cancelationReason=reason))
    charge = await house.read(f"ChargeItem/{key_id('charge', 'Appointment/video-2')}")
    assert charge["status"] == "entered-in-error"
    invoice = await house.read(f"Invoice/{key_id('invoice', 'Appointment/video-2')}")
    assert (invoice["status"], invoice["cancelledReason"]) == ("cancelled", "The appointment is off")
