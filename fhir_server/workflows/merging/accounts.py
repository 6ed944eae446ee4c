"""The account of a person whose record goes into another one: it is the other record's from then on.

What its applications were allowed ends, as they would go on to show a record that is no more.
"""

from fhir_server.context import Context


async def hand_over(source: str, target: str, context: Context) -> list[str]:
    """Let the accounts of one patient be those of another; return which they are."""
    store = context.store.accounts
    found = []
    for account in await store.of_patient(source):
        await _give(account.id, source, target, context)
        found.append(account.id)
    return found


async def hand_back(accounts: list[str], source: str, target: str, context: Context) -> None:
    """Let accounts that were handed over be those of the patient before."""
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
