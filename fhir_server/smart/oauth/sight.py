"""The records as a person sees them on the pages of the authorization server."""

from starlette.requests import Request

from fhir_server.smart.events import address_of
from fhir_server.smart.oauth.accounts import Person
from fhir_server.smart.oauth.server import AuthorizationServer
from fhir_server.smart.principal import Principal
from fhir_server.store import Store

OWN_PAGES = "pages"
"""What stands for the application where people use the server's own pages."""

_SCOPES = ("user/Patient.rs", "user/Encounter.rs")


async def seen_by_person(
    server: AuthorizationServer, request: Request, person: Person, client_id: str = OWN_PAGES
) -> Store:
    """Return the store with those patients and encounters only that the person may see."""
    caller = Principal(client_id, _SCOPES, person.account_id, person.fhir_user, person.roles, person.patients)
    return await server.seen_by(caller, server.addresses(request).fhir, address_of(request))


def may_choose(person: Person, patient: str) -> bool:
    """Tell whether a person may name this patient at all: whoever is no member of staff only their own."""
    return person.is_staff or patient in person.records
