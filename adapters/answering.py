"""Which acknowledgments a message gets, and what they say: original and enhanced mode.

Original mode, with MSH-15 and MSH-16 empty: one application acknowledgment. Enhanced mode: an accept
acknowledgment when the message is safe, by MSH-15, and an application acknowledgment when it is done, by
MSH-16, as a message of its own. HL7 v2.5.1 §2.9.2, §2.9.3, table 0155
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from adapters.applying import Applied, OrderAnswer
from adapters.inboxes import Reason
from hl7 import ack
from hl7.building import build
from hl7.errors import HL7Error, InvalidMessage
from hl7.message import Message
from hl7.order_answers import acknowledge_orders, is_order, orders
from hl7.query_answers import Response, answer_segments, is_query
from hl7.received import received

NewId = Callable[[], str]


class Answering:
    """Makes acknowledgments; clock and control ids are handed in."""

    def __init__(self, now: Callable[[], datetime], new_id: NewId) -> None:
        """Stamp answers by `now`, and give each a control id of `new_id` (20 characters at most)."""
        self._now = now
        self._new_id = new_id

    def may_answer(self, message: Message) -> bool:
        """Tell whether an application acknowledgment may follow, whatever becomes of the message."""
        return any(self._wants(message, code) for code in ("AA", "AE", "AR"))

    def accept(self, message: Message) -> bytes | None:
        """Return CA, for a message that is safe now; None if its sender does not want it."""
        condition, _ = ack.wanted(message.header)
        return self._made(message, "CA", ()) if ack.is_wanted(condition, "CA") else None

    def applied(self, message: Message, applied: Applied) -> bytes | None:
        """Return AA, or the response to a query or to orders, for what became of a message."""
        if not self._wants(message, "AA"):
            return None
        if applied.response is not None:
            return applied.response
        if applied.answers and message.header.is_enhanced:
            return self._orders(message, applied.answers, applied.warnings)
        return self._made(message, "AA", applied.warnings)

    def refused(self, message: Message, failure: HL7Error) -> bytes | None:
        """Return AE or AR for a message that is in quarantine; for a query, as its answer (QAK)."""
        code = failure.answer
        if not self._wants(message, code):
            return None
        return (
            self._query(message, code, failure)
            if is_query(message)
            else self._made(message, code, (failure,))
        )

    def turned_away(self, source: Message | bytes, failure: HL7Error) -> bytes | None:
        """Return the first and only answer to a message that is not let in: AE or AR, CE or CR.

        Of a message that cannot be read, `source` are its bytes: it is answered if MSH-10 can be found, and
        None says that it cannot.
        """
        if isinstance(source, Message):
            if source.header.is_enhanced:
                condition, _ = ack.wanted(source.header)
                code = ack.code_of([failure], accept=True)
                return self._made(source, code, (failure,)) if ack.is_wanted(condition, code) else None
            if not self._wants(source, failure.answer):
                return None
        try:
            return self._made(source, failure.answer, (failure,))
        except HL7Error:
            return None

    def _wants(self, message: Message, code: str) -> bool:
        _, condition = ack.wanted(message.header)
        # What is an answer itself gets none, or two systems would go on for ever.
        return message.first("MSA") is None and ack.is_wanted(condition, code)

    def _made(self, source: Message | bytes, code: str, errors: Sequence[HL7Error]) -> bytes:
        return ack.acknowledge(source, code, errors, now=self._now(), control_id=self._new_id())

    def _query(self, message: Message, code: str, failure: HL7Error) -> bytes:
        """Return RSP that tells of a query what was wrong with it."""
        response = Response("AR" if code == "AR" else "AE")
        segments = answer_segments(
            message, code, response, (failure,), now=self._now(), control_id=self._new_id()
        )
        to = received(message)
        return build(segments, to.chars, to.codec)

    def _orders(
        self, message: Message, answers: Sequence[OrderAnswer], warnings: Sequence[HL7Error]
    ) -> bytes:
        """Return ORL, ORR or their like, with what is said of each order."""
        if not is_order(message) or len(answers) != len(orders(message)):
            return self._made(message, "AA", warnings)
        controls = [one.control for one in answers]
        return acknowledge_orders(
            message, "AA", controls, warnings, now=self._now(), control_id=self._new_id()
        )


def errors_of(failure: HL7Error) -> tuple[HL7Error, ...]:
    """Return the single errors of a failure."""
    return failure.errors if isinstance(failure, InvalidMessage) else (failure,)


def reasons_of(failure: HL7Error) -> tuple[Reason, ...]:
    """Return what the inbox keeps of a failure; a rule that refused is told by the error's `rule`."""
    return tuple(
        Reason(one.code, one.text, str(one.location or ""), one.severity, str(getattr(one, "rule", "")))
        for one in errors_of(failure)
    )
