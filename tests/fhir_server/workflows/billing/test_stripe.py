"""Cards through Stripe: intents, what the webhook tells, and what is given back.

https://docs.stripe.com/webhooks
"""

import asyncio
import json
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
import stripe
from pydantic import SecretStr
from pymongo import MongoClient

from adapters.payments.gateway import Asked, GatewayError
from adapters.payments.stripe_gateway import Stripe, units
from fhir_server.asynchronous.jobs import Jobs
from fhir_server.context import Context
from fhir_server.identifiers import new_id
from fhir_server.settings import Settings
from fhir_server.store import open_store
from fhir_server.store.ruling import Entry
from fhir_server.workflows.agenda import NotYet
from fhir_server.workflows.billing.pattern import PATTERN
from fhir_server.workflows.billing.pending import give_up
from fhir_server.workflows.modes import parse_modes
from fhir_server.workflows.rulebook import RuleBook, ruled
from fhir_server.workflows.services import Services
from tests.fhir_server.workflows.billing.desk import Desk, part, rule_of
from tests.fhir_server.workflows.billing.stripe_stub import StripeStub, running_stub

# How Stripe's package hands a body to httpx.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

_SECRET = "whsec_for_tests"


@pytest.fixture(scope="module")
def at_stripe() -> Iterator[tuple[str, StripeStub]]:
    """An account at Stripe."""
    with running_stub() as found:
        yield found


