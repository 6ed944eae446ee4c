"""What becomes of an order of ours, and of its Tasks, by what its filler answers. HL7 v2.5.1 table 0119

An order that cannot be cancelled (UC) or held (UH) any more is carried out, and so is active again, whatever
was asked: its results belong to it. A prescription is not put in force again by an answer. In each case staff
get a Task, as somebody may have relied on what was asked for.
"""

from typing import Any
from urllib.parse import quote

from adapters.destinations import Destination
from adapters.to_fhir.drafts import OrderControl
from fhir_server.context import Context
from fhir_server.hl7v2.ordering import ordered, task_of
from fhir_server.search.parameters import parse_search
from fhir_server.store import Write, instant
from fhir_server.store.hl7_outbox import Outgoing
from fhir_server.workflows.made import changed, concept, has_code
from fhir_server.workflows.orders.vocabulary import is_fulfilment
from fhir_server.write_path import replacement
from hl7.message import Segment

Resource = dict[str, Any]

# Table 0119: what is said to an order, a change, a cancellation, or a pause that is not taken.
REFUSED = frozenset({"UA", "UC", "UD", "UH", "UM", "UR", "UX"})
_TAKEN, _UNABLE_TO_ACCEPT, _UNABLE_TO_CANCEL = "OK", "UA", "UC"
# From which states of a Task to which, as `workflows/orders/rules.py` has them.
_AFTER_YES = {"requested": "accepted", "received": "accepted"}
_AFTER_NO = {"requested": "rejected", "received": "rejected", "accepted": "failed", "in-progress": "failed"}
_AFTER_UC = {"cancelled": "accepted"}
_STEPS = {_TAKEN: _AFTER_YES, _UNABLE_TO_ACCEPT: _AFTER_NO, _UNABLE_TO_CANCEL: _AFTER_UC}
# What an order of ours was asked to be, and is not.
_GOES_ON = {"UC": "revoked", "UH": "on-hold"}
_TYPES, _FILLER = "http://terminology.hl7.org/CodeSystem/v2-0203", "FILL"
_TASK_SOURCES = ("ServiceRequest", "MedicationRequest")


async def followed(
    entry: Outgoing, answer: Segment, destination: Destination, context: Context
) -> list[Write]:
    """Return what is to be stored after `answer`, the ORC of an answer about the order of `entry`."""
    kind, _, order_id = entry.subject.partition("/")
    if kind not in _TASK_SOURCES:
        return []
    control = answer.get(1)
    version = await context.store.read(kind, order_id)
    order = None if version is None else version.resource
    if version is None or order is None:
        return []
    writes: list[Write] = []
    is_back = kind == "ServiceRequest" and order.get("status") == _GOES_ON.get(control)
    after = _numbered(order, answer, destination) if kind == "ServiceRequest" else order
    if is_back:
        after = _going_on(after, entry, destination)
    if after is not order:
        writes.append(replacement(kind, order_id, after, if_match=version.number))
    if kind == "ServiceRequest" and (control != _UNABLE_TO_CANCEL or is_back):
        writes += await _tasks(entry.subject, _STEPS.get(control, {}), context)
    if control in REFUSED - {_UNABLE_TO_ACCEPT}:
        writes += await _for_staff(entry, order, control, context)
    return writes


def _going_on(order: Resource, entry: Outgoing, destination: Destination) -> Resource:
    """Return an order that is carried out all the same.

    `meta.source` has who says so, and our message that is answered, which no other answer has: that the order
    is active again is told to others only.
    """
    parts = (destination.receiving_application or destination.name, entry.id)
    told = "urn:hl7v2:" + ":".join(quote(part, safe="-._~") for part in parts)
    return changed(order, status="active", meta={**order.get("meta", {}), "source": told})


async def _tasks(order: str, following: dict[str, str], context: Context) -> list[Write]:
    """Return the Tasks by which an order is carried out, as they are after the answer."""
    if not following:
        return []
    asked = [("focus", order)]
    query = parse_search("Task", asked, lenient=False, base_url=context.base_url, now=context.now())
    writes = []
    for one in await context.store.find("Task", query.filter, (), {"resource": 1, "version": 1}, 10):
        task = one["resource"]
        if is_fulfilment(task) and task["status"] in following:
            after = changed(task, status=following[task["status"]], lastModified=instant(context.now()))
            writes.append(replacement("Task", task["id"], after, if_match=one["version"]))
    return writes


async def _for_staff(entry: Outgoing, order: Resource, control: str, context: Context) -> list[Write]:
    """Return the Task that tells staff, once for each message of ours, that what was asked is not done."""
    effect = OrderControl("", control, placer=entry.id)
    what = ordered(order, order, effect, [])
    task = task_of(entry.subject, order.get("subject"), what, effect, instant(context.now()))
    if await context.store.read("Task", task["id"]) is not None:
        return []
    return [replacement("Task", task["id"], task, must_be_new=True)]


def _numbered(order: Resource, answer: Segment, destination: Destination) -> Resource:
    """Return an order with the number that its filler gave to it, which what we say of it later has too."""
    value, namespace, universal = answer.get(3, 1), answer.get(3, 2), answer.get(3, 3)
    if not value or any(_is_number(one) for one in order.get("identifier", ())):
        return order
    system = destination.authorities.get(namespace) or destination.authorities.get(universal)
    if system is None and universal and answer.get(3, 4) == "ISO":
        system = f"urn:oid:{universal}"
    number = {"type": concept(_TYPES, _FILLER), "value": value} | ({"system": system} if system else {})
    return changed(order, identifier=[*order.get("identifier", ()), number])


def _is_number(identifier: Any) -> bool:
    return has_code(identifier.get("type"), _TYPES, _FILLER)
