"""The accounts of a person whose record goes into another one, and of those who act for them.

They are for the other record from then on. What applications were allowed ends, as they would go on to show
a record that is no more. The journal of the merge says which they are, so that it can be carried on with
after a crash, and undone.
"""

from collections.abc import Mapping
from typing import Any

from fhir_server.context import Context
from fhir_server.workflows.merging.journal import UNMERGE, given, is_journal

Resource = Mapping[str, Any]

_ACCOUNT = "account"
_OF_TARGET = "account-of-target"
"""In the journal: an account of who the target is, who acted for the source."""
_FOR_BOTH = "account-for-both"
"""In the journal: an account of somebody who acted for the target as well."""
_FOR_TARGET = "account-for-target"
"""In the journal: an account of who the source is, who acted for the target."""


async def accounts_of(source: str, target: str, context: Context) -> list[tuple[str, str]]:
    """Return what the journal has to say of the accounts of a patient who goes into another one."""
    found = []
    for account in await context.store.accounts.of_patient(source):
        found.append((_ACCOUNT, account.id))
        if account.fhir_user == f"Patient/{target}":
            found.append((_OF_TARGET, account.id))
        if target in account.patients:
            found.append((_FOR_BOTH if source in account.patients else _FOR_TARGET, account.id))
    return found


def accounts_in(journal: Resource | None) -> list[tuple[str, str]]:
    """Return what the journal of a merge says of accounts, for that of its undoing."""
    names = (_ACCOUNT, _OF_TARGET, _FOR_BOTH, _FOR_TARGET)
    return [(name, one) for name in names for one in given(journal or {}, name)]


async def hand_over(journal: Resource, context: Context) -> None:
    """Let the accounts of a merge be for its target, those of its undoing for whom they were before.

    Where that is so already nothing is done.
    """
    for account_id in given(journal, _ACCOUNT):
        await _give(account_id, journal, context)


async def _give(account_id: str, journal: Resource, context: Context) -> None:
    store = context.store.accounts
    account = await store.get(account_id)
    if account is None:
        return
    (source,), (target,) = given(journal, "source"), given(journal, "target")
    there, here = (target, [source]) if is_journal(journal, UNMERGE) else (source, [target])
    keeps_person = account_id in given(journal, _OF_TARGET)
    acts_for = [*here, target] if account_id in given(journal, _FOR_BOTH) else here
    acts_for = [there] if account_id in given(journal, _FOR_TARGET) else acts_for
    person = account.fhir_user
    if person == f"Patient/{there}" and not keeps_person:
        person = f"Patient/{here[0]}"
    patients: dict[str, None] = {}
    for one in account.patients:
        patients |= dict.fromkeys(acts_for if one == there else [one])
    if person == account.fhir_user and tuple(patients) == account.patients:
        return
    # Before as well: if it ends here, what was allowed has ended all the same.
    await store.end_sessions(account_id)
    await store.change(account_id, fhir_user=person, patients=list(patients))
    await store.end_sessions(account_id)
