"""What a text message is, and who sends it."""

from dataclasses import dataclass
from typing import Protocol


class NotAccepted(Exception):
    """The gateway will not take a message for this number, however often it is tried."""


@dataclass(frozen=True, slots=True)
class TextMessage:
    """A text message to one number (`+15551234567`); `key` is the same if it is sent again after a crash."""

    to: str
    text: str
    key: str


class TextGateway(Protocol):
    """Sends text messages."""

    async def send(self, message: TextMessage) -> None:
        """Send it; raise NotAccepted if it is of no use to try again, and any other error if it may be."""
