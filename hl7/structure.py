"""The structure of a message: which one it has, and which of its segments belong together.

All versions from 2.1 to 2.9 have one table, in which everything is allowed that any of them allows. Senders
leave out what is required, send segments out of their order, and add their own: each segment has a place
nonetheless, and what the structure does not know is in the group that is open where it stands.

Source: HL7 v2.5.1 §2.5.2 (abstract syntax), §2.17.3 (table 0354); https://hl7.org/fhir/R4/v2/0354/index.html
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from hl7.errors import UNSUPPORTED_EVENT, UNSUPPORTED_MESSAGE_TYPE, Location, UnsupportedMessage
from hl7.message import Header, Segment

TABLES = Path(__file__).parent / "tables"
_TOKEN = re.compile(r"[A-Za-z0-9_]+|[\[\]{}()<>|]")
# Before version 2.3 a message of these types had no event.
_WITHOUT_EVENT = {"ORU": "ORU_R01", "ORM": "ORM_O01", "ACK": "ACK"}


@dataclass(frozen=True, slots=True)
class Node:
    """A segment of a structure, a choice of segments, or a group, which has `children` and a name."""

    name: str
    segments: tuple[str, ...]
    is_required: bool
    is_repeated: bool
    children: tuple["Node", ...] = ()
    contents: frozenset[str] = frozenset()

    @property
    def is_group(self) -> bool:
        """Whether it has segments of its own."""
        return bool(self.children)

    @property
    def first_required(self) -> str:
        """The segment that shows whether it is there: the first that is required, else the first."""
        if not self.is_group:
            return self.segments[0]
        return next((child for child in self.children if child.is_required), self.children[0]).first_required


@dataclass(frozen=True, slots=True)
class Group:
    """Segments that belong together; `members` are segments and groups in their order.

    `missing` names the required segments that are not there, by the structure and not by what senders do.
    """

    name: str
    members: tuple["Segment | Group", ...]
    missing: tuple[str, ...] = ()

    @property
    def segments(self) -> tuple[Segment, ...]:
        """All segments, those of groups within included, in the order of the message."""
        found = [
            segment
            for member in self.members
            for segment in (member.segments if isinstance(member, Group) else (member,))
        ]
        return tuple(sorted(found, key=lambda segment: segment.position))

    def all(self, name: str) -> tuple[Segment, ...]:
        """Return the segments of that name that are of this group itself."""
        return tuple(member for member in self.members if isinstance(member, Segment) and member.name == name)

    def first(self, name: str) -> Segment | None:
        """Return the first segment of that name that is of this group itself."""
        return next(iter(self.all(name)), None)

    def groups(self, name: str) -> tuple["Group", ...]:
        """Return the groups of that name that are of this group itself."""
        return tuple(member for member in self.members if isinstance(member, Group) and member.name == name)

    def group(self, name: str) -> "Group | None":
        """Return the first group of that name that is of this group itself."""
        return next(iter(self.groups(name)), None)

    def walk(self) -> Iterator["Group"]:
        """Yield this group and all within it."""
        yield self
        for member in self.members:
            if isinstance(member, Group):
                yield from member.walk()


def structure_of(header: Header) -> str:
    """Return the structure of a message, such as ADT_A01: by its event, else as MSH-9.3 says.

    The event comes first, as senders write the event into MSH-9.3 (ADT^A08^ADT_A08). Raises
    `UnsupportedMessage` (200, 201) if neither is known.
    """
    code, event = header.message_code, header.trigger_event
    found = _events().get(f"{code}^{event}") or (code == "ACK" and "ACK")
    if found:
        return found
    if header.structure in _written():
        return header.structure
    if not event and code in _WITHOUT_EVENT:
        return _WITHOUT_EVENT[code]
    if any(known.startswith(f"{code}^") for known in _events()):
        raise UnsupportedMessage(
            "unknown event", code=UNSUPPORTED_EVENT, location=Location("MSH", 1, 9, 1, 2)
        )
    raise UnsupportedMessage(
        "unknown type of message", code=UNSUPPORTED_MESSAGE_TYPE, location=Location("MSH", 1, 9, 1, 1)
    )


@lru_cache(maxsize=512)
def structure(name: str) -> Node:
    """Return a structure as a group without a parent; raise `UnsupportedMessage` (201) if it is not known."""
    text = _written().get(name)
    if text is None:
        raise UnsupportedMessage(
            "unknown structure", code=UNSUPPORTED_EVENT, location=Location("MSH", 1, 9, 1, 3)
        )
    return _group(name, _nodes(iter(_TOKEN.findall(f"{text} )"))), is_required=True, is_repeated=False)


@lru_cache(maxsize=1)
def _written() -> dict[str, str]:
    return tomllib.loads((TABLES / "structures.toml").read_text("ascii"))


@lru_cache(maxsize=1)
def _events() -> dict[str, str]:
    table = tomllib.loads((TABLES / "events.toml").read_text("ascii"))
    return {event: name for name, events in table.items() for event in events.split()}


def _group(name: str, children: tuple[Node, ...], *, is_required: bool, is_repeated: bool) -> Node:
    contents = frozenset().union(*(child.contents for child in children))
    return Node(name, (), is_required, is_repeated, children, contents)


def _nodes(tokens: Iterator[str]) -> tuple[Node, ...]:
    """Read what stands up to the end of a group."""
    nodes: list[Node] = []
    flags: set[str] = set()
    for sign in tokens:
        if sign == ")":
            break
        if sign in {"[", "{"}:
            flags.add(sign)
        elif sign in {"]", "}"}:
            continue
        elif sign == "(":
            named = nodes.pop()
            children = _nodes(tokens)
            name = named.segments[0]
            nodes.append(_group(name, children, is_required=named.is_required, is_repeated=named.is_repeated))
        else:
            names = tuple(_choice(tokens)) if sign == "<" else (sign,)
            nodes.append(Node("", names, "[" not in flags, "{" in flags, (), frozenset(names)))
            flags = set()
    return tuple(nodes)


def _choice(tokens: Iterator[str]) -> Iterator[str]:
    for sign in tokens:
        if sign == ">":
            return
        if sign != "|":
            yield sign