@pytest.fixture(scope="module")
def settings(mongo_url: str, at_stripe: tuple[str, StripeStub]) -> Iterator[Settings]:
    """A hospital that has the account."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    yield Settings(
        mongo_url=mongo_url,
        database=name,
        log_level="error",
        auth="off",
        stripe_secret_key=SecretStr("sk_test_x"),
        stripe_webhook_secret=SecretStr(_SECRET),
        stripe_url=at_stripe[0],
    )
    with MongoClient[dict[str, object]](mongo_url) as client:
        client.drop_database(name)


@pytest.fixture
def stub(at_stripe: tuple[str, StripeStub]) -> StripeStub:
    """What Stripe knows."""
    return at_stripe[1]


def _tell(
    base_url: str,
    intent: dict[str, Any],
    kind: str = "payment_intent.succeeded",
    secret: str = _SECRET,
    at: float | None = None,
) -> int:
    event = {"id": f"evt_{uuid.uuid4().hex}", "object": "event", "type": kind, "data": {"object": intent}}
    sent = json.dumps(event)
    stamp = int(at or time.time())
    signature = stripe.WebhookSignature._compute_signature(f"{stamp}.{sent}", secret)
    headers = {"stripe-signature": f"t={stamp},v1={signature}"}
    url = base_url.removesuffix("/fhir") + "/payments/stripe"
    return httpx.post(url, content=sent, headers=headers).status_code


def _begun(desk: Desk, stub: StripeStub, invoice: dict[str, Any], **given: Any) -> tuple[dict[str, Any], Any]:
    """Return the intent of a payment that is begun, and the payment."""
    answer = desk.pay(invoice, method="card", **given)
    assert answer.status_code == 200, answer.text
    secret = part(answer, "clientSecret")
    intent = next(one for one in stub.intents.values() if one["client_secret"] == secret)
    return intent, part(answer, "payment")


@pytest.mark.workflow("2-11")
def test_a_card_pays_when_stripe_says_so(desk: Desk, stub: StripeStub, base_url: str) -> None:
    """Until then the money is expected; told twice, it is paid once."""
    invoice = desk.bill("12.34")
    intent, payment = _begun(desk, stub, invoice, key="card")
    assert (intent["amount"], intent["currency"]) == (1234, "usd")
    assert payment["status"] == "draft"
    assert desk.balance(invoice)["pending"] == Decimal("12.34")
    assert rule_of(desk.pay(invoice, "0.01")) == "W8.overpaid"
    assert desk.status(f"Invoice/{invoice['id']}") == "issued"
    for _ in range(3):
        assert _tell(base_url, intent) == 200
    assert desk.status(f"Invoice/{invoice['id']}") == "balanced"
    assert len(desk.search(f"Invoice/{invoice['id']}/$payments")) == 1
    assert len(desk.search(f"PaymentNotice?request=Invoice/{invoice['id']}")) == 1
    assert part(desk.pay(invoice, method="card", key="card"), "state") == "settled"


@pytest.mark.workflow("2-11")
def test_what_stripe_did_not_sign_is_refused(desk: Desk, stub: StripeStub, base_url: str) -> None:
    """By another secret, without a signature, or long ago: 401, and nothing is paid."""
    invoice = desk.bill("1.00")
    intent, _ = _begun(desk, stub, invoice)
    assert _tell(base_url, intent, secret="whsec_other") == 401
    assert _tell(base_url, intent, at=time.time() - 3600) == 401
    url = base_url.removesuffix("/fhir") + "/payments/stripe"
    assert httpx.post(url, content=b"{}").status_code == 401
    assert httpx.post(url, content=b"x" * 300_000).status_code == 413
    assert desk.status(f"Invoice/{invoice['id']}") == "issued"


def test_the_same_key_asks_for_one_intent(desk: Desk, stub: StripeStub) -> None:
    """The second answer has the same secret."""
    invoice = desk.bill("2.00")
    before = len(stub.intents)
    first = desk.pay(invoice, method="card", key="k")
    second = desk.pay(invoice, method="card", key="k")
    assert part(first, "clientSecret") == part(second, "clientSecret")
    assert len(stub.intents) == before + 1
    assert "secret" not in json.dumps(desk.search(f"Invoice/{invoice['id']}/$payments"), default=str)


def test_what_is_given_up_and_paid_after_all_goes_back(desk: Desk, stub: StripeStub, base_url: str) -> None:
    """Money that comes late is refunded, once."""
    invoice = desk.bill("3.00")
    intent, payment = _begun(desk, stub, invoice)
    assert _tell(base_url, intent, "payment_intent.canceled") == 200
    assert desk.status(f"PaymentReconciliation/{payment['id']}") == "cancelled"
    before = len(stub.refunds)
    for _ in range(2):
        assert _tell(base_url, intent) == 200
    assert len(stub.refunds) == before + 1
    assert stub.refunds[-1]["payment_intent"] == intent["id"]
    assert desk.status(f"Invoice/{invoice['id']}") == "issued"


def test_a_refund_goes_to_the_card(desk: Desk, stub: StripeStub, base_url: str) -> None:
    """A part of the intent is refunded, once for its key."""
    invoice = desk.bill("5.00")
    intent, payment = _begun(desk, stub, invoice)
    _tell(base_url, intent)
    path = f"PaymentReconciliation/{payment['id']}/$refund"
    for _ in range(2):
        answer = desk.call(path, amount={"value": Decimal("2.00"), "currency": "USD"}, key="r")
        assert answer.status_code == 200, answer.text
    assert [one["amount"] for one in stub.refunds if one["payment_intent"] == intent["id"]] == [200]
    assert desk.balance(invoice)["paid"] == Decimal("3.00")


def test_a_gateway_that_is_ill_leaves_nothing_unknown(desk: Desk, stub: StripeStub, base_url: str) -> None:
    """The payer is told to send it again with the same key, which goes on where it stopped."""
    invoice = desk.bill("6.00")
    stub.is_ill = True
    answer = desk.pay(invoice, method="card", key="ill")
    stub.is_ill = False
    assert answer.status_code == 503
    intent, _ = _begun(desk, stub, invoice, key="ill")
    _tell(base_url, intent)
    assert desk.status(f"Invoice/{invoice['id']}") == "balanced"


def test_what_is_not_ours_is_left_alone(desk: Desk, base_url: str) -> None:
    """Another system's intents, and other news."""
    assert _tell(base_url, {"id": "pi_x", "metadata": {}}) == 200
    assert _tell(base_url, {"id": "pi_x", "metadata": {"payment": "nobody"}}) == 200
    assert _tell(base_url, {"id": "ch_x"}, "charge.updated") == 200


def test_a_payment_in_cash_is_not_settled_by_stripe(desk: Desk, base_url: str) -> None:
    """Whatever the metadata of an intent say."""
    invoice = desk.bill("6.00")
    payment = desk.paid(invoice, "1.00")
    assert _tell(base_url, {"id": "pi_y", "metadata": {"payment": payment["id"]}}) == 200
    assert desk.balance(invoice)["paid"] == Decimal("1.00")


@pytest.mark.parametrize(
    ("status", "wanted"),
    [("requires_action", "declined"), ("processing", "pending"), ("succeeded", "settled")],
)
def test_what_is_dropped_may_be_paid_already(
    at_stripe: tuple[str, StripeStub], desk: Desk, status: str, wanted: str
) -> None:
    """Or the bank is at it, which is neither."""
    url, stub = at_stripe
    intent, _ = _begun(desk, stub, desk.bill("1.00"))
    intent["status"] = status
    assert asyncio.run(Stripe("sk_test_x", _SECRET, url).drop(intent["id"])) == wanted


