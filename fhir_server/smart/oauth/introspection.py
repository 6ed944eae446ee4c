"""What a token means, told to who may ask: registered services that check tokens, and administrators.

https://hl7.org/fhir/smart-app-launch/STU2.2/token-introspection.html
"""

from typing import Any

from fhir_server.smart.oauth.addresses import Addresses
from fhir_server.smart.oauth.errors import OAuthError
from fhir_server.smart.oauth.principals import principal_of
from fhir_server.smart.oauth.secrets import hashed
from fhir_server.smart.oauth.server import AuthorizationServer
from fhir_server.smart.oauth.token_responses import launch_parameters
from fhir_server.store.oauth import Client

_ADMINISTRATOR = "AD"


def check_may_introspect(client: Client) -> None:
    """Raise OAuthError unless an administrator registered the application, and it can prove who it is."""
    if not _may_introspect(client):
        raise OAuthError("access_denied", "This application may not look at tokens", 403)


async def is_token_to_introspect(server: AuthorizationServer, token: str) -> bool:
    """Tell whether an access token is an administrator's, or of an application that may look at tokens.

    https://hl7.org/fhir/smart-app-launch/STU2.2/token-introspection.html#authorization-to-perform-token-introspection
    """
    principal = await principal_of(server.store, server.accounts, token, server.now())
    if principal is None:
        return False
    client = await server.oauth.clients.get(principal.client_id)
    return _ADMINISTRATOR in principal.roles or (client is not None and _may_introspect(client))


def _may_introspect(client: Client) -> bool:
    return client.is_confidential and not client.is_dynamic


async def introspect(server: AuthorizationServer, token: str, addresses: Addresses) -> dict[str, Any]:
    """Return what an access token says; only that it is not active for any other text."""
    now = server.now()
    principal = await principal_of(server.store, server.accounts, token, now)
    found = await server.oauth.grants.access_token(hashed(token), now)
    grant = None if found is None else await server.oauth.grants.get(found.grant_id, now)
    if principal is None or found is None or grant is None:
        return {"active": False}
    answer: dict[str, Any] = {
        "active": True,
        "scope": " ".join(found.scopes),
        "client_id": found.client_id,
        "token_type": "Bearer",
        "exp": int(found.expires.timestamp()),
        "iat": int(found.issued.timestamp()),
        "iss": addresses.issuer,
        "aud": addresses.fhir,
    }
    if found.account_id is None:
        return answer
    answer |= {"sub": found.account_id} | launch_parameters(grant, addresses)
    if "fhirUser" in found.scopes and found.fhir_user is not None:
        answer["fhirUser"] = f"{addresses.fhir}/{found.fhir_user}"
    return answer
