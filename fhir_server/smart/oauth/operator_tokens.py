"""Access tokens that the operator of the server makes at the database, without the token endpoint.

Whoever reaches the database may do everything with it already; a token lets them do so over the REST
interface, for a while, and by what it may do at most. docs/decisions/0025-secure-by-default.md
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from fhir_server.identifiers import new_id
from fhir_server.smart.oauth.secrets import hashed, new_secret
from fhir_server.store.accounts import Account
from fhir_server.store.oauth import AccessToken, Grant, GrantStore, LaunchContext

OPERATOR = "fhir-server"
"""What stands for the application in these tokens; ids of registered ones look otherwise."""

EVERYTHING = "system/*.cruds"
_AS_A_PERSON = "user/*.cruds"


@dataclass(frozen=True, slots=True)
class OperatorToken:
    """A token, and the grant to take back when it is needed no more."""

    token: str
    grant_id: str


async def issue_token(
    grants: GrantStore, scope: str, lifetime: timedelta, now: datetime, account: Account | None = None
) -> OperatorToken:
    """Return a token for `scope`, or for all that `account` may do, which ends after `lifetime` by itself."""
    expires = now + lifetime
    scopes = tuple(scope.split()) if account is None else (_AS_A_PERSON,)
    token = new_secret()
    grant = Grant(
        id=new_id(),
        client_id=OPERATOR,
        account_id=None if account is None else account.id,
        fhir_user=None if account is None else account.fhir_user,
        scopes=scopes,
        context=LaunchContext(),
        issued=now,
        expires=expires,
    )
    access = AccessToken(
        id=hashed(token),
        token_id=new_id(),
        grant_id=grant.id,
        client_id=grant.client_id,
        account_id=grant.account_id,
        fhir_user=grant.fhir_user,
        scopes=scopes,
        patient=None,
        encounter=None,
        issued=now,
        expires=expires,
    )
    await grants.add(grant)
    await grants.issue(access, None, expires)
    return OperatorToken(token, grant.id)