def test_whoever_cannot_ask_what_became_of_it_does_not_know(
    at_stripe: tuple[str, StripeStub], desk: Desk
) -> None:
    """An error of Stripe's is told as one of the gateway, whichever of the questions it answers."""
    url, stub = at_stripe
    intent, _ = _begun(desk, stub, desk.bill("1.00"))
    intent["status"] = "processing"
    stub.is_silent = True
    try:
        with pytest.raises(GatewayError):
            asyncio.run(Stripe("sk_test_x", _SECRET, url).drop(intent["id"]))
    finally:
        stub.is_silent = False


def _give_up(settings: Settings, payment: dict[str, Any]) -> None:
    """Do what the agenda does about a payment that nobody has ended."""
    key = f"payment/PaymentReconciliation/{payment['id']}/over"

    async def work() -> None:
        assert settings.mongo_url is not None
        store = open_store(settings, settings.mongo_url)

        def no_route(_request: object) -> Any:
            raise AssertionError

        plain = Context(
            "http://server/fhir",
            store,
            settings,
            lambda: datetime.now(UTC),
            new_id,
            no_route,
            Jobs(store.async_jobs),
        )
        leased = {"lease": "mine", "until": datetime.now(UTC) + timedelta(minutes=5)}
        with MongoClient[dict[str, Any]](settings.mongo_url) as client:
            entries = client[settings.database]["agenda"]
            assert entries.update_one({"_id": key, "state": "waiting"}, {"$set": leased}).matched_count == 1
        acting = ruled(plain, RuleBook([PATTERN], parse_modes(None, None), store), done=[(key, "mine")])
        entry = Entry(key, datetime.now(UTC), "W8.payment-over", f"PaymentReconciliation/{payment['id']}")
        try:
            await give_up(entry, acting, Services())
        finally:
            await store.close()

    asyncio.run(work())


def test_a_payment_that_the_bank_is_at_is_not_given_up(
    desk: Desk, stub: StripeStub, settings: Settings, base_url: str
) -> None:
    """Neither is it counted as paid: it is looked at again, until Stripe says what became of it."""
    invoice = desk.bill("4.00")
    intent, payment = _begun(desk, stub, invoice)
    intent["status"] = "processing"
    with pytest.raises(NotYet):
        _give_up(settings, payment)
    assert desk.status(f"PaymentReconciliation/{payment['id']}") == "draft"
    assert desk.balance(invoice)["paid"] == 0
    intent["status"] = "succeeded"
    _give_up(settings, payment)
    assert desk.status(f"PaymentReconciliation/{payment['id']}") == "active"
    assert desk.status(f"Invoice/{invoice['id']}") == "balanced"
    assert _tell(base_url, intent) == 200
    assert desk.balance(invoice)["paid"] == Decimal("4.00")


@pytest.mark.parametrize(
    ("amount", "currency", "wanted"),
    [
        ("12.34", "USD", 1234),
        ("0.10", "EUR", 10),
        ("500", "JPY", 500),
        ("500.00", "jpy", 500),
        ("500.50", "JPY", 501),
        ("5.12", "KWD", 5120),
        ("5.124", "BHD", 5120),
        ("5.125", "KWD", 5130),
        ("1000", "TND", 1_000_000),
        ("5", "UGX", 500),
        ("5.40", "ISK", 500),
    ],
)
def test_amounts_are_in_the_smallest_unit(amount: str, currency: str, wanted: int) -> None:
    """Cents, where a currency has them. https://docs.stripe.com/currencies#minor-units"""
    assert units(Asked("p", "k", Decimal(amount), currency)) == wanted


def test_a_payment_by_card_is_to_be_given_up_in_the_end(
    desk: Desk, stub: StripeStub, settings: Settings
) -> None:
    """Also after Stripe has told its name for it; once it is settled there is nothing to give up."""
    invoice = desk.bill("4.00")
    _, payment = _begun(desk, stub, invoice)
    assert payment["identifier"]
    with MongoClient[dict[str, Any]](settings.mongo_url) as client:
        key = f"payment/PaymentReconciliation/{payment['id']}/over"
        [entry] = client[settings.database]["agenda"].find({"_id": key})
    assert entry["state"] == "waiting"
