"""Applies messages in tests: each makes one Basic, through the same commit as everything else.

What a message asks for stands in its PID-5: REFUSE, REJECT, RULE, LATER, BUG, SLOW, UNCHANGED, WARN, ORDERS.
"""

import asyncio
from collections import Counter
from typing import Any

from adapters.applying import Applied, Apply, OrderAnswer, Received, TryLater
from adapters.channels import Channel
from fhir_server.hl7v2.applying import Difference
from fhir_server.identifiers import new_id
from fhir_server.store import Store
from fhir_server.write_path import new_resource
from hl7.errors import HL7Error, Location
from hl7.message import Message
from hl7.order_answers import orders

SLOW_SECONDS = 0.3


class Log:
    """What was applied, in order, and how often each was tried."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.tries: Counter[str] = Counter()
        self.block: asyncio.Event | None = None


def applying(store: Store, log: Log) -> Apply:
    """Return what applies messages to `store`, and tells `log`."""

    async def apply(message: Message, channel: Channel, received: Received) -> Applied:
        wish = _wish(message)
        control_id = message.header.control_id
        log.tries[control_id] += 1
        log.begun.append(control_id)
        await _obey(wish, log.tries[control_id])
        own = (HL7Error("older than what is known", severity="W"),) if wish == "WARN" else ()
        warnings = (*received.warnings, *own)
        if wish == "UNCHANGED":
            return Applied("unchanged", warnings=warnings)
        answers: tuple[OrderAnswer, ...] = ()
        if wish == "ORDERS":
            answers = tuple(OrderAnswer("OK" if place else "UA") for place, _ in enumerate(orders(message)))
        write = new_resource("Basic", new_id(), basic(control_id))
        applied = Applied("applied", (f"Basic/{write.id}",), warnings, answers)
        await store.commit([write], noting=store.hl7_inbox.note(received.inbox_id, applied))
        log.ended.append(control_id)
        return applied

    return apply


async def nothing(_message: Message, _channel: Channel) -> list[Difference]:
    """Tell that a message would change nothing."""
    return []


def basic(control_id: str) -> dict[str, Any]:
    """Return the resource that a message makes."""
    identifier = {"system": "urn:invented:control-id", "value": control_id}
    return {"resourceType": "Basic", "identifier": [identifier], "code": {"text": "invented"}}


def _wish(message: Message) -> str:
    pid = message.first("PID")
    return "" if pid is None else pid.get(5)


async def _obey(wish: str, tries: int) -> None:
    if wish == "REFUSE":
        raise HL7Error("this patient is not known", code="204", location=Location("PID", 1, 3))
    if wish == "REJECT":
        raise HL7Error("the record is locked", code="206")
    if wish == "LATER" and tries < 3:
        raise TryLater("somebody else is at it")
    if wish == "BUG":
        raise RuntimeError("Mara Muster has a secret")
    if wish == "SLOW":
        await asyncio.sleep(SLOW_SECONDS)
