"""The pages on which a person answers an application: which patient, and what it may do.

https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#response-4
"""

from dataclasses import dataclass, replace
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from fhir_server.smart.oauth.accounts import Session
from fhir_server.smart.oauth.authorization_requests import needs_patient
from fhir_server.smart.oauth.authorize import CONSENT_PATH, answer_redirect, error_redirect
from fhir_server.smart.oauth.errors import OAuthError
from fhir_server.smart.oauth.forms import Pairs, form_pairs, query_pairs
from fhir_server.smart.oauth.granting import grant_code, possible_scopes
from fhir_server.smart.oauth.patients import find_patients, patient_called
from fhir_server.smart.oauth.plain_words import line
from fhir_server.smart.oauth.redirect_uris import host_of
from fhir_server.smart.oauth.scopes import CONTEXT_SCOPES
from fhir_server.smart.oauth.secrets import hashed
from fhir_server.smart.oauth.server import AuthorizationServer
from fhir_server.smart.principal import Principal
from fhir_server.store import Store
from fhir_server.store.oauth import Authorization, Client

_MOST_FOUND = 20


@dataclass(frozen=True, slots=True)
class _Question:
    """A request that is being answered, by whom, and in which exchange."""

    server: AuthorizationServer
    request: Request
    session: Session
    authorization: Authorization
    client: Client
    handle: str

    async def store(self) -> Store:
        """Return the store as the person may see it."""
        person = self.session.person
        caller = Principal(
            self.client.id,
            ("user/Patient.rs",),
            person.account_id,
            person.fhir_user,
            person.roles,
            person.patients,
        )
        return await self.server.seen_by(caller, self.server.addresses(self.request).fhir)

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


async def consent(server: AuthorizationServer, request: Request) -> Response:
    """Show the next page of an authorization, or take the answer; who is not signed in does that first."""
    try:
        pairs = await form_pairs(request) if request.method == "POST" else query_pairs(request)
    except OAuthError:
        pairs = ()
    handle = dict(pairs).get("request", "")
    session = await server.accounts.session_of(request)
    if session is None:
        return server.accounts.sign_in(request, f"{CONSENT_PATH}?{urlencode({'request': handle})}")
    authorization = await server.oauth.authorizations.look_at(hashed(handle), session.id, server.now())
    client = None if authorization is None else await server.oauth.clients.get(authorization.client_id)
    if authorization is None or client is None:
        return server.accounts.page(request, "oauth/expired.html", status=400)
    question = _Question(server, request, session, authorization, client, handle)
    if request.method == "POST" and not await server.accounts.is_genuine(
        request, session, dict(pairs).get("csrf_token", "")
    ):
        return server.accounts.page(request, "oauth/expired.html", status=403)
    obstacle = await _obstacle(question)
    if obstacle is not None:
        return await _refuse(question, obstacle)
    return await _take(question, pairs) if request.method == "POST" else await _ask(question)


async def _obstacle(question: _Question) -> str | None:
    """Return why this person cannot answer, None if nothing is in the way."""
    person, authorization = question.session.person, question.authorization
    patient = authorization.context.patient
    if authorization.launch_account not in (None, person.account_id):
        return "The application was opened by another person"
    if not person.is_staff and patient not in (None, *person.records):
        return "A patient's account is for one's own record"
    if patient is not None and await patient_called(await question.store(), patient) is None:
        return "This person has no access to the patient"
    return None


async def _ask(question: _Question, search: str = "") -> Response:
    """Return the page for what is not answered yet; tell the application if nobody can answer it."""
    authorization, person = question.authorization, question.session.person
    patient = authorization.context.patient
    if patient is None and needs_patient(authorization.scopes):
        if person.is_staff or len(person.records) != 1:
            return await _ask_for_patient(question, search)
        [patient] = person.records
        await question.server.oauth.authorizations.choose_patient(authorization, patient)
    shown = None if patient is None else await patient_called(await question.store(), patient)
    lines = [line(scope) for scope in authorization.scopes]
    return question.page("oauth/consent.html", lines=lines, patient=shown, person=person)


async def _ask_for_patient(question: _Question, search: str) -> Response:
    person, store = question.session.person, await question.store()
    if person.is_staff:
        found = await find_patients(store, search, _MOST_FOUND)
    else:
        asked = [await patient_called(store, patient) for patient in person.records]
        found = [patient for patient in asked if patient is not None]
        if not found:
            return await _refuse(question, "This account has no patient whom it could be about")
    return question.page(
        "oauth/patient.html", search=search, found=found, most=_MOST_FOUND, is_search=person.is_staff
    )


async def _take(question: _Question, pairs: Pairs) -> Response:
    given = dict(pairs)
    if given.get("decision") == "deny":
        return await _refuse(question, "The person said no")
    if given.get("decision") == "allow":
        chosen = {value for name, value in pairs if name == "scope"}
        return await _allow(question, tuple(one for one in question.authorization.scopes if one in chosen))
    if "patient" in given and _may_choose(question, given["patient"]):
        return await _ask(await _about(question, given["patient"]))
    return await _ask(question, given.get("search", ""))


async def _about(question: _Question, patient: str) -> _Question:
    """Return the question as one about `patient`, if there is such a patient."""
    if await patient_called(await question.store(), patient) is None:
        return question
    authorization = question.authorization
    await question.server.oauth.authorizations.choose_patient(authorization, patient)
    context = replace(authorization.context, patient=patient)
    return replace(question, authorization=replace(authorization, context=context))


def _may_choose(question: _Question, patient: str) -> bool:
    person, authorization = question.session.person, question.authorization
    is_open = authorization.context.patient is None and needs_patient(authorization.scopes)
    return is_open and (person.is_staff or patient in person.records)


async def _allow(question: _Question, scopes: tuple[str, ...]) -> Response:
    """Give the application a code for what the person let it have."""
    server, authorization = question.server, question.authorization
    scopes = possible_scopes(scopes, authorization, question.session.person)
    if not set(scopes) - set(CONTEXT_SCOPES):
        return await _refuse(question, "The person let it have nothing")
    if not await server.oauth.authorizations.finish(authorization):
        return server.accounts.page(question.request, "oauth/expired.html", status=400)
    code = await grant_code(server, authorization, question.session, scopes)
    answer = {"code": code, "state": authorization.state}
    return answer_redirect(authorization.redirect_uri, answer, server.addresses(question.request))


async def _refuse(question: _Question, reason: str) -> Response:
    server, authorization = question.server, question.authorization
    await server.oauth.authorizations.finish(authorization)
    failure = OAuthError("access_denied", reason)
    addresses = server.addresses(question.request)
    return error_redirect(authorization.redirect_uri, authorization.state, failure, addresses)
