"""Acknowledgments: which are asked for, how they are written, and what those that come say.

The delimiters, the character set, the version and MSH-11 are the sender's, MSH-3 to 6 are turned round, and
MSA-2 is always MSH-10 as it came. Where MSH is broken and MSH-10 can still be read, that is enough for a
rejection.

Source: HL7 v2.5.1 §2.9 (modes), §2.15.5 (ERR), §2.15.8 (MSA), tables 0008, 0155 and 0357
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from hl7 import errors as codes
from hl7.building import FieldValue, Raw, Repetitions, build
from hl7.errors import HL7Error, InvalidMessage, Location, UnsupportedMessage
from hl7.message import Header, Message, Repetition, Segment
from hl7.received import Received, received

POSITIVE = frozenset({"AA", "CA"})
NEGATIVE = frozenset({"AE", "AR", "CE", "CR"})
# More than this helps nobody, and an answer to nonsense stays small.
_MOST_ERRORS = 50
# HL7 v2.3.1 §2.24.2.3: the length of MSA-3.
_LONGEST_TEXT = 80


def wanted(header: Header) -> tuple[str, str]:
    """Return when an accept and an application acknowledgment are asked for (table 0155: AL, NE, ER, SU).

    In original mode, with neither field valued, the answer is an application acknowledgment. In enhanced
    mode a field without a value says never, and one with an unknown value says always. An acknowledgment
    itself is never answered by the application (§2.9.3).
    """
    if not header.is_enhanced:
        return "NE", "NE" if header.message_code == "ACK" else "AL"
    accept, application = (_condition(value) for value in (header.accept_ack, header.application_ack))
    return accept, "NE" if header.message_code == "ACK" else application


def _condition(value: str) -> str:
    return value if value in {"AL", "NE", "ER", "SU"} else "AL" if value else "NE"


def is_wanted(condition: str, code: str) -> bool:
    """Return whether one with this code (AA, CE, ...) is to be sent under a condition of table 0155."""
    return (
        condition == "AL"
        or (condition == "ER" and code in NEGATIVE)
        or (condition == "SU" and code in POSITIVE)
    )


def code_of(errors: Iterable[HL7Error], *, accept: bool = False) -> str:
    """Return the code of table 0008 for what is wrong: warnings alone leave a message accepted.

    An accept acknowledgment rejects (CR) what is not for us, and says CE of everything else.
    """
    wrong = [error for error in _each(errors) if error.severity in {"E", "F"}]
    if accept:
        if any(isinstance(error, UnsupportedMessage) or error.code in _NOT_FOR_US for error in wrong):
            return "CR"
        return "CE" if wrong else "CA"
    if any(error.answer == "AR" for error in wrong):
        return "AR"
    return "AE" if wrong else "AA"


_NOT_FOR_US = frozenset(
    {
        codes.UNSUPPORTED_MESSAGE_TYPE,
        codes.UNSUPPORTED_EVENT,
        codes.UNSUPPORTED_PROCESSING_ID,
        codes.UNSUPPORTED_VERSION,
    }
)


def acknowledge(
    message: Message | bytes,
    code: str,
    errors: Iterable[HL7Error] = (),
    *,
    now: datetime,
    control_id: str,
    sender: tuple[FieldValue, FieldValue] | None = None,
    accept_ack: str = "",
) -> bytes:
    """Return the acknowledgment of a message, or of bytes that are none.

    `now` becomes MSH-7 and `control_id` MSH-10; `sender` is our application and facility, for messages that
    do not name them in MSH-5 and 6; `accept_ack` becomes MSH-15. Raises `UnparseableMessage` if there is no
    MSH-10 to answer to.
    """
    to = received(message)
    message_type: FieldValue = ["ACK", Raw(to.trigger_event), "ACK"] if to.has_structures else "ACK"
    header = header_fields(to, message_type, now, control_id, sender, accept_ack)
    return build([header, *answer_fields(to, code, errors)], to.chars, to.codec)


def header_fields(
    to: Received,
    message_type: FieldValue,
    now: datetime,
    control_id: str,
    sender: tuple[FieldValue, FieldValue] | None,
    accept_ack: str,
) -> list[FieldValue]:
    """Return MSH of an answer; see `acknowledge`."""
    ours = [Raw(to.field(number)) for number in (5, 6)]
    application, facility = sender if sender and not any(part.text for part in ours) else ours
    fields: list[FieldValue] = [
        "MSH",
        "",
        "",
        application,
        facility,
        Raw(to.field(3)),
        Raw(to.field(4)),
        now.strftime("%Y%m%d%H%M%S%z"),
        "",
        message_type,
        control_id,
        Raw(to.field(11)),
        Raw(to.field(12)),
    ]
    return [*fields, "", "", accept_ack, "", "", Raw(to.charset_field)]


def answer_fields(to: Received, code: str, wrong: Iterable[HL7Error]) -> list[list[FieldValue]]:
    """Return MSA and ERR in the form of the sender's version."""
    errors = list(islice(_each(wrong), _MOST_ERRORS))
    if to.has_error_segments:
        return [["MSA", code, Raw(to.field(10))], *(_err(error) for error in errors)]
    text = errors[0].text[:_LONGEST_TEXT] if errors else ""
    answer: list[list[FieldValue]] = [["MSA", code, Raw(to.field(10)), text]]
    if errors:
        answer.append(["ERR", Repetitions(*(_eld(error) for error in errors))])
    return answer


