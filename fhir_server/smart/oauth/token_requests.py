"""The grants of the token endpoint: a code, a refresh token, or a backend service's own right.

https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-access-token
https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html#obtain-access-token
"""

import hmac
import re
from collections.abc import Mapping
from datetime import timedelta

from fhir_server.smart.oauth.client_requests import ClientRequest
from fhir_server.smart.oauth.errors import OAuthError, invalid_grant, invalid_request
from fhir_server.smart.oauth.scopes import narrow, parse_scope
from fhir_server.smart.oauth.secrets import challenge_of, hashed
from fhir_server.smart.oauth.tokens import Issued, issue, renew
from fhir_server.store.oauth import AuthorizationCode, Client, Grant, LaunchContext

# https://www.rfc-editor.org/rfc/rfc7636#section-4.1
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_SERVICE_GRANT_LASTS = timedelta(hours=1)


async def tokens_for(asked: ClientRequest) -> Issued:
    """Return the tokens that an application asks for; raise OAuthError if it gets none."""
    form, client = asked.form, asked.client
    grant_type = form.get("grant_type", "")
    if grant_type not in ("authorization_code", "refresh_token", "client_credentials"):
        raise OAuthError("unsupported_grant_type", "This grant_type is not supported")
    # Who may have codes may have what comes of them: whether there is a refresh token the scopes decide.
    needed = "authorization_code" if grant_type == "refresh_token" else grant_type
    if needed not in client.grant_types:
        raise OAuthError("unauthorized_client", "The application is not registered for this grant_type")
    if grant_type == "authorization_code":
        return await _by_code(asked)
    if grant_type == "refresh_token":
        return await renew(asked, form.get("refresh_token", ""), form.get("scope", "").split())
    return await _by_itself(asked)


async def _by_code(asked: ClientRequest) -> Issued:
    """Exchange a code, once.

    A code that comes a second time was stolen by one of the two who sent it: all that came of it is taken
    back (https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2). So it is of a code with a wrong verifier.
    """
    server = asked.server
    code = await server.oauth.authorizations.use_code(hashed(asked.form.get("code", "")))
    if code is None:
        raise invalid_grant("The code is unknown")
    now = server.now()
    grant = await server.oauth.grants.get(code.grant_id, now)
    if code.is_used or not _fits(code, asked.client, asked.form):
        await server.oauth.grants.revoke(code.grant_id)
        detail = "The code was used before" if code.is_used else "The code is another request's"
        await asked.tell("code-replay", grant, is_success=False, detail=detail)
        raise invalid_grant("The code was used before, or is not for this request")
    person = grant and grant.account_id and await server.accounts.person(grant.account_id)
    if grant is None or not person or code.good_until <= now:
        raise invalid_grant("The code is good no more")
    return await issue(server, grant, grant.scopes)


def _fits(code: AuthorizationCode, client: Client, form: Mapping[str, str]) -> bool:
    """Tell whether a code comes from whom it was given to, with the secret that only they have."""
    verifier = form.get("code_verifier", "")
    return (
        code.client_id == client.id
        and code.redirect_uri == form.get("redirect_uri")
        and _VERIFIER.fullmatch(verifier) is not None
        and hmac.compare_digest(challenge_of(verifier), code.code_challenge)
    )


async def _by_itself(asked: ClientRequest) -> Issued:
    """Give a backend service what it is registered for of what it asks, `system/` scopes only."""
    server, client = asked.server, asked.client
    if "scope" not in asked.form:
        raise invalid_request("A backend service says which scopes it needs")
    wanted = asked.form["scope"].split()
    parsed = [parse_scope(text) for text in wanted]
    if not all(scope is not None and scope.context == "system" for scope in parsed):
        raise OAuthError("invalid_scope", "A backend service asks for well-formed system scopes only")
    scopes = narrow(wanted, client.scopes)
    if not scopes:
        raise OAuthError("invalid_scope", "The application is registered for none of these scopes")
    now = server.now()
    grant = Grant(
        id=server.new_id(),
        client_id=client.id,
        account_id=None,
        fhir_user=None,
        scopes=scopes,
        context=LaunchContext(),
        issued=now,
        expires=now + _SERVICE_GRANT_LASTS,
    )
    await server.oauth.grants.add(grant)
    return await issue(server, grant, scopes)
