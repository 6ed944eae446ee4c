"""Answers to queries: RSP^K22 to QBP^Q22 and RSP^K11 to QBP^Q11, with what came of the query in QAK.

Source: HL7 v2.5.1 §5.3.1, §5.5.2 (QAK), §5.5.6 (RCP), tables 0091, 0126 and 0208
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from hl7.ack import answer_fields, header_fields
from hl7.building import FieldValue, Raw
from hl7.errors import DATA_TYPE, TABLE_VALUE_NOT_FOUND, HL7Error, Location
from hl7.message import Message
from hl7.received import received

Status = Literal["OK", "NF", "TM", "AE", "AR"]
"""Table 0208: found, nothing found, too many found, an error in the query, rejected."""

MOST = 100
"""How many records an answer has at most, whatever RCP-2 allows."""

_ANSWERS = {"Q11": ("K11", "RSP_K11"), "Q22": ("K22", "RSP_K21")}
_PROFILE = 21  # MSH-21


@dataclass(frozen=True, slots=True)
class Response:
    """What came of a query: the status, how many records were found (None: not said), and their segments.

    `profile` is the name of the answer's form with who gave it (MSH-21), for queries that have several.
    """

    status: Status
    hits: int | None = None
    segments: tuple[list[FieldValue], ...] = ()
    profile: tuple[str, str] = ("", "")


def is_query(message: Message) -> bool:
    """Tell whether there is an answer of this kind to a message."""
    return (
        message.header.message_code == "QBP"
        and message.header.trigger_event in _ANSWERS
        and message.first("QPD") is not None
    )


def most_records(message: Message) -> int:
    """Return how many records the sender wants at most, and no more than `MOST`.

    Raises HL7Error (103) for an answer that is to come later, and for a limit that is not of records; 102 for
    one that is no number.
    """
    rcp = message.first("RCP")
    if rcp is None:
        return MOST
    if rcp.get(1) not in ("", "I"):
        raise _wrong("a query is answered at once, or not at all", TABLE_VALUE_NOT_FOUND, 1)
    told, unit = rcp.get(2), rcp.get(2, 2)
    if not told:
        return MOST
    if unit not in ("", "RD"):
        raise _wrong("what is limited is the number of records", TABLE_VALUE_NOT_FOUND, 2)
    if not (told.isascii() and told.isdigit() and len(told) < 10 and int(told)):
        raise _wrong("the limit is no number", DATA_TYPE, 2)
    return min(int(told), MOST)


def _wrong(text: str, code: str, field: int) -> HL7Error:
    return HL7Error(text, code=code, location=Location("RCP", 1, field))


def answer_segments(
    message: Message,
    code: str,
    response: Response,
    errors: Iterable[HL7Error] = (),
    *,
    now: datetime,
    control_id: str,
) -> list[list[FieldValue]]:
    """Return the segments of the answer to a query: MSH, MSA, ERR, QAK, QPD as it came, and what was found.

    `code` is MSA-1; else as in `hl7.ack.acknowledge`. The message is one that `is_query`.
    """
    to = received(message)
    event, structure = _ANSWERS[message.header.trigger_event]
    kind = ["RSP", event, structure] if to.has_structures else ["RSP", event]
    header = header_fields(to, kind, now, control_id, None, "")
    if response.profile[0]:
        header += [""] * (_PROFILE - len(header))
        header.append([*response.profile])
    qpd = message.all("QPD")[0]
    hits = "" if response.hits is None else str(response.hits)
    return [
        header,
        *answer_fields(to, code, errors),
        ["QAK", Raw(qpd[2].raw), response.status, Raw(qpd[1].raw), hits],
        ["QPD", *(Raw(one.raw) for one in qpd.fields)],
        *response.segments,
    ]