def _err(error: HL7Error) -> list[FieldValue]:
    """Return an ERR of version 2.5: ERR-7 is read by those who run the interface, ERR-8 by its users."""
    meaning = codes.MEANINGS.get(error.code, "")
    place = _place(error.location) if error.location else ""
    return [
        "ERR",
        "",
        place,
        [error.code, meaning, "HL70357"],
        error.severity,
        "",
        "",
        error.text,
        error.text,
    ]


def _place(location: Location) -> list[str]:
    return str(location).split("^")


def _eld(error: HL7Error) -> list[str | list[str]]:
    """Return the one place of an error before version 2.5: segment, sequence, field, and what is wrong."""
    place = _place(error.location)[:3] if error.location else []
    place += [""] * (3 - len(place))
    return [*place, [error.code, codes.MEANINGS.get(error.code, ""), "HL70357"]]


def _each(errors: Iterable[HL7Error]) -> Iterable[HL7Error]:
    for error in errors:
        if isinstance(error, InvalidMessage):
            yield from error.errors
        else:
            yield error


@dataclass(frozen=True, slots=True)
class Ack:
    """What an acknowledgment says: the code of table 0008, which message it answers, and what was wrong."""

    code: str
    control_id: str
    errors: tuple[HL7Error, ...] = ()

    @property
    def is_positive(self) -> bool:
        """Whether the message was accepted (AA, CA)."""
        return self.code in POSITIVE


def read_ack(message: Message) -> Ack:
    """Return what an acknowledgment, or any answer that has MSA, says.

    Raises `InvalidMessage` (100 to 103) if it answers no message or has no known code: garbage is no ACK.
    """
    msa = message.first("MSA")
    if msa is None:
        raise InvalidMessage([HL7Error("no MSA", code=codes.SEGMENT_SEQUENCE, location=Location("MSA"))])
    code, control_id = msa.get(1), msa[2].text
    if code not in POSITIVE | NEGATIVE:
        place = Location("MSA", 1, 1)
        raise InvalidMessage([HL7Error("no known code", code=codes.TABLE_VALUE_NOT_FOUND, location=place)])
    if not control_id:
        place = Location("MSA", 1, 2)
        raise InvalidMessage(
            [HL7Error("no message named", code=codes.REQUIRED_FIELD_MISSING, location=place)]
        )
    errors = [error for segment in message.all("ERR") for error in _read_err(segment)]
    if not errors and code in NEGATIVE:
        errors = [HL7Error(msa[3].text, code=msa.get(6) or codes.INTERNAL_ERROR)]
    return Ack(code, control_id, tuple(errors))


def _read_err(err: Segment) -> list[HL7Error]:
    """Return what ERR says in the form of version 2.5, or in the one before."""
    if err[3] or err[2]:
        text = err[7].text or err[8].text or err.get(3, 2)
        place = _read_place([component.text for component in err[2].repetition(1).components])
        return [HL7Error(text, code=err.get(3), location=place, severity=err.get(4) or "E")]
    return [_read_eld(repetition) for repetition in err[1].repetitions]


def _read_eld(value: Repetition) -> HL7Error:
    place = _read_place([value[number].text for number in range(1, 4)])
    return HL7Error(value[4][2], code=value[4][1], location=place)


def _read_place(parts: Sequence[str]) -> Location | None:
    """Return a place that another system wrote, None if it cannot be understood."""
    try:
        return Location.parse("^".join(parts).rstrip("^"))
    except HL7Error:
        return None
