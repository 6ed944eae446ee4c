"""What the outbox of HL7 v2 messages consists of: messages and lanes, and their documents."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, IndexModel

from fhir_server.store.documents import Document
from fhir_server.store.ruling import Send

OUTBOX, LANES, CONNECTIONS = "hl7_outbox", "hl7_lanes", "hl7_connections"
WAITING, ACCEPTED, SENT, PARKED, DISCARDED = "waiting", "accepted", "sent", "parked", "discarded"
STATES = (WAITING, ACCEPTED, SENT, PARKED, DISCARDED)
"""Where a message is: to be sent; taken, but not processed yet (CA); done; refused, or tried too often.

Put away.
"""


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane that this process holds under `lease`; `last` is the number of its last message."""

    id: str
    destination: str
    name: str
    last: int
    lease: str


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message of the outbox; `sealed` is its text, encrypted, where that was looked up and is not long.

    `id` is its MSH-10, `sequence` its place in the lane, `attempts` counts how often it was sent. `after` are
    other lanes, each with the number up to which its messages go first. `answer` is what the receiver said
    last.
    """

    id: str
    destination: str
    lane: str
    sequence: int
    kind: str
    subject: str
    state: str
    created: datetime
    attempts: int = 0
    after: tuple[tuple[str, int], ...] = ()
    problem: str = ""
    answer: Mapping[str, Any] = field(default_factory=dict)
    has_message: bool = True
    sent: datetime | None = None
    sealed: bytes | None = field(default=None, repr=False)


WITHOUT_TEXT = {"data": 0}


def indexes() -> list[IndexModel]:
    """Return the indexes of the messages."""
    return [
        IndexModel(
            [("destination", ASCENDING), ("lane", ASCENDING), ("state", ASCENDING), ("sequence", ASCENDING)],
            name="lane",
        ),
        IndexModel([("state", ASCENDING), ("created", ASCENDING)], name="state"),
        IndexModel([("subject", ASCENDING)], name="subject"),
        IndexModel([("expires", ASCENDING)], name="expires", expireAfterSeconds=0),
    ]


def document_of(send: Send, sequence: int, now: datetime) -> Document:
    """Return the document of a message, but for its text."""
    return {
        "_id": send.control_id,
        "destination": send.destination,
        "lane": send.lane,
        "sequence": sequence,
        "kind": send.kind,
        "subject": send.subject,
        "state": PARKED if send.message is None else WAITING,
        "problem": send.problem,
        "created": now,
        "attempts": 0,
    }


def outgoing_of(found: Document) -> Outgoing:
    """Return the message that a document is of."""
    return Outgoing(
        id=found["_id"],
        destination=found["destination"],
        lane=found["lane"],
        sequence=found["sequence"],
        kind=found["kind"],
        subject=found["subject"],
        state=found["state"],
        created=found["created"],
        attempts=found["attempts"],
        after=tuple((name, last) for name, last in found.get("after", ())),
        problem=found.get("problem", ""),
        answer=found.get("answer", {}),
        has_message="size" in found,
        sent=found.get("sent"),
        sealed=found.get("data"),
    )


def lane_of(found: Document) -> Lane:
    """Return the lane that a document is of."""
    return Lane(found["_id"], found["destination"], found["name"], found["last"], found["lease"])


def held(lane: Lane) -> Document:
    """Return the filter for a lane as long as it is this process's."""
    return {"_id": lane.id, "lease": lane.lease}


def lane_id(destination: str, name: str) -> str:
    """Return the id of the document of a lane."""
    return f"{destination}|{name}"


def record(entry_id: str) -> str:
    """Return the name of the record for which a message is sealed."""
    return f"{OUTBOX}/{entry_id}/data"
