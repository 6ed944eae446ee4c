"""What the operator changes by a command, put on record with who it was."""

import os
import pwd
from datetime import UTC, datetime

from fhir_server.audit.recorder import as_write
from fhir_server.audit.security_events import actor_of_event, security_event
from fhir_server.identifiers import new_id
from fhir_server.logs import configure_logs
from fhir_server.processes.announcement import local_base_url
from fhir_server.settings import Settings
from fhir_server.smart.events import EventKind, SecurityEvent, record_in_log
from fhir_server.store import Store


async def record_command(
    store: Store,
    settings: Settings,
    kind: EventKind,
    *,
    account_id: str | None = None,
    client_id: str | None = None,
) -> None:
    """Record a change that the account of the operating system made which runs the command.

    Raises StoreUnavailable if the database does not take it.
    """
    configure_logs(settings)
    detail = f"By the operating system's account {_operator()}"
    event = SecurityEvent(kind, True, datetime.now(UTC), account_id, client_id, detail=detail)
    await record_in_log(event)
    if store.audit_log is None:
        return
    account = None if account_id is None else await store.accounts.get(account_id)
    base_url = settings.base_url or local_base_url(settings, settings.port)
    told = security_event(event, actor_of_event(event, account, base_url))
    await store.audit_log.append([as_write(told, new_id())])
    await store.audit_log.seal()


def _operator() -> str:
    # Not the environment's LOGNAME, which anybody can set; a container's user may have no name at all.
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
