"""A request of an application that a person is answering, and what the pages for it show."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from fhir_server.smart.oauth.accounts import Session
from fhir_server.smart.oauth.authorize import CONSENT_PATH
from fhir_server.smart.oauth.redirect_uris import host_of
from fhir_server.smart.oauth.server import AuthorizationServer
from fhir_server.smart.oauth.sight import seen_by_person
from fhir_server.store import Store
from fhir_server.store.oauth import Authorization, Client


@dataclass(frozen=True, slots=True)
class Question:
    """A request that is being answered, by whom, and in which exchange."""

    server: AuthorizationServer
    request: Request
    session: Session
    authorization: Authorization
    client: Client
    handle: str

    @property
    def fhir_base(self) -> str:
        """The address of the FHIR interface."""
        return self.server.addresses(self.request).fhir

    async def store(self) -> Store:
        """Return the store as the person may see it."""
        return await seen_by_person(self.server, self.request, self.session.person, self.client.id)

    async def tell(self, *, is_success: bool, detail: str = "") -> None:
        """Record how it was answered, which is told to the application beside."""
        await self.server.tell(
            self.request,
            "authorization",
            is_success=is_success,
            account_id=self.session.person.account_id,
            client_id=self.client.id,
            patient=self.authorization.context.patient,
            detail=detail,
        )

    def page(self, template: str, **values: object) -> Response:
        """Return one of our pages, with what all of them show."""
        return self.server.accounts.page(
            self.request,
            template,
            values={
                "csrf_token": self.session.csrf_token,
                "client": self.client,
                "handle": self.handle,
                "action": CONSENT_PATH,
                "host": host_of(self.authorization.redirect_uri),
                **values,
            },
            may_lead_to=self.authorization.redirect_uri,
        )
