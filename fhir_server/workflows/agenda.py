"""What carries out an entry of the agenda: the function that a pattern gives for an action's name."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING

from fhir_server.context import Context
from fhir_server.store.ruling import Entry

if TYPE_CHECKING:
    from fhir_server.workflows.services import Services

Action = Callable[[Entry, Context, "Services"], Awaitable[None]]
"""Carries out an entry: `context` acts for the server itself, with all rules; `Services` reach the outside.

What it commits through `context` is stored together with the note that the entry is done; one that commits
nothing is noted as done when it returns. It commits once at most; what it has to store before, and without
being done, it commits through `rulebook.unfinished`. If it raises, it is tried again later.
"""


PARKED = "W20.parked"
"""The action that tells operators of an entry that failed too often."""


class NotYet(Exception):
    """Raised by an action that finds it is too early: the entry is due at `until`, and nothing has failed."""

    def __init__(self, until: datetime) -> None:
        """Be due again at `until` (aware, UTC)."""
        super().__init__()
        self.until = until
