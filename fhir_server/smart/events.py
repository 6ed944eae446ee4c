"""What happens around signing in, and around what applications are granted, that an auditor wants to know.

https://profiles.ihe.net/ITI/BALP/
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import structlog
from starlette.requests import Request

EventKind = Literal[
    # of accounts
    "sign-in",
    "sign-out",
    "second-factor",
    "password-change",
    "password-reset",
    "lockout",
    "account-change",
    # of applications: opened from the own page or by an EHR outside, a person's answer, tokens from a code or
    # for a service, tokens from a refresh token
    "launch",
    "authorization",
    "token",
    "refresh",
    "code-replay",
    "refresh-token-reuse",
    "client-authentication",
    "token-revocation",
    "grant-revocation",
    # of their registrations
    "client-registration",
    "client-change",
    "client-removal",
    # of records
    "emergency-access",
    # of what operators do
    "backup",
    "restore",
    "retention",
    "agenda-retry",
    # of HL7 v2 messages: somebody read the text of one, had one tried again, or put one away
    "hl7v2-show",
    "hl7v2-change",
]


@dataclass(frozen=True, slots=True)
class SecurityEvent:
    """One such event: what, whether it went well, of which account and application, from where, and when.

    `account_id` is None where nobody is known by the name that was given, and where no person takes part;
    `client_id` is the one that was claimed if the application did not prove it. `patient` is the id of the
    patient whom a grant is about. `detail` is a sentence without personal data but the name of an operator.
    """

    kind: EventKind
    is_success: bool
    moment: datetime
    account_id: str | None = None
    client_id: str | None = None
    address: str = ""
    patient: str | None = None
    detail: str = ""


Record = Callable[[SecurityEvent], Awaitable[None]]
"""Takes an event and keeps it."""


def address_of(request: Request) -> str:
    """Return the network address that a request comes from."""
    return request.client.host if request.client else ""


async def record_in_log(event: SecurityEvent) -> None:
    """Write an event to the log; it names nobody but by the number of the account, and no patient at all."""
    structlog.get_logger("fhir_server.security").info(
        "security event",
        kind=event.kind,
        success=event.is_success,
        account=event.account_id,
        client=event.client_id,
        address=event.address,
        detail=event.detail,
    )
