"""What an application asks for at the authorization endpoint, checked.

https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#request-4
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from fhir_server.smart.oauth.addresses import Addresses
from fhir_server.smart.oauth.errors import OAuthError, UnknownRedirect, invalid_request
from fhir_server.smart.oauth.scopes import CONTEXT_SCOPES, narrow, parse_scope
from fhir_server.smart.oauth.secrets import hashed
from fhir_server.smart.oauth.server import AuthorizationServer
from fhir_server.store.oauth import Authorization, Client, Launch, LaunchContext

ANSWER_WITHIN = timedelta(minutes=15)

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
# The specification asks applications for 122 bits. The npm package fhirclient sends 16 letters and digits,
# which are 95 bits; as the code challenge protects the exchange too, that is let in.
_SHORTEST_STATE = 16
_LONGEST_STATE = 2000
_LONGEST_NONCE = 500
# "If an EHR receives a request for an unsupported role, it SHOULD return any launch context supported for the
# supplied resource type", and none but that of the launch is supported:
# https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#scopes-for-requesting-context-data
_ROLE = re.compile(r"(launch/(?:patient|encounter))\?role=.+")


@dataclass(frozen=True, slots=True)
class ReturnAddress:
    """Where the answer goes, both sides of which were registered together."""

    client: Client
    redirect_uri: str


async def return_address(server: AuthorizationServer, parameters: Mapping[str, str]) -> ReturnAddress:
    """Return where errors and codes may be sent; raise UnknownRedirect if that is not beyond doubt."""
    client = await server.oauth.clients.get(parameters.get("client_id", ""))
    redirect_uri = parameters.get("redirect_uri", "")
    if client is None or redirect_uri not in client.redirect_uris:
        raise UnknownRedirect
    return ReturnAddress(client, redirect_uri)


async def requested(
    server: AuthorizationServer,
    parameters: Mapping[str, str],
    to: ReturnAddress,
    addresses: Addresses,
    handle: str,
) -> Authorization:
    """Return the request as it is put to a person, with the launch that it belongs to, under `handle`.

    Raises OAuthError for what the application is to be told.
    """
    _check_form(parameters, to.client, addresses)
    now = server.now()
    scopes = _requested_scopes(parameters, to.client)
    launch = await _launch(server, parameters, to.client, scopes)
    return Authorization(
        id=hashed(handle),
        client_id=to.client.id,
        redirect_uri=to.redirect_uri,
        state=parameters["state"],
        code_challenge=parameters["code_challenge"],
        scopes=scopes,
        context=LaunchContext() if launch is None else launch.context,
        expires=now + ANSWER_WITHIN,
        nonce=parameters.get("nonce"),
        launch_account=None if launch is None else launch.account_id,
    )


def _check_form(parameters: Mapping[str, str], client: Client, addresses: Addresses) -> None:
    if parameters.get("response_type") != "code":
        raise OAuthError("unsupported_response_type", "The response_type is code")
    if "authorization_code" not in client.grant_types:
        raise OAuthError("unauthorized_client", "This application is not registered for authorization_code")
    if "request" in parameters or "request_uri" in parameters:
        raise OAuthError("request_not_supported", "Parameters are sent as they are")
    if not _SHORTEST_STATE <= len(parameters.get("state", "")) <= _LONGEST_STATE:
        raise invalid_request(
            f"A state that cannot be guessed is needed: {_SHORTEST_STATE} characters at least"
        )
    if parameters.get("code_challenge_method") != "S256":
        raise invalid_request("PKCE is needed, with code_challenge_method S256")
    if _CHALLENGE.fullmatch(parameters.get("code_challenge", "")) is None:
        raise invalid_request("The code_challenge is a SHA-256 in base64url: 43 characters")
    if parameters.get("aud", "").removesuffix("/") != addresses.fhir:
        raise invalid_request("The aud is the address of this FHIR server")
    if len(parameters.get("nonce", "")) > _LONGEST_NONCE:
        raise invalid_request("The nonce is too long")
    if parameters.get("prompt") == "none":
        raise OAuthError("interaction_required", "Every authorization is confirmed by a person")


def _requested_scopes(parameters: Mapping[str, str], client: Client) -> tuple[str, ...]:
    """Return what the application may ask a person for; there are no system scopes with a person."""
    asked = [_without_role(scope) for scope in parameters.get("scope", "").split()]
    scopes = narrow(asked, client.scopes)
    parsed = {text: parse_scope(text) for text in scopes}
    scopes = tuple(text for text, scope in parsed.items() if scope is None or scope.context != "system")
    if not set(scopes) - set(CONTEXT_SCOPES):
        raise OAuthError("invalid_scope", "Nothing of the scope is registered for this application")
    return scopes


def _without_role(scope: str) -> str:
    found = _ROLE.fullmatch(scope)
    return scope if found is None else found[1]


async def _launch(
    server: AuthorizationServer, parameters: Mapping[str, str], client: Client, scopes: tuple[str, ...]
) -> Launch | None:
    handle = parameters.get("launch")
    if handle is None:
        return None
    if "launch" not in scopes:
        raise invalid_request("A launch parameter comes with the scope launch")
    launch = await server.oauth.authorizations.take_launch(hashed(handle), client.id, server.now())
    if launch is None:
        raise invalid_request("The launch has expired, was used before, or is another application's")
    return launch


def needs_patient(scopes: tuple[str, ...]) -> bool:
    """Tell whether the application is to know which patient the scopes are about."""
    parsed = (parse_scope(text) for text in scopes)
    return "launch/patient" in scopes or any(scope and scope.context == "patient" for scope in parsed)


def asks_for_patient(authorization: Authorization) -> bool:
    """Tell whether somebody must still say which patient it is about, or of whom an encounter is chosen."""
    if authorization.context.patient is not None:
        return False
    return needs_patient(authorization.scopes) or _wants_encounter(authorization)


def asks_for_encounter(authorization: Authorization) -> bool:
    """Tell whether somebody must still say which encounter of the patient it is about."""
    context = authorization.context
    is_open = context.encounter is None and not authorization.is_encounter_settled
    return is_open and context.patient is not None and _wants_encounter(authorization)


def _wants_encounter(authorization: Authorization) -> bool:
    # Who opens an application from within the EHR has said there whether it is about an encounter.
    return "launch/encounter" in authorization.scopes and authorization.launch_account is None
