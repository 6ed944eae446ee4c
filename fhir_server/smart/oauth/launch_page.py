"""The page on which a person opens an application for the patient, and the visit, that they are busy with.

https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#launch-app-ehr-launch
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from fhir_server.smart.oauth.accounts import Session
from fhir_server.smart.oauth.encounters import MOST_SHOWN, FoundEncounter, encounter_of, find_encounters
from fhir_server.smart.oauth.forms import form_pairs, query_pairs
from fhir_server.smart.oauth.launches import create_launch, launch_address
from fhir_server.smart.oauth.patients import MOST_FOUND, FoundPatient, find_patients, patient_called
from fhir_server.smart.oauth.redirect_uris import host_of
from fhir_server.smart.oauth.server import AuthorizationServer
from fhir_server.smart.oauth.sight import may_choose, seen_by_person
from fhir_server.store import Store
from fhir_server.store.oauth import Client

LAUNCH_PATH = "/oauth/launch"

_NAMED = ("patient", "encounter")


@dataclass(frozen=True, slots=True)
class _Chart:
    """What is open on the page: a patient, and the encounter that is chosen among `encounters`."""

    patient: FoundPatient | None = None
    encounters: Sequence[FoundEncounter] = ()
    encounter: str | None = None


async def launch(server: AuthorizationServer, request: Request) -> Response:
    """Show the page, or open the application that was chosen on it; who is not signed in does that first.

    The patient, and the encounter, may be named in the address, so that another page can link to it.
    """
    is_form = request.method == "POST"
    given = dict(await form_pairs(request) if is_form else query_pairs(request))
    session = await server.accounts.session_of(request)
    if session is None:
        named = urlencode([(name, given[name]) for name in _NAMED if name in given])
        return server.accounts.sign_in(request, f"{LAUNCH_PATH}?{named}" if named else LAUNCH_PATH)
    if is_form and not await server.accounts.is_genuine(request, session, given.get("csrf_token", "")):
        return server.accounts.page(request, "oauth/expired.html", status=403)
    store = await seen_by_person(server, request, session.person)
    chart = await _chart(store, session, given, server.addresses(request).fhir)
    if is_form and "client" in given:
        return await _open(server, request, session, chart, given["client"])
    search = given.get("search", "")
    found = await _found(store, session, search)
    return await _page(server, request, session, chart, found, search=search)


async def launchable(server: AuthorizationServer) -> list[Client]:
    """Return the applications that can be opened, by name: those that an administrator registered."""
    known = await server.oauth.clients.all()
    able = [client for client in known if client.launch_uri is not None and not client.is_dynamic]
    return sorted(able, key=lambda client: client.name.casefold())


async def _chart(store: Store, session: Session, given: Mapping[str, str], fhir_base: str) -> _Chart:
    """Return what was chosen, as far as the person may see it; the only record, the only visit by itself."""
    person = session.person
    only = person.records[0] if not person.is_staff and len(person.records) == 1 else ""
    patient_id = given.get("patient") or only
    patient = await patient_called(store, patient_id) if may_choose(person, patient_id) else None
    if patient is None:
        return _Chart()
    encounters = await find_encounters(store, patient.id, fhir_base)
    wanted = given.get("encounter")
    if wanted is None and len(encounters) == 1:
        return _Chart(patient, encounters, encounters[0].id)
    found = await encounter_of(store, wanted, patient.id, fhir_base) if wanted else None
    if found is not None and found not in encounters:
        encounters = [*encounters, found]
    return _Chart(patient, encounters, None if found is None else found.id)


async def _found(store: Store, session: Session, search: str) -> list[FoundPatient]:
    person = session.person
    if person.is_staff:
        return await find_patients(store, search, MOST_FOUND)
    own = [await patient_called(store, patient) for patient in person.records]
    return [patient for patient in own if patient is not None]


async def _page(
    server: AuthorizationServer,
    request: Request,
    session: Session,
    chart: _Chart,
    found: Sequence[FoundPatient] = (),
    *,
    search: str = "",
    status: int = 200,
) -> Response:
    applications = [
        {"id": client.id, "name": client.name, "host": host_of(client.launch_uri or "")}
        for client in await launchable(server)
    ]
    values = {
        "action": LAUNCH_PATH,
        "applications": applications,
        "chart": chart,
        "csrf_token": session.csrf_token,
        "found": found,
        "is_search": session.person.is_staff,
        "most": MOST_FOUND,
        "most_encounters": MOST_SHOWN,
        "person": session.person,
        "search": search,
        "was_refused": status != 200,
    }
    return server.accounts.page(request, "oauth/launch.html", status=status, values=values)


async def _open(
    server: AuthorizationServer, request: Request, session: Session, chart: _Chart, client_id: str
) -> Response:
    """Return the page that leads on to the application.

    It leads there by itself and not by a redirect, as browsers would bind the way of a form, through whatever
    hosts the application sends them, to a list that nobody can know before.
    """
    client = next((one for one in await launchable(server) if one.id == client_id), None)
    if client is None:
        return await _page(server, request, session, chart, status=422)
    patient = None if chart.patient is None else chart.patient.id
    handle = await create_launch(
        server, session.person.account_id, patient=patient, encounter=chart.encounter, client_id=client.id
    )
    await server.tell(
        request, "launch", account_id=session.person.account_id, client_id=client.id, patient=patient
    )
    address = launch_address(client, handle, server.addresses(request).fhir)
    return server.accounts.page(
        request, "oauth/opening.html", values={"address": address, "name": client.name}
    )
