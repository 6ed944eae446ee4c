"""What is counted of messages, by channel; the server hands in something that keeps the numbers."""

from typing import Protocol


class Observer(Protocol):
    """Takes note of what happens to messages. `channel` is a name, "" where none is known."""

    def received(self, channel: str) -> None:
        """Count a message that came."""

    def answered(self, channel: str, code: str) -> None:
        """Count an acknowledgment, by its code (table 0008)."""

    def refused(self, channel: str, code: str) -> None:
        """Count a message that went into quarantine, by the reason's code (table 0357)."""

    def warned(self, channel: str, code: str) -> None:
        """Count a warning or note about a message that was taken, by its code (table 0357).

        0 stands for a segment of which nothing was made.
        """

    def lag(self, channel: str, seconds: float) -> None:
        """Take note of how long a message took from its arrival until it was done."""

    def junk(self, count: int) -> None:
        """Count bytes between frames."""


class Silent:
    """Counts nothing."""

    def received(self, channel: str) -> None:
        """Count nothing."""

    def answered(self, channel: str, code: str) -> None:
        """Count nothing."""

    def refused(self, channel: str, code: str) -> None:
        """Count nothing."""

    def warned(self, channel: str, code: str) -> None:
        """Count nothing."""

    def lag(self, channel: str, seconds: float) -> None:
        """Count nothing."""

    def junk(self, count: int) -> None:
        """Count nothing."""
