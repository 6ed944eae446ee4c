"""The endpoints that applications talk to, each a few lines around what it stands for."""

import json

from starlette.requests import Request
from starlette.responses import Response

from fhir_server.smart.events import EventKind
from fhir_server.smart.oauth.answers import unkept
from fhir_server.smart.oauth.client_requests import client_of, client_request
from fhir_server.smart.oauth.errors import OAuthError, invalid_client, invalid_request
from fhir_server.smart.oauth.forms import body_of, form_pairs, once_each
from fhir_server.smart.oauth.introspection import check_may_introspect, introspect, is_token_to_introspect
from fhir_server.smart.oauth.registration import metadata_of, register
from fhir_server.smart.oauth.server import AuthorizationServer
from fhir_server.smart.oauth.token_requests import tokens_for
from fhir_server.smart.oauth.token_responses import token_response
from fhir_server.smart.oauth.tokens import revoke

_CREATED = 201
_BEARER = "bearer "


async def token(server: AuthorizationServer, request: Request) -> Response:
    """Give tokens (https://www.rfc-editor.org/rfc/rfc6749#section-3.2)."""
    asked = await client_request(server, request)
    issued = await tokens_for(asked)
    kind: EventKind = "refresh" if asked.form["grant_type"] == "refresh_token" else "token"
    await asked.tell(kind, issued.grant)
    return unkept(await token_response(server, asked.client, issued, server.addresses(request)))


async def introspection(server: AuthorizationServer, request: Request) -> Response:
    """Tell what a token means (https://www.rfc-editor.org/rfc/rfc7662#section-2)."""
    form = once_each(await form_pairs(request))
    header = request.headers.get("authorization", "")
    if header.lower().startswith(_BEARER):
        if not await is_token_to_introspect(server, header[len(_BEARER) :]):
            raise invalid_client("This takes the token or the proof of who may look at tokens")
    else:
        check_may_introspect(await client_of(server, request, form))
    if "token" not in form:
        raise invalid_request("There is no token in the form")
    return unkept(await introspect(server, form["token"], server.addresses(request)))


async def revocation(server: AuthorizationServer, request: Request) -> Response:
    """Take back a token (https://www.rfc-editor.org/rfc/rfc7009#section-2)."""
    asked = await client_request(server, request)
    if "token" not in asked.form:
        raise invalid_request("There is no token in the form")
    await revoke(asked, asked.form["token"])
    return unkept({})


async def registration(server: AuthorizationServer, request: Request) -> Response:
    """Register the application that asks for it (https://www.rfc-editor.org/rfc/rfc7591#section-3)."""
    try:
        metadata = json.loads(await body_of(request))
    except (ValueError, RecursionError):
        metadata = None
    if not isinstance(metadata, dict):
        raise OAuthError("invalid_client_metadata", "A registration is a JSON object")
    registered = register(metadata, server.rules, is_dynamic=True)
    await server.oauth.clients.add(registered.client)
    await server.tell(request, "client-registration", client_id=registered.client.id)
    return unkept(metadata_of(registered), _CREATED)
