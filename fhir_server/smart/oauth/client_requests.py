"""A request of an application that has proved who it is, or of one that could not."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request

from fhir_server.smart.events import EventKind
from fhir_server.smart.oauth.client_authentication import authenticated_client, claimed_client
from fhir_server.smart.oauth.errors import OAuthError
from fhir_server.smart.oauth.forms import form_pairs, once_each
from fhir_server.smart.oauth.server import AuthorizationServer
from fhir_server.store.oauth import Client, Grant


@dataclass(frozen=True, slots=True)
class ClientRequest:
    """What `client` sends in `form`, and in which exchange."""

    server: AuthorizationServer
    request: Request
    client: Client
    form: Mapping[str, str]

    async def tell(
        self, kind: EventKind, grant: Grant | None = None, *, is_success: bool = True, detail: str = ""
    ) -> None:
        """Record what happened to a grant, or to the application if it is about none."""
        await self.server.tell(
            self.request,
            kind,
            is_success=is_success,
            account_id=None if grant is None else grant.account_id,
            client_id=self.client.id,
            patient=None if grant is None else grant.context.patient,
            detail=detail,
        )


async def client_request(server: AuthorizationServer, request: Request) -> ClientRequest:
    """Return a request with the application that proved to have sent it; raise OAuthError without proof."""
    form = once_each(await form_pairs(request))
    return ClientRequest(server, request, await client_of(server, request, form), form)


async def client_of(server: AuthorizationServer, request: Request, form: Mapping[str, str]) -> Client:
    """Return the application that sends a form, proved as it registered to; raise OAuthError otherwise."""
    authorization, audience = request.headers.get("authorization"), server.addresses(request).token
    try:
        return await authenticated_client(
            authorization,
            form,
            audience=audience,
            store=server.oauth,
            key_sets=server.key_sets,
            now=server.now(),
        )
    except OAuthError:
        # A name that nobody registered may be anything, a secret in the wrong field even: it is not recorded.
        known = await server.oauth.clients.get(claimed_client(authorization, form))
        client_id = None if known is None else known.id
        await server.tell(request, "client-authentication", is_success=False, client_id=client_id)
        raise
