"""A pattern that is made up, to show what a pattern may count on: the beds and guests of a hotel."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from fhir_server.app import create_app  # noqa: F401 - the whole server can be imported with the rules
from fhir_server.asynchronous.jobs import Jobs
from fhir_server.context import Context
from fhir_server.identifiers import new_id
from fhir_server.settings import Settings
from fhir_server.store import Store
from fhir_server.store.ruling import Claim, Entry
from fhir_server.workflows.agenda import NotYet
from fhir_server.workflows.consequences import Consequence, Create, Later, Put, Strike
from fhir_server.workflows.made import changed, key_id, made
from fhir_server.workflows.pattern import Change, Pattern, Rule, StateTable, Violation, Watch
from fhir_server.workflows.records import Records
from fhir_server.workflows.rulebook import RuleBook, ruled, unfinished
from fhir_server.workflows.services import Services
from fhir_server.workflows.situation import Situation
from fhir_server.write_path import commit, new_resource, replacement

Resource = dict[str, Any]

STATE = Rule("W0.state", "A stay goes from planned to active to completed.")
TAKEN = Rule("W0.taken", "A bed is for one stay.", 409, "conflict")
FULL = Rule("W0.full", "A house has three stays at most.")
_MOST = 3


def claims(resource: Any) -> Iterable[Claim]:
    """Claim the bed of an active stay, the room, whose state follows the stay, and the time of the guest."""
    if resource["status"] != "active":
        return
    owner = f"CarePlan/{resource['id']}"
    if "title" in resource:
        yield Claim(f"W0/bed/{resource['title']}", owner, TAKEN.error("The bed is taken"))
    for room in resource.get("instantiatesUri", ()):
        yield Claim(f"W0/room/{room}", owner, TAKEN.error("The room is taken"), has_state=True)
    if period := resource.get("period"):
        start, end = (datetime.fromisoformat(period[name]) for name in ("start", "end"))
        yield Claim(f"W0/guest/{resource['subject']['reference']}", owner, TAKEN.error("Away"), start, end)


async def gather(change: Change, records: Records) -> int:
    """Count the stays that are active now."""
    await records.lock("W0/house")
    return await records.count("CarePlan", ("status", "active"))


def check(change: Change, facts: int, situation: Situation) -> Iterable[Violation]:
    """Refuse the fourth."""
    if change.after is not None and facts > _MOST:
        yield FULL.broken("The house is full", "CarePlan.status")


def follows(change: Change, facts: int, situation: Situation) -> Iterable[Consequence]:
    """Charge a stay when it ends, once; note on it that it was charged; ask later how it was."""
    assert change.after is not None
    for note in change.after.get("note", ()):
        book = made("Basic", id="guestbook", code={"text": note["text"]})
        yield Put(book, is_whole="whole" in note["text"])
    if change.became("completed"):
        bill_id, guest = key_id("bill", change.reference), change.after["subject"]
        bill = made("Basic", id=bill_id, code={"text": "bill"}, subject=guest)
        yield Create(bill)
        yield Put(changed(change.after, description="charged"))
        yield Strike(f"remind/{change.reference}")
        yield Later(Entry(f"ask/{change.reference}", situation.now, "W0.ask", change.reference))
    if change.became("active"):
        later = situation.now + timedelta(hours=1)
        yield Later(Entry(f"remind/{change.reference}/x", later, "W0.ask", change.reference))


def completes(resource: Any, before: Any, situation: Situation) -> Any:
    """Number each stay."""
    number = situation.drawn("stays", resource)
    if before is not None:
        return {**resource, "identifier": before["identifier"]}
    return {**resource, "identifier": [{"system": "urn:stay", "value": str(number)}]}


async def ask(entry: Entry, context: Context, services: Services) -> None:
    """Write down that somebody was asked."""
    basic = {"resourceType": "Basic", "code": {"text": "asked"}}
    await commit(context, [new_resource("Basic", context.new_id(), basic)])


async def fail(entry: Entry, context: Context, services: Services) -> None:
    """Fail after having tried to store something."""
    await ask(entry, context, services)
    raise RuntimeError("a name that must not be told")


async def begin(entry: Entry, context: Context, services: Services) -> None:
    """Store that it has begun, and then go down, or find that it is too early."""
    basic = {"resourceType": "Basic", "id": entry.data["id"], "code": {"text": "begun"}}
    await commit(unfinished(context), [replacement("Basic", basic["id"], basic)])
    if "until" in entry.data:
        raise NotYet(entry.data["until"])
    raise RuntimeError


PATTERN = Pattern(
    "W0",
    "Hotel",
    rules=(STATE, TAKEN, FULL),
    states=(StateTable("CarePlan", STATE, {"draft": ("active",), "active": ("completed",)}),),
    watches=(
        Watch(
            frozenset({"CarePlan"}),
            completes=completes,
            draws=lambda _resource: ["stays"],
            claims=claims,
            gather=gather,
            check=check,
            follows=follows,
        ),
    ),
    actions={"W0.ask": ask, "W0.fail": fail, "W0.begin": begin},
    creates=frozenset({"Basic"}),
)


def context_in(store: Store, settings: Settings, *, is_import: bool = False) -> Context:
    """Return a context in which the hotel's rules can be asked (see `put`)."""

    def no_route(_request: object) -> Any:
        raise AssertionError

    return Context(
        "http://server/fhir",
        store,
        settings,
        lambda: datetime.now(UTC),
        new_id,
        no_route,
        Jobs(store.async_jobs),
        is_import=is_import,
    )


def stay(resource_id: str, status: str = "active", guest: str = "1", **elements: Any) -> Resource:
    """Return a stay of a guest."""
    return {
        "resourceType": "CarePlan",
        "id": resource_id,
        "status": status,
        "intent": "plan",
        "subject": {"reference": f"Patient/{guest}"},
        **elements,
    }


async def put(context: Context, book: RuleBook, *stays: Resource) -> list[Resource]:
    """Store stays in one transaction, by the rules; return them as they were stored."""
    context = ruled(context, book)
    written = await commit(context, [replacement("CarePlan", one["id"], one) for one in stays])
    return [one.version.resource for one in written if one.version and one.version.resource]


async def read(store: Store, resource_type: str, resource_id: str) -> Resource:
    """Return a resource that is there."""
    version = await store.read(resource_type, resource_id)
    assert version is not None
    assert version.resource is not None
    return version.resource
