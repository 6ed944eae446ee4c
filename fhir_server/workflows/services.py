"""What workflows use of the world outside, put together in `app.py`: mail, text messages, payments."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Services:
    """The outside services of one process; each is None where the hospital has none."""
