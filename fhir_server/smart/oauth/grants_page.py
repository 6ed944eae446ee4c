"""The page on which a person sees what applications were granted, and takes it back.

What is taken back ends at once, tokens of all kinds included (https://www.rfc-editor.org/rfc/rfc7009#section-2).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from fhir_server.smart.oauth.accounts import Session
from fhir_server.smart.oauth.forms import form_pairs
from fhir_server.smart.oauth.patients import patient_called
from fhir_server.smart.oauth.plain_words import Line, line
from fhir_server.smart.oauth.scopes import is_scope
from fhir_server.smart.oauth.server import AuthorizationServer
from fhir_server.smart.oauth.sight import seen_by_person
from fhir_server.store import Store
from fhir_server.store.oauth import Grant

GRANTS_PATH = "/oauth/grants"


@dataclass(frozen=True, slots=True)
class GrantedApplication:
    """All that one application was granted by a person: since when, what, and about which patients."""

    client_id: str
    name: str
    since: datetime
    lines: Sequence[Line]
    patients: Sequence[str]
    is_lasting: bool


async def grants(server: AuthorizationServer, request: Request) -> Response:
    """Show the page, or take back what the application was granted that was chosen on it."""
    session = await server.accounts.session_of(request)
    if session is None:
        return server.accounts.sign_in(request, GRANTS_PATH)
    if request.method != "POST":
        return await _page(server, request, session)
    given = dict(await form_pairs(request))
    if not await server.accounts.is_genuine(request, session, given.get("csrf_token", "")):
        return server.accounts.page(request, "oauth/expired.html", status=403)
    client_id = given.get("client", "")
    if client_id:
        await _take_back(server, request, session.person.account_id, client_id)
    return await _page(server, request, session, done=bool(client_id))


async def _take_back(server: AuthorizationServer, request: Request, account_id: str, client_id: str) -> None:
    granted = await server.oauth.grants.of_account(account_id, server.now())
    await server.oauth.grants.revoke_of_account(account_id, client_id)
    if client_id in {grant.client_id for grant in granted}:
        await server.tell(request, "grant-revocation", account_id=account_id, client_id=client_id)


async def _page(
    server: AuthorizationServer, request: Request, session: Session, *, done: bool = False
) -> Response:
    granted = await server.oauth.grants.of_account(session.person.account_id, server.now())
    store = await seen_by_person(server, request, session.person)
    by_client: dict[str, list[Grant]] = {}
    for grant in granted:
        by_client.setdefault(grant.client_id, []).append(grant)
    values = {
        "action": GRANTS_PATH,
        "applications": [await _application(server, store, of_one) for of_one in by_client.values()],
        "csrf_token": session.csrf_token,
        "done": done,
    }
    return server.accounts.page(request, "oauth/grants.html", values=values)


async def _application(
    server: AuthorizationServer, store: Store, granted: Sequence[Grant]
) -> GrantedApplication:
    client = await server.oauth.clients.get(granted[0].client_id)
    scopes = dict.fromkeys(scope for grant in granted for scope in grant.scopes if is_scope(scope))
    return GrantedApplication(
        client_id=granted[0].client_id,
        name=granted[0].client_id if client is None else client.name,
        since=granted[0].issued,
        lines=[line(scope) for scope in scopes],
        patients=await _names(store, (grant.context.patient for grant in granted)),
        is_lasting=any("offline_access" in grant.scopes for grant in granted),
    )


async def _names(store: Store, patients: Iterable[str | None]) -> list[str]:
    """Return the names of patients, each once, of those whom the person may still see."""
    found = [await patient_called(store, patient) for patient in dict.fromkeys(patients) if patient]
    return [patient.name for patient in found if patient is not None]
