"""Answers to orders: an acknowledgment that says of each order whether it was taken.

ORL^O22 answers OML^O21, ORR^O02 answers ORM^O01, RRE^O12 answers RDE^O11, RRD^O14 answers RDS^O13, ORG^O20
answers OMG^O19.

Source: HL7 v2.5.1 §4.4, §4.13 and table 0119
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from hl7.ack import answer_fields, header_fields
from hl7.building import FieldValue, Raw, build
from hl7.errors import UNSUPPORTED_EVENT, HL7Error, UnsupportedMessage
from hl7.message import Message, Segment
from hl7.received import received
from hl7.structure import grouped


@dataclass(frozen=True, slots=True)
class _Form:
    """The answer to a message: its type, and what it has of the order behind ORC.

    That is the first of `details`, and of what comes after it those in `parts`. Where `required` is not among
    these, the group is left out, as it would not be whole.
    """

    code: str
    event: str
    details: frozenset[str]
    parts: frozenset[str] = frozenset()
    required: str = ""


_FORMS = {
    ("OML", "O21"): _Form("ORL", "O22", frozenset({"OBR"})),
    ("OMG", "O19"): _Form("ORG", "O20", frozenset({"OBR"})),
    ("ORM", "O01"): _Form("ORR", "O02", frozenset({"OBR", "RXO"})),
    ("RDE", "O11"): _Form("RRE", "O12", frozenset({"RXE"}), frozenset({"TQ1", "TQ2", "RXR", "RXC"}), "RXR"),
    ("RDS", "O13"): _Form("RRD", "O14", frozenset({"RXD"}), frozenset({"RXR", "RXC"}), "RXR"),
}
# ORC-1 of a request: what says yes, and what says no.
_CONTROLS = {
    "NW": ("OK", "UA"),
    "CA": ("CR", "UC"),
    "DC": ("DR", "UD"),
    "HD": ("HR", "UH"),
    "RL": ("OR", "UR"),
    "RP": ("RQ", "UM"),
    "XO": ("XR", "UX"),
}
_PREVIOUS_RESULT = "PR"
# What begins another group of the same order.
_GROUPS_BEHIND = frozenset({"OBX", "FT1", "RXA", "RXE", "RXD", "RXG", "OBR"})


def control_of(requested: str, *, is_accepted: bool) -> str:
    """Return ORC-1 of the answer to an order with this ORC-1, such as CR or UC to CA."""
    return _CONTROLS.get(requested, ("OK", "UA"))[0 if is_accepted else 1]


def orders(message: Message) -> tuple[Segment, ...]:
    """Return the ORC of each order, without those of earlier results that were sent along.

    Raises `UnsupportedMessage` if the structure of the message is not known.
    """
    found = (group.first("ORC") for group in grouped(message).groups("ORDER"))
    return tuple(orc for orc in found if orc is not None and orc.get(1) != _PREVIOUS_RESULT)


def is_order(message: Message) -> bool:
    """Return whether there is an order answer for a message of this type."""
    return (message.header.message_code, message.header.trigger_event) in _FORMS


def acknowledge_orders(
    message: Message,
    code: str,
    controls: Sequence[str],
    errors: Iterable[HL7Error] = (),
    *,
    now: datetime,
    control_id: str,
    sender: tuple[FieldValue, FieldValue] | None = None,
    accept_ack: str = "",
) -> bytes:
    """Return the answer that has `controls` as ORC-1 of each of `orders(message)`.

    All else is as in `hl7.ack.acknowledge`. Raises `UnsupportedMessage` if there is no such answer to this
    message, and `ValueError` if there is not one control for each order.
    """
    form = _FORMS.get((message.header.message_code, message.header.trigger_event))
    if form is None:
        raise UnsupportedMessage("no order answer for this message", code=UNSUPPORTED_EVENT)
    to = received(message)
    structure = f"{form.code}_{form.event}"
    message_type = [form.code, form.event, structure] if to.has_structures else [form.code, form.event]
    header = header_fields(to, message_type, now, control_id, sender, accept_ack)
    segments = [header, *answer_fields(to, code, errors)]
    pid = message.first("PID")
    if pid is not None and controls:
        segments.append(_copy(pid))
    for orc, control in zip(orders(message), controls, strict=True):
        segments.append(["ORC", control, *(Raw(orc[number].raw) for number in (2, 3, 4))])
        segments += [_copy(detail) for detail in _details(message, orc, form)]
    return build(segments, to.chars, to.codec)


def _copy(segment: Segment) -> list[FieldValue]:
    return [segment.name, *(Raw(field.raw) for field in segment.fields)]


def _details(message: Message, orc: Segment, form: _Form) -> list[Segment]:
    """Return the segments of the order that the answer repeats."""
    found: list[Segment] = []
    for segment in message.segments[orc.position + 1 :]:
        if segment.name == "ORC":
            break
        if not found and segment.name in form.details:
            found.append(segment)
        elif found and segment.name in _GROUPS_BEHIND:
            break
        elif found and segment.name in form.parts:
            found.append(segment)
    is_whole = not form.required or any(one.name == form.required for one in found)
    return found if is_whole else []
