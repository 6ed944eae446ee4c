"""An insurer who does not answer: the claim waits, and nobody is told what is not so.

https://hl7.org/fhir/R4/claimresponse-definitions.html#ClaimResponse.outcome
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from adapters.payers.payer import Item, Member, PayerUnavailable, Terms, Verdict
from adapters.payers.rule_based import load_payer
from fhir_server.settings import Settings
from fhir_server.workflows.insurance import answering, submit
from tests.fhir_server.workflows.billing.desk import Desk, decimals
from tests.fhir_server.workflows.insurance.test_insurance import _coverage, _invoiced, insurer

__all__ = ["insurer"]


class Silent:
    """An insurer who answers no claims for a while: who comes to no end, or says that it is closed."""

    def __init__(self, *, hangs: bool) -> None:
        """Do not answer."""
        self.hangs, self.is_silent, self.asked = hangs, True, 0

    async def terms(self, member: Member, /) -> Terms:
        """Answer, as it is only about claims that it is silent."""
        return await load_payer().terms(member)

    async def preauthorize(self, member: Member, items: tuple[Item, ...], /) -> tuple[Verdict, ...]:
        """Answer if it answers."""
        return await self.adjudicate(member, items)

    async def adjudicate(self, member: Member, items: tuple[Item, ...], /) -> tuple[Verdict, ...]:
        """Answer if it answers."""
        self.asked += 1
        if self.is_silent and self.hangs:
            await asyncio.sleep(60)
        if self.is_silent:
            raise PayerUnavailable
        return await load_payer().adjudicate(member, items)


@pytest.fixture
def desk(client: httpx.Client) -> Desk:
    """The billing office."""
    return Desk(client)


@pytest.fixture(params=[True, False], ids=["hangs", "closed"])
def silent(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Silent:
    """The insurer, whom nobody waits for longer than a moment."""
    payer = Silent(hangs=request.param)
    for module in (answering, submit):
        monkeypatch.setattr(module, "payer_of", lambda _settings: payer)
    monkeypatch.setattr(answering, "_PATIENCE_SECONDS", 0.2)
    return payer


def _eventually(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < end, "it never became so"
        time.sleep(0.05)


class Agenda:
    """What is to be done about a claim."""

    def __init__(self, settings: Settings, claim: str) -> None:
        """Look into the database of a hospital."""
        self._settings, self.claim = settings, claim

    def _do(self, work: Callable[[Any], Any]) -> Any:
        with MongoClient[dict[str, Any]](self._settings.mongo_url) as mongo:
            return work(mongo[self._settings.database]["agenda"])

    def entry(self) -> dict[str, Any]:
        """Return the entry by which the insurer is asked again."""
        found: dict[str, Any] = self._do(lambda agenda: agenda.find_one({"_id": f"adjudicate/{self.claim}"}))
        return found

    def hasten(self) -> None:
        """Have the insurer asked now."""
        due = {"$set": {"due": datetime(2026, 1, 1, tzinfo=UTC)}}
        self._do(lambda agenda: agenda.update_one({"_id": f"adjudicate/{self.claim}"}, due))

    def notices(self, about: str) -> int:
        """Return how many notices there are about something."""
        wanted = {"subject": about, "action": "W14.notify"}
        found: int = self._do(lambda agenda: agenda.count_documents(wanted))
        return found


def test_a_claim_that_nobody_answers_waits(desk: Desk, silent: Silent, settings: Settings) -> None:
    """It is queued, and asked for again and again; nothing is paid, and the patient is told nothing."""
    patient = desk.patient()
    _coverage(desk, patient)
    invoice = _invoiced(desk, patient, "100.00")
    answer = desk.call(f"Invoice/{invoice['id']}/$claim")
    assert answer.status_code == 200, answer.text
    queued = decimals(answer)
    assert (queued["outcome"], "payment" in queued, "total" in queued) == ("queued", False, False)
    reference = f"ClaimResponse/{queued['id']}"
    agenda = Agenda(settings, queued["request"]["reference"])
    for attempt in (1, 2):
        agenda.hasten()
        _eventually(lambda: agenda.entry().get("failure") is not None and silent.asked > attempt)  # noqa: B023
        _eventually(lambda: agenda.entry()["until"] is None)
        assert agenda.entry()["state"] == "waiting"
        assert desk.read(reference)["outcome"] == "queued"
    assert desk.search(f"ExplanationOfBenefit?patient={patient}") == []
    assert desk.balance(invoice)["paid"] == 0
    assert agenda.notices(reference) == 0
    silent.is_silent = False
    agenda.hasten()
    _eventually(lambda: bool(desk.read(reference)["outcome"] == "complete"))
    assert desk.balance(invoice)["payerShare"] == Decimal("64.00")
    assert len(desk.search(f"ExplanationOfBenefit?patient={patient}")) == 1
    assert agenda.notices(reference) == 1
    assert agenda.entry()["state"] == "done"
