"""What the token endpoint answers: the tokens, what was granted, and what the application is opened for.

https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#response-5
"""

import json
from typing import Any

from fhir_server.smart.oauth.addresses import Addresses
from fhir_server.smart.oauth.server import AuthorizationServer
from fhir_server.smart.oauth.tokens import Issued
from fhir_server.store.oauth import Client, Grant


async def token_response(
    server: AuthorizationServer, client: Client, issued: Issued, addresses: Addresses
) -> dict[str, Any]:
    """Return the answer as JSON; there is an id_token if `openid` was granted."""
    answer: dict[str, Any] = {
        "access_token": issued.access,
        "token_type": "Bearer",
        "expires_in": issued.seconds,
        "scope": " ".join(issued.scopes),
    }
    if issued.refresh is not None:
        answer["refresh_token"] = issued.refresh
    if issued.grant.account_id is not None:
        answer |= launch_parameters(issued.grant, addresses)
    if "openid" in issued.scopes and issued.grant.account_id is not None:
        answer["id_token"] = await _id_token(server, client, issued, addresses)
    return answer


def launch_parameters(grant: Grant, addresses: Addresses) -> dict[str, Any]:
    """Return what the application is opened for, without what is not known.

    https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#launch-context-arrives-with-your-access_token
    """
    context = grant.context
    known = {
        "patient": context.patient,
        "encounter": context.encounter,
        "fhirContext": context.fhir_context and json.loads(context.fhir_context),
        "need_patient_banner": context.need_patient_banner if context.patient else None,
        "intent": context.intent,
        "smart_style_url": addresses.of("smart-style.json"),
    }
    return {name: value for name, value in known.items() if value is not None}


async def _id_token(server: AuthorizationServer, client: Client, issued: Issued, addresses: Addresses) -> str:
    """Return who the person is, signed (https://openid.net/specs/openid-connect-core-1_0.html#IDToken)."""
    grant, now = issued.grant, int(server.now().timestamp())
    claims: dict[str, Any] = {
        "iss": addresses.issuer,
        "sub": grant.account_id,
        "aud": client.id,
        "iat": now,
        "exp": now + server.settings.access_token_seconds,
    }
    if grant.nonce is not None:
        claims["nonce"] = grant.nonce
    if "fhirUser" in issued.scopes and grant.fhir_user is not None:
        claims["fhirUser"] = f"{addresses.fhir}/{grant.fhir_user}"
    return await server.signing_keys.sign(claims, client.signing_algorithm)
