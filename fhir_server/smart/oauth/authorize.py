"""The authorization endpoint: where an application sends the browser of a person.

What is asked for is checked and kept under a handle, and the browser goes on to the page where the person
answers; so nothing that was checked travels through the browser again.
https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-authorization-code
"""

from collections.abc import Mapping
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fhir_server.smart.oauth.addresses import Addresses
from fhir_server.smart.oauth.authorization_requests import requested, return_address
from fhir_server.smart.oauth.errors import OAuthError, UnknownRedirect
from fhir_server.smart.oauth.forms import form_pairs, once_each, query_pairs
from fhir_server.smart.oauth.redirect_uris import with_parameters
from fhir_server.smart.oauth.server import AuthorizationServer

CONSENT_PATH = "/oauth/consent"

_SEE_OTHER = 303
_NO_STORE = {"cache-control": "no-store", "referrer-policy": "no-referrer"}


async def authorize(server: AuthorizationServer, request: Request) -> Response:
    """Answer with the way to the consent page, or to the application with an error.

    A page tells the person what is wrong if it is not certain that the address to return to is the
    application's (https://www.rfc-editor.org/rfc/rfc9700#section-4.11.2).
    """
    try:
        addresses = server.addresses(request)
        pairs = await form_pairs(request) if request.method == "POST" else query_pairs(request)
        parameters = once_each(pairs)
        to = await return_address(server, parameters)
    except (OAuthError, UnknownRedirect):
        return server.accounts.page(request, "oauth/refused.html", status=400)
    handle = server.new_secret()
    try:
        authorization = await requested(server, parameters, to, addresses, handle)
    except OAuthError as failure:
        return error_redirect(to.redirect_uri, parameters.get("state"), failure, addresses)
    await server.oauth.authorizations.add(authorization)
    return see_other(f"{CONSENT_PATH}?{urlencode({'request': handle})}")


def error_redirect(
    redirect_uri: str, state: str | None, failure: OAuthError, addresses: Addresses
) -> Response:
    """Return the way back to the application, with what it is told."""
    parameters = dict(failure.document) | ({} if state is None else {"state": state})
    return answer_redirect(redirect_uri, parameters, addresses)


def answer_redirect(redirect_uri: str, parameters: Mapping[str, str], addresses: Addresses) -> Response:
    """Return the way back, with who answers, so that no other server's answer is taken for ours.

    https://www.rfc-editor.org/rfc/rfc9207
    """
    return see_other(with_parameters(redirect_uri, {**parameters, "iss": addresses.issuer}))


def see_other(address: str) -> Response:
    """Return a redirect that is followed by GET, kept nowhere, and tells the target nothing of our page."""
    return RedirectResponse(address, _SEE_OTHER, headers=_NO_STORE)
