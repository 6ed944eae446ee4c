"""The account of a person whose record goes into another one: it is the other record's from then on.

What its applications were allowed ends, as they would go on to show a record that is no more.
"""

from fhir_server.context import Context


async def accounts_of(patient: str, context: Context) -> list[str]:
    """Return the ids of the accounts of a patient."""
    return [account.id for account in await context.store.accounts.of_patient(patient)]


async def hand_over(accounts: list[str], source: str, target: str, context: Context) -> None:
    """Let accounts of one patient be those of another."""
    for account_id in accounts:
        await _give(account_id, source, target, context)


async def _give(account_id: str, source: str, target: str, context: Context) -> None:
    store = context.store.accounts
    account = await store.get(account_id)
    if account is None:
        return
    person = f"Patient/{target}" if account.fhir_user == f"Patient/{source}" else account.fhir_user
    patients = tuple(dict.fromkeys(target if one == source else one for one in account.patients))
    await store.change(account_id, fhir_user=person, patients=list(patients))
    await store.end_sessions(account_id)
