"""What a message says, before it is known what is there already: drafts of resources, and effects on others.

A draft refers to another one by `draft:KEY`. Identities are what tells whether a resource is there: two
different things never have one in common, as each is made of its parts with their lengths.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from hl7.errors import HL7Error, Location

Resource = dict[str, Any]

_KEYS = uuid.UUID("0b1d5b0e-6f0c-5c1d-9a53-2f5c3c7f8a10")
REFERENCE = "draft:"
OWN = "urn:fhir-hospital-server:id"
"""The system of an identity that is the id of a resource here: a number that this server gave an order."""

Presence = Literal["full", "minimal", "known"]
"""What a draft is for.

`full`: it is created, or changes what is there. `minimal`: it is created if it is not there, and left as it
is otherwise. `known`: it changes what is there, and is dropped otherwise.
"""


@dataclass(frozen=True, slots=True)
class Identity:
    """An identifier by which a resource may be there already: FHIR system and value."""

    system: str
    value: str


@dataclass(slots=True)
class Draft:
    """A resource as a message has it; made once, and read only once it is part of `Mapped`.

    `identities` are identifiers by which it is found. `parts` are what makes it the same thing as another
    time, where no identifier does: with them its id is always the same. `deleted` are elements that the
    message says shall go (`""`), each with what the members of a list that go have in common. `order` is the
    moment of what it says, if that tells new from old (DiagnosticReport.issued). `listed` are elements of
    which the message has the whole list. `otherwise` are elements of a new resource of which the message
    says nothing, and which leave one that is there as it is. `place` is the segment that it begins
    with, for errors about it.
    """

    key: str
    resource: Resource
    identities: tuple[Identity, ...] = ()
    parts: tuple[str, ...] = ()
    presence: Presence = "full"
    deleted: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    order: str = ""
    listed: frozenset[str] = frozenset()
    otherwise: Mapping[str, Any] = field(default_factory=dict)
    place: Location | None = None
    _id: tuple[tuple[str, ...], str] | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def type(self) -> str:
        """The resource type."""
        return str(self.resource["resourceType"])

    @property
    def reference(self) -> Resource:
        """A Reference to it."""
        return {"reference": REFERENCE + self.key}

    @property
    def id(self) -> str:
        """The id that it gets if it is not there: always the same for the same thing."""
        if self.parts:
            parts = self.parts
        elif self.identities:
            parts = ("identifier", self.identities[0].system, self.identities[0].value)
        else:
            raise ValueError(f"a draft of {self.type} that nothing identifies")
        # It is asked for several times. What is remembered goes with the draft, as parts may be long.
        if self._id is None or self._id[0] != parts:
            self._id = parts, key_id(self.type, *parts)
        return self._id[1]


def key_id(*parts: str) -> str:
    """Return an id made of `parts`, that no other parts have: their lengths count."""
    return str(uuid.uuid5(_KEYS, "".join(f"{len(part)}:{part}" for part in parts)))


@dataclass(frozen=True, slots=True)
class Visit:
    """What an ADT event does to an encounter: `event` such as `A01`, and the draft of the encounter.

    `time` is when it happened (FHIR dateTime, or ""); `prior` is the draft key of the place that was left
    (PV1-6), "" if that is not said.
    """

    event: str
    encounter: str
    time: str = ""
    prior: str = ""


@dataclass(frozen=True, slots=True)
class Merge:
    """One person's record goes into another one (A34, A40): the drafts of both, and the segment pair.

    `pair` counts from 1, for the place of what is wrong.
    """

    survivor: str
    loser: str
    pair: int = 1


@dataclass(frozen=True, slots=True)
class OrderControl:
    """What is asked, or told, of an order (ORC-1): the draft of the order, the code, and both its numbers."""

    order: str
    control: str
    placer: str = ""
    filler: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Reversal:
    """A charge or dispense that is taken back: the draft is that of the thing itself, which has to be known.

    `place` is where the message names it.
    """

    what: str
    place: Location


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment of an invoice (FT1-6 PY), which has to be known, and of the same patient: drafts of both."""

    payment: str
    invoice: str


@dataclass(frozen=True, slots=True)
class BedState:
    """The state of a bed (PV1-40, or MFN): the draft of the place, and the code of v2-0116."""

    place: str
    code: str


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Results of a report that a message which lists all of them has not: they are withdrawn."""

    report: str


@dataclass(frozen=True, slots=True)
class Guarantor:
    """Somebody who vouches for an account: the draft of the person or organization, and from when to when."""

    party: str
    start: str = ""
    end: str = ""


@dataclass(frozen=True, slots=True)
class Payers:
    """Who pays what is owed on an account: drafts of the account, of guarantors, and of insurances in order.

    Of those that are told the message has all.
    """

    account: str
    guarantors: tuple[Guarantor, ...] = ()
    coverages: tuple[str, ...] = ()


Effect = Visit | Merge | OrderControl | Reversal | BedState | Withdrawal | Payers | Payment


@dataclass(frozen=True, slots=True)
class Step:
    """Where an element comes from.

    `draft` and `path` name the element (`name[0].family`), `segment` to `subcomponent` the place in the
    message (0 where it is not so deep), and `row` the rule, such as `PID[Patient] 5`.
    """

    draft: str
    path: str
    segment: str
    sequence: int
    field: int = 0
    repetition: int = 0
    component: int = 0
    subcomponent: int = 0
    row: str = ""


@dataclass(frozen=True, slots=True)
class Mapped:
    """A message as FHIR has it.

    `subject` is the key of the patient's draft ("" if it is about nobody). `event_time` is when it happened
    (FHIR dateTime with offset, or a date), `is_record` whether the sender keeps the patient's record, as the
    sender of ADT does. `steps` say where each element comes from, if that was asked for.
    """

    drafts: Sequence[Draft]
    effects: Sequence[Effect]
    warnings: Sequence[HL7Error]
    subject: str = ""
    event_time: str = ""
    is_record: bool = False
    steps: Sequence[Step] = ()

    def draft(self, key: str) -> Draft:
        """Return the draft with a key."""
        return next(one for one in self.drafts if one.key == key)


def linked(resource: Resource, references: Mapping[str, str]) -> Resource:
    """Return a resource, or part of one, that refers to resources where it did to drafts, by draft keys.

    What a message refers to and nobody knows has "": there the reference has only its identifier or display.
    """

    def walk(value: object) -> object:
        if isinstance(value, dict):
            made: dict[str, object] = {}
            for name, one in value.items():
                if name == "reference" and isinstance(one, str) and one.startswith(REFERENCE):
                    found = references[one.removeprefix(REFERENCE)]
                    if found:
                        made[name] = found
                else:
                    made[name] = walk(one)
            return made
        return [walk(one) for one in value] if isinstance(value, list) else value

    made = walk(resource)
    assert isinstance(made, dict)  # noqa: S101 - a dict was given
    return made
