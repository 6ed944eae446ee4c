"""What happens around signing in that an auditor wants to know.

https://profiles.ihe.net/ITI/BALP/
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import structlog

EventKind = Literal[
    "sign-in", "sign-out", "second-factor", "password-change", "password-reset", "lockout", "account-change"
]


@dataclass(frozen=True, slots=True)
class SecurityEvent:
    """One such event: what, whether it went well, of which account, from where, and when.

    `account_id` is None where nobody is known by the name that was given.
    """

    kind: EventKind
    is_success: bool
    moment: datetime
    account_id: str | None = None
    client_id: str | None = None
    address: str = ""


Record = Callable[[SecurityEvent], Awaitable[None]]
"""Takes an event and keeps it."""


async def record_in_log(event: SecurityEvent) -> None:
    """Write an event to the log; it names nobody but by the number of the account."""
    structlog.get_logger("fhir_server.security").info(
        "security event",
        kind=event.kind,
        success=event.is_success,
        account=event.account_id,
        client=event.client_id,
        address=event.address,
    )
