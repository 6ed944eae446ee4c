"""What rules know beside a value: the channel, the message's time zone, and what was made of it so far."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

from adapters.channels import Channel
from adapters.to_fhir.drafts import Draft, Effect, Identity, Presence, Step
from adapters.to_fhir.value import Reader
from hl7.datatypes import zone_of_message
from hl7.errors import TABLE_VALUE_NOT_FOUND, HL7Error, Location
from hl7.message import Message, Segment

_MOST_WARNINGS = 50


@dataclass(slots=True)
class Place:
    """Where the interpreter is in the message; kept up to date for errors, and for the trace."""

    segment: str = "MSH"
    sequence: int = 1
    field: int = 0
    repetition: int = 0
    component: int = 0
    subcomponent: int = 0

    def location(self) -> Location:
        """Return it as an ERL."""
        parts = (self.field, self.repetition, self.component, self.subcomponent)
        return Location(self.segment, self.sequence, *(part or None for part in parts))


@dataclass(slots=True)
class Scope:
    """One message that is being mapped."""

    message: Message
    channel: Channel
    reader: Reader
    zone: tzinfo | None
    drafts: dict[str, Draft] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)
    warnings: list[HL7Error] = field(default_factory=list)
    place: Place = field(default_factory=Place)
    steps: list[Step] | None = None
    owner: str = ""
    path: str = ""
    subject: str = ""
    segment: Segment | None = None
    remembered: dict[Any, Any] = field(default_factory=dict)
    read: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, message: Message, channel: Channel, *, trace: bool = False) -> "Scope":
        """Begin with `message`, as it came by `channel`."""
        zone = zone_of_message(message.header.timestamp, channel.time_zone)
        return cls(message, channel, Reader.of(message), zone, steps=[] if trace else None)

    def warn(self, text: str, code: str = TABLE_VALUE_NOT_FOUND) -> None:
        """Tell the sender of something that was taken, though it is not right; `text` has no value."""
        if len(self.warnings) < _MOST_WARNINGS:
            self.warnings.append(HL7Error(text, code=code, location=self.place.location(), severity="W"))

    def error(self, text: str, code: str) -> HL7Error:
        """Return that the message is refused for what stands here."""
        return HL7Error(text, code=code, location=self.place.location())

    def note(self, path: str, row: str) -> None:
        """Put on record where an element comes from, if that was asked for."""
        if self.steps is not None:
            at = self.place
            whole = f"{self.path}.{path}" if self.path and path else self.path + path
            self.steps.append(
                Step(
                    self.owner, whole, at.segment, at.sequence, at.field, at.repetition,
                    at.component, at.subcomponent, row,
                )
            )  # fmt: skip

    @contextmanager
    def within(self, owner: str, path: str = "") -> Iterator[None]:
        """Let what is noted in the block be about the draft `owner`, below `path`."""
        outer = self.owner, self.path
        self.owner, self.path = owner, path
        try:
            yield
        finally:
            self.owner, self.path = outer

    def add(
        self,
        key: str,
        resource: dict[str, Any],
        *,
        identities: tuple[Identity, ...] = (),
        parts: tuple[str, ...] = (),
        presence: Presence = "full",
    ) -> Draft:
        """Add a draft, or return the one with the same key, which the message has named before."""
        known = self.drafts.get(key)
        if known is None:
            known = Draft(key, resource, identities, parts, presence)
            self.drafts[key] = known
        else:
            for name, value in resource.items():
                known.resource.setdefault(name, value)
        return known

    @property
    def authorities(self) -> Mapping[str, str]:
        """The FHIR systems of those who give numbers, by HD-1 or HD-2."""
        return self.channel.authorities

    @property
    def sender(self) -> str:
        """Who sent it, as part of what tells its things from others': the names of its channel."""
        return f"{self.channel.sending_application}|{self.channel.sending_facility}"
