"""The routes of the authorization server, and what they stand on put together."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fhir_server.identifiers import new_id
from fhir_server.secrets_at_rest import keyring
from fhir_server.settings import Settings
from fhir_server.smart.events import Record
from fhir_server.smart.oauth import endpoints
from fhir_server.smart.oauth.accounts import Accounts
from fhir_server.smart.oauth.answers import Work, answer_to_application, answer_to_person, public
from fhir_server.smart.oauth.authorize import CONSENT_PATH, authorize
from fhir_server.smart.oauth.brands import Brands, load_brands
from fhir_server.smart.oauth.consent import consent
from fhir_server.smart.oauth.discovery import STYLE, openid_configuration, smart_configuration
from fhir_server.smart.oauth.grants_page import GRANTS_PATH, grants
from fhir_server.smart.oauth.key_sets import KeySets
from fhir_server.smart.oauth.launch_page import LAUNCH_PATH, launch
from fhir_server.smart.oauth.outside_launches import launching
from fhir_server.smart.oauth.secrets import new_secret
from fhir_server.smart.oauth.server import AuthorizationServer, SeenBy
from fhir_server.smart.oauth.signing_keys import SigningKeys
from fhir_server.store import Store

_FHIR_JSON = "application/fhir+json"

Document = Callable[[Request], Awaitable[Response]]


def authorization_server(
    store: Store,
    settings: Settings,
    accounts: Accounts,
    seen_by: SeenBy,
    record: Record,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> AuthorizationServer:
    """Return the parts put together; `seen_by` lets the rules of access hold for what pages show.

    What happens is handed to `record`.

    Raises ValueError if there is no key to encrypt signing keys with.
    """
    if settings.encryption_key is None:
        raise ValueError(
            "FHIR_ENCRYPTION_KEY is not set, and signing keys are kept encrypted only; `fhir-server serve` "
            "makes a key by itself"
        )
    signing_keys = SigningKeys(
        store.oauth.signing_keys,
        keyring(settings.encryption_key.get_secret_value()),
        now,
        signs_for=timedelta(days=settings.signing_key_days),
        good_for=timedelta(seconds=settings.access_token_seconds),
    )
    key_sets = KeySets(now, allow_local=settings.local_key_sets == "on")
    return AuthorizationServer(
        store, settings, accounts, key_sets, signing_keys, now, new_id, new_secret, seen_by, record
    )


def oauth_routes(server: AuthorizationServer) -> list[Route]:
    """Return the routes, to stand before that of the FHIR interface, below which one of them is.

    Raises ValueError if the brands that the settings name cannot be published.
    """
    brands = load_brands(server.settings.user_access_brands)
    routes = [
        _for_people(server, "/oauth/authorize", authorize),
        _for_people(server, CONSENT_PATH, consent),
        _for_people(server, LAUNCH_PATH, launch),
        _for_people(server, GRANTS_PATH, grants),
        _for_applications(server, "/oauth/token", endpoints.token),
        _for_applications(server, "/oauth/introspect", endpoints.introspection),
        _for_applications(server, "/oauth/revoke", endpoints.revocation),
        _for_applications(server, "/oauth/launches", launching),
        *_public_routes(server, brands),
    ]
    if server.settings.dynamic_registration == "on":
        routes.append(_for_applications(server, "/oauth/register", endpoints.registration))
    return routes


def _for_people(server: AuthorizationServer, path: str, work: Work) -> Route:
    async def answer(request: Request) -> Response:
        return await answer_to_person(server, request, work)

    return Route(path, answer, methods=["GET", "POST"])


def _for_applications(server: AuthorizationServer, path: str, work: Work) -> Route:
    async def answer(request: Request) -> Response:
        return await answer_to_application(server, request, work)

    return Route(path, answer, methods=["POST"])


def _public_routes(server: AuthorizationServer, brands: Brands | None) -> list[Route]:
    async def smart(request: Request) -> Response:
        return public(smart_configuration(server.addresses(request), server.settings, brands))

    async def openid(request: Request) -> Response:
        return public(openid_configuration(server.addresses(request), server.settings))

    async def jwks(_request: Request) -> Response:
        return public(await server.signing_keys.published())

    async def style(_request: Request) -> Response:
        return public(STYLE)

    documents: dict[str, Document] = {
        "/fhir/.well-known/smart-configuration": smart,
        "/.well-known/openid-configuration": openid,
        "/oauth/jwks": jwks,
        "/oauth/smart-style.json": style,
    }
    if brands is not None:
        documents["/oauth/user-access-brands"] = _brands(brands)
    return [_public_route(server, path, document) for path, document in documents.items()]


def _public_route(server: AuthorizationServer, path: str, document: Document) -> Route:
    async def answer(request: Request) -> Response:
        return await answer_to_application(server, request, lambda _, asked: document(asked))

    return Route(path, answer, methods=["GET"])


def _brands(brands: Brands) -> Document:
    headers = {"access-control-allow-origin": "*", "etag": brands.etag, "cache-control": "max-age=3600"}

    async def answer(request: Request) -> Response:
        if brands.etag in (tag.strip() for tag in request.headers.get("if-none-match", "").split(",")):
            return Response(status_code=304, headers=headers)
        return Response(brands.body, headers=headers, media_type=_FHIR_JSON)

    return answer
