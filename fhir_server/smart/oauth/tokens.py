"""Tokens: made of a grant, looked up, renewed, and taken back.

They are random and say nothing by themselves; what they mean stands in the database under their hash, so that
one that is taken back is good for nothing from that moment on (docs/decisions/0020-authorization-server.md).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NoReturn

from fhir_server.smart.oauth.client_requests import ClientRequest
from fhir_server.smart.oauth.errors import OAuthError, invalid_grant
from fhir_server.smart.oauth.scopes import covers, narrow
from fhir_server.smart.oauth.secrets import hashed
from fhir_server.smart.oauth.server import AuthorizationServer
from fhir_server.store.oauth import AccessToken, Grant, RefreshToken

# "The expires_in value SHOULD NOT exceed 300":
# https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html#issue-access-token
_LONGEST_SECONDS_OF_SERVICES = 300


@dataclass(frozen=True, slots=True)
class Issued:
    """New tokens, which are told to the application and to nobody else; `access` is good for `seconds`."""

    grant: Grant
    scopes: tuple[str, ...]
    access: str
    refresh: str | None
    seconds: int


async def issue(server: AuthorizationServer, grant: Grant, scopes: tuple[str, ...]) -> Issued:
    """Make an access token of a grant, and a refresh token if it allows one.

    `scopes` are those of the access token, the same as the grant's or fewer. Raises OAuthError
    `invalid_grant` if the grant was taken back in this moment.
    """
    now = server.now()
    settings = server.settings
    seconds = settings.access_token_seconds
    if grant.account_id is None:
        seconds = min(seconds, _LONGEST_SECONDS_OF_SERVICES)
    access, refresh = server.new_secret(), None
    expires = now + timedelta(seconds=seconds)
    lasts_until = expires
    kept = None
    if grant.account_id is not None and {"offline_access", "online_access"} & set(grant.scopes):
        refresh = server.new_secret()
        lasts_until = max(expires, now + timedelta(days=settings.refresh_token_days))
        kept = RefreshToken(hashed(refresh), grant.id, grant.client_id, lasts_until)
    if not await server.oauth.grants.issue(
        _access_token(server, grant, scopes, access, expires), kept, lasts_until
    ):
        raise invalid_grant("What was granted was taken back")
    return Issued(grant, scopes, access, refresh, seconds)


def _access_token(
    server: AuthorizationServer, grant: Grant, scopes: tuple[str, ...], access: str, expires: datetime
) -> AccessToken:
    return AccessToken(
        id=hashed(access),
        token_id=server.new_id(),
        grant_id=grant.id,
        client_id=grant.client_id,
        account_id=grant.account_id,
        fhir_user=grant.fhir_user,
        scopes=scopes,
        patient=grant.context.patient,
        encounter=grant.context.encounter,
        issued=server.now(),
        expires=expires,
    )


async def renew(asked: ClientRequest, refresh: str, wanted: Iterable[str]) -> Issued:
    """Make new tokens of a refresh token, which is good only once, and only for the application that got it.

    Of a second use nobody can tell whether it is the thief's or the owner's: all that came of the grant is
    taken back (https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2). `wanted` are the scopes to have, no
    more than were granted, all of them if it is empty. Raises OAuthError.
    """
    server, client = asked.server, asked.client
    grants, now = server.oauth.grants, server.now()
    token = await grants.refresh_token(hashed(refresh))
    if token is None or token.client_id != client.id:
        raise invalid_grant("The refresh token is unknown")
    if token.is_used:
        await _revoke_reused(asked, token)
    grant = await grants.get(token.grant_id, now)
    if grant is None or token.expires <= now or not await _may_go_on(server, grant):
        raise invalid_grant("The refresh token is good no more")
    scopes = tuple(dict.fromkeys(wanted)) or grant.scopes
    if not all(covers(grant.scopes, scope) for scope in scopes):
        raise OAuthError("invalid_scope", "A refresh may ask for what was granted, or for less")
    scopes = narrow(scopes, client.scopes)
    if not scopes:
        raise OAuthError("invalid_scope", "The application is registered for none of this any more")
    if not await grants.use_refresh_token(token.id):
        await _revoke_reused(asked, token)
    return await issue(server, grant, scopes)


async def _revoke_reused(asked: ClientRequest, token: RefreshToken) -> NoReturn:
    grants = asked.server.oauth.grants
    grant = await grants.get(token.grant_id, asked.server.now())
    await grants.revoke(token.grant_id)
    await asked.tell("refresh-token-reuse", grant, is_success=False)
    raise invalid_grant("The refresh token was used before: all that came of it is revoked")


async def _may_go_on(server: AuthorizationServer, grant: Grant) -> bool:
    """Tell whether the person still has an account, and the session if the grant ends with it."""
    if grant.account_id is not None and await server.accounts.person(grant.account_id) is None:
        return False
    return grant.session_id is None or await server.accounts.has_session(grant.session_id)


async def revoke(asked: ClientRequest, token: str) -> None:
    """Take back a token of the application that asks.

    An access token is taken back alone, a refresh token with all that came of the grant. Any other token is
    passed over silently (https://www.rfc-editor.org/rfc/rfc7009#section-2.2).
    """
    grants, token_hash, now = asked.server.oauth.grants, hashed(token), asked.server.now()
    refresh = await grants.refresh_token(token_hash)
    if refresh is not None and refresh.client_id == asked.client.id:
        grant = await grants.get(refresh.grant_id, now)
        await grants.revoke(refresh.grant_id)
        await asked.tell("token-revocation", grant, detail="A refresh token, with all that came of the grant")
    access = await grants.access_token(token_hash, now)
    if access is not None and access.client_id == asked.client.id:
        await grants.delete_access_token(token_hash)
        grant = await grants.get(access.grant_id, now)
        await asked.tell("token-revocation", grant, detail="An access token")
