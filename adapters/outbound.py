"""What an acknowledgment, or its absence, means for a message that was sent: pure rules, without any I/O.

HL7 v2.5.1 §2.9.2.2 has AE for what is wrong with the message, and AR for what is not, so that the same
message may be accepted later; table 0357 has codes that say it more exactly, and where there is one, it
counts.
"""

import random
from typing import Literal

from adapters.destinations import Destination
from hl7 import errors
from hl7.ack import Ack

Verdict = Literal["sent", "accepted", "retry", "park"]
"""`sent`: done; `accepted`: taken, and the application answers later; `retry`: later; `park`.

A person has to look.
"""

# "Application record locked", "Application internal error".
_PASSING = frozenset({errors.RECORD_LOCKED, errors.INTERNAL_ERROR})
_JITTER = 0.2
# So many failures in a row, and the destination is left alone for a while.
_FAILURES = 3
# A destination that is back is not left alone for long, however long it was away.
_LONGEST_REST = 60.0


def verdict(ack: Ack, destination: Destination) -> Verdict:
    """Return what is to be done after an acknowledgment.

    In enhanced mode CA is not the final answer. AE is never sent again by itself, as the message is wrong.
    AR, CR and CE are, unless their code says that sending it again cannot help: a segment, field, type, event
    or version that the receiver does not want (100 to 105, 200 to 205).
    """
    if ack.code == "CA":
        return "accepted" if destination.enhanced else "sent"
    if ack.code == "AA":
        return "sent"
    if ack.code == "AE":
        return "park"
    return "retry" if all(code in _PASSING for code in codes(ack)) else "park"


def codes(ack: Ack) -> list[str]:
    """Return the codes of table 0357 that an acknowledgment gives as errors."""
    return [one.code for one in ack.errors if one.severity not in ("W", "I")]


def described(ack: Ack) -> str:
    """Return what an acknowledgment says, in codes and places only: its texts may name a patient."""
    said = [f"{one.code}{f' at {one.location}' if one.location else ''}" for one in ack.errors[:5]]
    return " ".join([ack.code, *said])


def pause(destination: Destination, attempts: int) -> float:
    """Return the seconds until the next attempt after so many.

    They double, and are never the same for all.
    """
    doubled = destination.first_pause * 2.0 ** min(attempts - 1, 30)
    longest = min(doubled, destination.longest_pause)
    return longest * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - no secret


class Breaker:
    """Leaves a destination alone that does not answer.

    Tried now and then by one message, not by all of them.
    """

    def __init__(self, destination: Destination) -> None:
        """Begin with a destination that is taken to be well."""
        self._destination = destination
        self._failures = 0
        self._until = 0.0
        self._since = 0.0

    @property
    def failures(self) -> int:
        """How often in a row there was no connection, or no answer."""
        return self._failures

    @property
    def is_open(self) -> bool:
        """Whether the destination is taken to be away."""
        return self._failures >= _FAILURES

    def allows(self, now: float) -> bool:
        """Tell whether something may be sent at a time (seconds of a clock that only goes up)."""
        return not self.is_open or now >= self._until

    def tries(self, now: float) -> None:
        """Note that something is sent; while the destination is away, others wait as long as it may take."""
        if self.is_open:
            self._until = now + self._destination.connect_seconds + self._destination.answer_seconds

    def away_seconds(self, now: float) -> float:
        """Return for how long the destination has been away, 0 if it is not."""
        return now - self._since if self.is_open else 0.0

    def succeeded(self) -> None:
        """Note that the destination answered."""
        self._failures = 0

    def failed(self, now: float) -> bool:
        """Note that it did not; return True if it is taken to be away from now on."""
        self._failures += 1
        if self._failures == 1:
            self._since = now
        rest = pause(self._destination, max(1, self._failures - _FAILURES + 1))
        self._until = now + min(rest, _LONGEST_REST)
        return self._failures == _FAILURES
