"""What the endpoints of the authorization server share."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request

from fhir_server.settings import Settings
from fhir_server.smart.events import EventKind, Record, SecurityEvent, address_of
from fhir_server.smart.oauth.accounts import Accounts
from fhir_server.smart.oauth.addresses import Addresses
from fhir_server.smart.oauth.errors import invalid_request
from fhir_server.smart.oauth.key_sets import KeySets
from fhir_server.smart.oauth.registration import RegistrationRules
from fhir_server.smart.oauth.signing_keys import SigningKeys
from fhir_server.smart.principal import Principal
from fhir_server.store import Store
from fhir_server.store.oauth import OAuthStore
from fhir_server.transport.loopback import is_loopback

SeenBy = Callable[[Principal, str, str], Awaitable[Store]]
"""From a caller, the address of the FHIR interface, and their own, to the store as this caller may see it."""


@dataclass(frozen=True, slots=True)
class AuthorizationServer:
    """The parts of the authorization server; clock, ids and secrets are handed in, and so can be fixed.

    Resources are looked at by `seen_by` only, as the person may see them who is asked. What an auditor wants
    to know is handed to `record`.
    """

    store: Store
    settings: Settings
    accounts: Accounts
    key_sets: KeySets
    signing_keys: SigningKeys
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    new_secret: Callable[[], str]
    seen_by: SeenBy
    record: Record

    @property
    def oauth(self) -> OAuthStore:
        """What is kept."""
        return self.store.oauth

    @property
    def rules(self) -> RegistrationRules:
        """What surrounds the registration of an application."""
        allow_local = self.settings.local_key_sets == "on"
        return RegistrationRules(self.now, self.new_id, self.new_secret, allow_local)

    async def tell(
        self,
        request: Request,
        kind: EventKind,
        *,
        is_success: bool = True,
        account_id: str | None = None,
        client_id: str | None = None,
        patient: str | None = None,
        detail: str = "",
    ) -> None:
        """Record what happened in the exchange of `request`."""
        address = address_of(request)
        await self.record(
            SecurityEvent(kind, is_success, self.now(), account_id, client_id, address, patient, detail)
        )

    def addresses(self, request: Request) -> Addresses:
        """Return where things are, for whoever sent `request`.

        What the Host header says is believed on this machine only: an assertion that was meant for another
        server would else be good here, sent with that server's name. Raises OAuthError for any other name.
        """
        if self.settings.base_url is not None:
            return Addresses(self.settings.base_url)
        if not is_loopback(request.url.hostname or ""):
            raise invalid_request("This server has not been told its address (FHIR_BASE_URL)")
        return Addresses(f"{str(request.base_url).rstrip('/')}/fhir")
