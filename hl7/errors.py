"""What can be wrong with a message, as exceptions that an acknowledgment can tell.

    HL7Error                    one thing that is wrong, with the code of table 0357 and where it is
    +-- UnparseableMessage      no message can be made of the bytes (100, answered AR)
    +-- UnsupportedMessage      a message that is fine, but nothing for us (200 to 203, answered AR)
    |   +-- UnsupportedCharset  MSH-18 names a character set that cannot be read (103, answered AR)
    +-- MessageTooLong          more bytes than are taken (104, answered AR)
    +-- InvalidMessage          several things that are wrong, in `errors`
    +-- NotEncodable            a text that cannot be written into a message (102)

A text says what is wrong and never what stands there, as it goes into logs and answers.

Source: HL7 v2.5.1 §2.15.5 (ERR), §2.16.3 (ERL), table 0357
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

ACCEPTED = "0"
SEGMENT_SEQUENCE = "100"
REQUIRED_FIELD_MISSING = "101"
DATA_TYPE = "102"
TABLE_VALUE_NOT_FOUND = "103"
VALUE_TOO_LONG = "104"
UNSUPPORTED_MESSAGE_TYPE = "200"
UNSUPPORTED_EVENT = "201"
UNSUPPORTED_PROCESSING_ID = "202"
UNSUPPORTED_VERSION = "203"
UNKNOWN_KEY = "204"
DUPLICATE_KEY = "205"
RECORD_LOCKED = "206"
INTERNAL_ERROR = "207"

# Table 0357.
MEANINGS = {
    ACCEPTED: "Message accepted",
    SEGMENT_SEQUENCE: "Segment sequence error",
    REQUIRED_FIELD_MISSING: "Required field missing",
    DATA_TYPE: "Data type error",
    TABLE_VALUE_NOT_FOUND: "Table value not found",
    VALUE_TOO_LONG: "Value too long",
    UNSUPPORTED_MESSAGE_TYPE: "Unsupported message type",
    UNSUPPORTED_EVENT: "Unsupported event code",
    UNSUPPORTED_PROCESSING_ID: "Unsupported processing id",
    UNSUPPORTED_VERSION: "Unsupported version id",
    UNKNOWN_KEY: "Unknown key identifier",
    DUPLICATE_KEY: "Duplicate key identifier",
    RECORD_LOCKED: "Application record locked",
    INTERNAL_ERROR: "Application internal error",
}
# What the sender cannot mend in the message, or should send again later: HL7 v2.5.1 §2.9.2.2. Unknown and
# duplicate keys are not among them, although table 0357 calls them rejections: sending again would change
# nothing.
_REJECTIONS = frozenset(
    {
        UNSUPPORTED_MESSAGE_TYPE,
        UNSUPPORTED_EVENT,
        UNSUPPORTED_PROCESSING_ID,
        UNSUPPORTED_VERSION,
        RECORD_LOCKED,
        INTERNAL_ERROR,
    }
)
_ERL = re.compile(r"([A-Z][A-Z0-9]{2})((?:\^[0-9]{0,9}){0,5})")


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a message, all counted from 1; `sequence` is among the segments of that name.

    Source: HL7 v2.5.1 §2.A.28 (ERL)
    """

    segment: str
    sequence: int = 1
    field: int | None = None
    repetition: int | None = None
    component: int | None = None
    subcomponent: int | None = None

    def __str__(self) -> str:
        parts = [self.segment, self.sequence, self.field, self.repetition, self.component, self.subcomponent]
        while parts[-1] is None:
            parts.pop()
        return "^".join("" if part is None else str(part) for part in parts)

    @property
    def is_deeper_than_a_field(self) -> bool:
        """Whether it is a component or a subcomponent."""
        return self.component is not None or self.subcomponent is not None

    @classmethod
    def parse(cls, text: str) -> "Location":
        """Return the place that `PID^1^3^1^1` names; raise HL7Error (102) if it is none."""
        match = _ERL.fullmatch(text)
        if match is None:
            raise HL7Error("this is no place in a message: PID^1^3^1^1 is one", code=DATA_TYPE)
        numbers = [int(part) if part else None for part in match[2].split("^")[1:]]
        if 0 in numbers:
            raise HL7Error("places in a message are counted from 1", code=DATA_TYPE)
        sequence, *deeper = numbers or [None]
        return cls(match[1], sequence or 1, *deeper)


class HL7Error(Exception):
    """One thing that is wrong with a message.

    `code` is of table 0357, `severity` of table 0516 (E error, W warning, I information, F fatal), and
    `answer` is what an acknowledgment in original mode says of it (table 0008).
    """

    code: str = INTERNAL_ERROR
    answer: str = "AE"

    def __init__(
        self, text: str, *, code: str | None = None, location: Location | None = None, severity: str = "E"
    ) -> None:
        super().__init__(text)
        if code is not None:
            self.code = code
            if code in _REJECTIONS:
                self.answer = "AR"
        self.text = text
        self.location = location
        self.severity = severity

    def __str__(self) -> str:
        place = f" ({self.location})" if self.location else ""
        return f"{self.code}{place}: {self.text}"


class UnparseableMessage(HL7Error):
    """No message can be made of the bytes: MSH is missing or broken."""

    code = SEGMENT_SEQUENCE
    answer = "AR"


class UnsupportedMessage(HL7Error):
    """A message of a type, event, version or environment that is not for us."""

    code = UNSUPPORTED_MESSAGE_TYPE
    answer = "AR"


class UnsupportedCharset(UnsupportedMessage):
    """A character set that is forbidden, or that we cannot read."""

    code = TABLE_VALUE_NOT_FOUND


class MessageTooLong(HL7Error):
    """More bytes than are taken."""

    code = VALUE_TOO_LONG
    answer = "AR"


class NotEncodable(HL7Error):
    """A text that has no form in the message's delimiters or character set."""

    code = DATA_TYPE


class InvalidMessage(HL7Error):
    """Several things that are wrong; code and place are those of the first."""

    def __init__(self, errors: Sequence[HL7Error]) -> None:
        first = errors[0]
        super().__init__(first.text, code=first.code, location=first.location, severity=first.severity)
        self.errors = tuple(errors)
        self.answer = "AR" if any(error.answer == "AR" for error in errors) else "AE"

    def __reduce__(self) -> tuple[type["InvalidMessage"], tuple[tuple[HL7Error, ...]]]:
        return InvalidMessage, (self.errors,)  # an exception is copied with its arguments otherwise
