"""What the operator changes by a command, put on record with who it was."""

import os
import pwd
from datetime import UTC, datetime

from fhir_server.logs import configure_logs
from fhir_server.settings import Settings
from fhir_server.smart.events import EventKind, SecurityEvent, record_in_log


async def record_command(
    settings: Settings, kind: EventKind, *, account_id: str | None = None, client_id: str | None = None
) -> None:
    """Record a change that the account of the operating system made which runs the command."""
    configure_logs(settings)
    detail = f"By the operating system's account {_operator()}"
    await record_in_log(SecurityEvent(kind, True, datetime.now(UTC), account_id, client_id, detail=detail))


def _operator() -> str:
    # Not the environment's LOGNAME, which anybody can set; a container's user may have no name at all.
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
