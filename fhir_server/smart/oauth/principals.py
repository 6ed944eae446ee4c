"""From an access token to who makes a request: asked anew for each, so that revoking takes effect now."""

from dataclasses import replace
from datetime import datetime

from fhir_server.smart.oauth.accounts import Accounts
from fhir_server.smart.oauth.secrets import hashed
from fhir_server.smart.principal import Principal
from fhir_server.store import Store


async def principal_of(store: Store, accounts: Accounts, token: str, now: datetime) -> Principal | None:
    """Return the caller that `token` stands for; None if it is unknown, expired or revoked.

    None as well if the person's account is not active any more. The roles are those that the person has now.
    """
    found = await store.oauth.grants.access_token(hashed(token), now)
    if found is None:
        return None
    caller = Principal(
        client_id=found.client_id,
        scopes=found.scopes,
        account_id=found.account_id,
        fhir_user=found.fhir_user,
        patient=found.patient,
        encounter=found.encounter,
        token_id=found.token_id,
    )
    if found.account_id is None:
        return caller
    person = await accounts.person(found.account_id)
    return (
        None
        if person is None
        else replace(caller, roles=person.roles, fhir_user=person.fhir_user, patients=person.patients)
    )
