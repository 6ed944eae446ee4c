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
    version = await context.store.read(*entry.subject.split("/"))
    if version is not None and version.resource is not None and version.resource.get("active") is not False:
        return
    for account in await context.store.accounts.of_person(entry.subject):
        with contextlib.suppress(LastAdministrator):
            await context.store.accounts.change(account.id, is_active=False)
            await context.store.accounts.end_sessions(account.id)


PATTERN = Pattern(
    id="W18",
    title="User administration",
    rules=RULES,
    watches=(deleting.WATCH,),
    actions={deleting.CLOSE: close_account},
    operations=(ACCOUNT, ACCOUNTS, ACTIVATE, CREATE_ACCOUNT, DEACTIVATE, SET_ROLES),
)
