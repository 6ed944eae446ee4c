"""W18, user administration: who may sign in as what, and the end of that.

docs/accounts.md
"""

import contextlib

from fhir_server.context import Context
from fhir_server.store.accounts import LastAdministrator
from fhir_server.store.ruling import Entry
from fhir_server.workflows.accounts import deleting
from fhir_server.workflows.accounts.operations import (
    ACCOUNT,
    ACCOUNTS,
    ACTIVATE,
    CREATE_ACCOUNT,
    DEACTIVATE,
    SET_ROLES,
)
from fhir_server.workflows.accounts.terms import RULES
from fhir_server.workflows.pattern import Pattern
from fhir_server.workflows.services import Services


async def close_account(entry: Entry, context: Context, _services: Services) -> None:
    """Close the account of somebody whose record is inactive, or gone; not the last administrator's."""
    if await _is_active(entry.subject, context):
        return
    accounts = context.store.accounts
    closed = [one for one in await accounts.of_person(entry.subject) if one.is_active]
    for account in closed:
        with contextlib.suppress(LastAdministrator):
            await accounts.change(account.id, is_active=False)
            await accounts.end_sessions(account.id)
    # Whoever made the record active meanwhile has opened the account, perhaps before it was closed here.
    if await _is_active(entry.subject, context):
        for account in closed:
            await accounts.change(account.id, is_active=True)


async def _is_active(reference: str, context: Context) -> bool:
    version = await context.store.read(*reference.split("/"))
    resource = None if version is None else version.resource
    return resource is not None and resource.get("active") is not False


PATTERN = Pattern(
    id="W18",
    title="User administration",
    rules=RULES,
    watches=(deleting.WATCH,),
    actions={deleting.CLOSE: close_account},
    operations=(ACCOUNT, ACCOUNTS, ACTIVATE, CREATE_ACCOUNT, DEACTIVATE, SET_ROLES),
)
