"""The endpoints that applications talk to, each a few lines around what it stands for."""

import json
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from fhir_server.smart.oauth.answers import unkept
from fhir_server.smart.oauth.client_authentication import authenticated_client
from fhir_server.smart.oauth.errors import OAuthError, invalid_client, invalid_request
from fhir_server.smart.oauth.forms import body_of, form_pairs, once_each
from fhir_server.smart.oauth.introspection import check_may_introspect, introspect, is_administrator
from fhir_server.smart.oauth.registration import metadata_of, register
from fhir_server.smart.oauth.server import AuthorizationServer
from fhir_server.smart.oauth.token_requests import tokens_for
from fhir_server.smart.oauth.token_responses import token_response
from fhir_server.smart.oauth.tokens import revoke
from fhir_server.store.oauth import Client

_CREATED = 201
_BEARER = "bearer "


async def token(server: AuthorizationServer, request: Request) -> Response:
    """Give tokens (https://www.rfc-editor.org/rfc/rfc6749#section-3.2)."""
    form = once_each(await form_pairs(request))
    client = await client_of(server, request, form)
    issued = await tokens_for(server, client, form)
    return unkept(await token_response(server, client, issued, server.addresses(request)))


async def introspection(server: AuthorizationServer, request: Request) -> Response:
    """Tell what a token means (https://www.rfc-editor.org/rfc/rfc7662#section-2)."""
    form = once_each(await form_pairs(request))
    header = request.headers.get("authorization", "")
    if header.lower().startswith(_BEARER):
        if not await is_administrator(server, header[len(_BEARER) :]):
            raise invalid_client("This takes an administrator's token, or an application's proof")
    else:
        check_may_introspect(await client_of(server, request, form))
    if "token" not in form:
        raise invalid_request("There is no token in the form")
    return unkept(await introspect(server, form["token"], server.addresses(request)))


async def revocation(server: AuthorizationServer, request: Request) -> Response:
    """Take back a token (https://www.rfc-editor.org/rfc/rfc7009#section-2)."""
    form = once_each(await form_pairs(request))
    client = await client_of(server, request, form)
    if "token" not in form:
        raise invalid_request("There is no token in the form")
    await revoke(server, client, form["token"])
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
    return unkept(metadata_of(registered), _CREATED)


async def client_of(server: AuthorizationServer, request: Request, form: Mapping[str, str]) -> Client:
    """Return the application that sends a form, proved as it registered to; raise OAuthError otherwise."""
    return await authenticated_client(
        request.headers.get("authorization"),
        form,
        audience=server.addresses(request).token,
        store=server.oauth,
        key_sets=server.key_sets,
        now=server.now(),
    )
