"""The trusted provider as a part of the server: whom its tokens stand for, and where applications find it.

https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fhir_server.settings import Settings
from fhir_server.smart.access.admission import Authenticate
from fhir_server.smart.oauth.answers import public
from fhir_server.smart.oauth.fetching import Fetching
from fhir_server.smart.openid.keys import ProviderKeys
from fhir_server.smart.openid.principals import principal_of
from fhir_server.smart.openid.provider import Provider, load_provider
from fhir_server.smart.openid.tokens import is_signed
from fhir_server.smart.principal import Principal
from resources.operation_outcome import AuthorizationUnavailable

_CONFIGURATION = "/fhir/.well-known/smart-configuration"
_UNAVAILABLE = 503
# What of the provider's own discovery document SMART applications read.
_TOLD = (
    "issuer",
    "jwks_uri",
    "authorization_endpoint",
    "token_endpoint",
    "introspection_endpoint",
    "revocation_endpoint",
    "registration_endpoint",
    "grant_types_supported",
    "response_types_supported",
    "scopes_supported",
    "token_endpoint_auth_methods_supported",
    "token_endpoint_auth_signing_alg_values_supported",
    "code_challenge_methods_supported",
)
_NEEDED = ("authorization_endpoint", "token_endpoint")


class TrustedProvider:
    """One provider; lives as long as the process."""

    def __init__(
        self, provider: Provider, keys: ProviderKeys, now: Callable[[], datetime], fhir_base: str | None
    ) -> None:
        """Believe what is signed by `keys`."""
        self._provider = provider
        self._keys = keys
        self._now = now
        self._fhir_base = fhir_base

    @property
    def is_alone(self) -> bool:
        """Whether nobody signs in at this server."""
        return self._provider.is_alone

    def beside(self, own: Authenticate | None) -> Authenticate:
        """Return what knows the provider's tokens, and beside them those that `own` knows."""

        async def authenticate(token: str) -> Principal | None:
            if is_signed(token):
                return await principal_of(token, self._provider, self._keys, self._now(), self._fhir_base)
            return None if own is None else await own(token)

        return authenticate

    def routes(self) -> list[Route]:
        """Return the discovery by which applications find the provider, if nobody signs in at this server."""
        return [Route(_CONFIGURATION, self._configuration, methods=["GET"])] if self.is_alone else []

    async def _configuration(self, _request: Request) -> Response:
        try:
            document = await self._keys.document()
        except AuthorizationUnavailable:
            document = {}
        if not all(isinstance(document.get(name), str) for name in _NEEDED):
            return JSONResponse({"error": "temporarily_unavailable"}, _UNAVAILABLE)
        return public(self._described(document))

    def _described(self, document: Mapping[str, Any]) -> dict[str, Any]:
        told = {name: document[name] for name in _TOLD if name in document}
        return {"code_challenge_methods_supported": ["S256"], **told} | {
            "capabilities": list(self._provider.capabilities)
        }


def trusted_provider(
    settings: Settings, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> TrustedProvider | None:
    """Return the provider that the settings name, None if they name none.

    Its own host may be within the hospital's network, as an administrator named it.
    """
    allow_local = settings.local_key_sets == "on"
    provider = load_provider(settings.openid_provider, allow_local=allow_local)
    if provider is None:
        return None
    host = urlsplit(provider.issuer).hostname or ""
    fetching = Fetching(allow_local=allow_local, own_host=host, trust=provider.trust)
    return TrustedProvider(provider, ProviderKeys(provider, fetching, now), now, settings.base_url)
