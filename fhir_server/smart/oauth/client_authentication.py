"""Which application makes a request to the token endpoint or one beside it, and its proof.

https://www.rfc-editor.org/rfc/rfc6749#section-2.3
"""

import base64
import binascii
import hmac
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import unquote_plus

from fhir_server.smart.oauth.assertions import ASSERTION_TYPE, check_assertion, claimed_client_id
from fhir_server.smart.oauth.errors import OAuthError, invalid_client, invalid_grant, invalid_request
from fhir_server.smart.oauth.key_sets import KeySets
from fhir_server.smart.oauth.registration import SECRET_METHODS
from fhir_server.smart.oauth.secrets import hashed
from fhir_server.store.oauth import Client, OAuthStore

_UNKNOWN = "The application is unknown, or did not prove who it is as it registered to"


async def authenticated_client(
    authorization: str | None,
    form: Mapping[str, str],
    *,
    audience: str,
    store: OAuthStore,
    key_sets: KeySets,
    now: datetime,
) -> Client:
    """Return the application that sent `form` with the header `authorization`.

    A public one just names itself, or is the one whose refresh token it sends: SMART has no `client_id` in
    that request (https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#request-6). An application must
    prove itself in the way that it registered, and in no other, lest a stolen name be enough. Raises
    OAuthError `invalid_client`, `invalid_request` for a request that proves itself in two ways, or
    `invalid_grant` for an unknown refresh token of somebody who says no name.
    """
    ways = [authorization is not None, "client_secret" in form, "client_assertion" in form]
    if sum(ways) > 1:
        raise invalid_request("A request has one proof of the application")
    if "client_assertion" in form:
        return await _by_assertion(form, audience, store, key_sets, now)
    if authorization is not None:
        client_id, secret = _basic(authorization)
        if form.get("client_id", client_id) != client_id:
            raise invalid_request("The form names another application than the header")
    else:
        client_id, secret = form.get("client_id") or await _owner(form, store), form.get("client_secret")
    client = await store.clients.get(client_id)
    if client is None or not _proves(client, secret):
        raise invalid_client(_UNKNOWN)
    return client


def claimed_client(authorization: str | None, form: Mapping[str, str]) -> str:
    """Return the client_id that a request claims, which nothing proves; "" if it claims none."""
    if "client_id" in form:
        return form["client_id"]
    if "client_assertion" in form:
        return claimed_client_id(form["client_assertion"]) or ""
    try:
        return "" if authorization is None else _basic(authorization)[0]
    except OAuthError:
        return ""


async def _owner(form: Mapping[str, str], store: OAuthStore) -> str:
    """Return which application the refresh token of a form was given to; "" where there is none in it."""
    if form.get("grant_type") != "refresh_token":
        return ""
    token = await store.grants.refresh_token(hashed(form.get("refresh_token", "")))
    if token is None:
        raise invalid_grant("The refresh token is unknown")
    return token.client_id


def _proves(client: Client, secret: str | None) -> bool:
    if client.method in SECRET_METHODS:
        known = client.secret_hash or ""
        return secret is not None and hmac.compare_digest(hashed(secret), known)
    return client.method == "none" and secret is None


async def _by_assertion(
    form: Mapping[str, str], audience: str, store: OAuthStore, key_sets: KeySets, now: datetime
) -> Client:
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise invalid_request(f"client_assertion_type is {ASSERTION_TYPE}")
    assertion = form["client_assertion"]
    client_id = claimed_client_id(assertion)
    if client_id is None or form.get("client_id", client_id) != client_id:
        raise invalid_client("The assertion is malformed, or names another application")
    client = await store.clients.get(client_id)
    if client is None or client.method != "private_key_jwt":
        raise invalid_client(_UNKNOWN)
    await check_assertion(
        assertion, client, audience=audience, key_sets=key_sets, seen=store.authorizations, now=now
    )
    return client


def _basic(authorization: str) -> tuple[str, str | None]:
    scheme, _, encoded = authorization.partition(" ")
    try:
        if scheme.lower() != "basic":
            raise invalid_client("Applications prove themselves by Basic, or in the form")
        client_id, colon, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise invalid_client("The Authorization header is malformed") from None
    if not colon:
        raise invalid_client("The Authorization header is malformed")
    return unquote_plus(client_id), unquote_plus(secret)
