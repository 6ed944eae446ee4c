"""How the loader gets in: by a token that it was given, or as a backend service that gets tokens by itself.

https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html, https://www.rfc-editor.org/rfc/rfc7523
"""

import time
import uuid
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from fhir_server.smart.oauth.assertions import ASSERTION_TYPE

DEFAULT_SCOPE = "system/*.cruds"

# Of 300 at most: the clocks of two machines may differ by the rest.
_ASSERTION_SECONDS = 120
# A token is renewed that long before it ends, or after half its time if it is shorter than twice of that.
_RENEWAL_SECONDS = 30.0
_SHOWN = 200

Flow = Generator[httpx.Request, httpx.Response, None]


class NotSignedIn(httpx.RequestError):
    """There is no token, so a request was not sent; the message says why and holds no secret."""


class BearerToken(httpx.Auth):
    """A token that the loader was given, on each request."""

    def __init__(self, token: str) -> None:
        """Send `token`."""
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Flow:
        """Add the token to a request."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


@dataclass(frozen=True, slots=True)
class ServiceKey:
    """What a backend service proves itself with: its `client_id`, and a key with the algorithm for it."""

    client_id: str
    key: RSAKey | ECKey
    algorithm: str


class BackendService(httpx.Auth):
    """A backend service, which renews its token before it ends, and once when the server takes it no more.

    While one request brings a new token, the others go on with the present one, which is still good then.
    """

    requires_response_body = True

    def __init__(
        self,
        service: ServiceKey,
        token_endpoint: str,
        scope: str,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Ask `token_endpoint` for `scope`; `clock` never goes back, and `now` is the time of the day."""
        self._service = service
        self._token_endpoint = token_endpoint
        self._scope = scope
        self._clock = clock
        self._now = now
        self._token: str | None = None
        self._due = 0.0
        self._is_renewing = False

    def auth_flow(self, request: httpx.Request) -> Flow:
        """Add a token to a request, got before it is sent where that is due; raise NotSignedIn."""
        if self._token is None or (self._clock() >= self._due and not self._is_renewing):
            yield from self._renewal(request)
        sent = self._token
        request.headers["Authorization"] = f"Bearer {sent}"
        response = yield request
        if response.status_code == httpx.codes.UNAUTHORIZED:
            if self._token == sent:
                yield from self._renewal(request)
            request.headers["Authorization"] = f"Bearer {self._token}"
            yield request

    def _renewal(self, request: httpx.Request) -> Flow:
        self._is_renewing = True
        try:
            self._take((yield self._token_request(request)))
        finally:
            self._is_renewing = False

    def _token_request(self, request: httpx.Request) -> httpx.Request:
        form = {
            "grant_type": "client_credentials",
            "scope": self._scope,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self._assertion(),
        }
        timeouts = request.extensions  # which are those of the client that sends both
        return httpx.Request("POST", self._token_endpoint, data=form, extensions=timeouts)

    def _assertion(self) -> str:
        service, now = self._service, int(self._now())
        header = {"alg": service.algorithm, "kid": service.key.kid, "typ": "JWT"}
        claims = {
            "iss": service.client_id,
            "sub": service.client_id,
            "aud": self._token_endpoint,
            "exp": now + _ASSERTION_SECONDS,
            "jti": uuid.uuid4().hex,
        }
        return jwt.encode(header, claims, service.key, algorithms=[service.algorithm])

    def _take(self, response: httpx.Response) -> None:
        answer = _json(response)
        token = answer.get("access_token")
        if response.status_code != httpx.codes.OK or not isinstance(token, str):
            said = f"{answer.get('error', '')} {answer.get('error_description', '')}".strip()[:_SHOWN]
            raise NotSignedIn(f"no access token: HTTP {response.status_code} {said}".strip())
        seconds = answer.get("expires_in")
        lasts = float(seconds) if isinstance(seconds, int | float) else 0.0
        self._token = token
        self._due = self._clock() + max(lasts - _RENEWAL_SECONDS, lasts / 2)


def backend_service(url: str, service: ServiceKey, scope: str) -> BackendService:
    """Return `service` as the FHIR server at `url` knows it, with its first token.

    Raises NotSignedIn, or another httpx.RequestError if nothing answers.
    """
    answer = httpx.get(f"{url.rstrip('/')}/.well-known/smart-configuration", timeout=30.0)
    token_endpoint = _json(answer).get("token_endpoint")
    if not isinstance(token_endpoint, str):
        raise NotSignedIn(f"{url} does not say where tokens are to be had (.well-known/smart-configuration)")
    found = BackendService(service, token_endpoint, scope)
    with httpx.Client(auth=found, timeout=30.0) as client:
        client.get(f"{url.rstrip('/')}/metadata")
    return found


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
