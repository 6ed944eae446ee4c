"""The pages on which a person answers an application: which patient, and what it may do.

https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#response-4
"""

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from fhir_server.smart.oauth.authorize import CONSENT_PATH, answer_redirect, error_redirect
from fhir_server.smart.oauth.choosing import NobodyToChoose, choice, chosen, settled
from fhir_server.smart.oauth.errors import OAuthError
from fhir_server.smart.oauth.forms import Pairs, form_pairs, query_pairs
from fhir_server.smart.oauth.granting import grant_code, possible_scopes
from fhir_server.smart.oauth.patients import patient_called
from fhir_server.smart.oauth.plain_words import line
from fhir_server.smart.oauth.questions import Question
from fhir_server.smart.oauth.scopes import CONTEXT_SCOPES
from fhir_server.smart.oauth.secrets import hashed
from fhir_server.smart.oauth.server import AuthorizationServer


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
    question = Question(server, request, session, authorization, client, handle)
    if request.method == "POST" and not await server.accounts.is_genuine(
        request, session, dict(pairs).get("csrf_token", "")
    ):
        return server.accounts.page(request, "oauth/expired.html", status=403)
    obstacle = await _obstacle(question)
    if obstacle is not None:
        return await _refuse(question, obstacle)
    return await _take(question, pairs) if request.method == "POST" else await _ask(question)


async def _obstacle(question: Question) -> str | None:
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


async def _ask(question: Question, search: str = "") -> Response:
    """Return the page for what is not answered yet; tell the application if nobody can answer it."""
    question = await settled(question)
    try:
        page = await choice(question, search)
    except NobodyToChoose:
        return await _refuse(question, "This account has no patient whom it could be about")
    if page is not None:
        return page
    authorization, person = question.authorization, question.session.person
    patient = authorization.context.patient
    shown = None if patient is None else await patient_called(await question.store(), patient)
    lines = [line(scope) for scope in possible_scopes(authorization.scopes, authorization, person)]
    return question.page("oauth/consent.html", lines=lines, patient=shown, person=person)


async def _take(question: Question, pairs: Pairs) -> Response:
    given = dict(pairs)
    if given.get("decision") == "deny":
        return await _refuse(question, "The person said no")
    if given.get("decision") == "allow":
        ticked = {value for name, value in pairs if name == "scope"}
        return await _allow(question, tuple(one for one in question.authorization.scopes if one in ticked))
    return await _ask(await chosen(question, given), given.get("search", ""))


async def _allow(question: Question, scopes: tuple[str, ...]) -> Response:
    """Give the application a code for what the person let it have."""
    server, authorization = question.server, question.authorization
    scopes = possible_scopes(scopes, authorization, question.session.person)
    if not set(scopes) - set(CONTEXT_SCOPES):
        return await _refuse(question, "The person let it have nothing")
    if not await server.oauth.authorizations.finish(authorization):
        return server.accounts.page(question.request, "oauth/expired.html", status=400)
    code = await grant_code(server, authorization, question.session, scopes)
    await question.tell(is_success=True)
    answer = {"code": code, "state": authorization.state}
    return answer_redirect(authorization.redirect_uri, answer, server.addresses(question.request))


async def _refuse(question: Question, reason: str) -> Response:
    server, authorization = question.server, question.authorization
    if await server.oauth.authorizations.finish(authorization):
        await question.tell(is_success=False, detail=reason)
    failure = OAuthError("access_denied", reason)
    addresses = server.addresses(question.request)
    return error_redirect(authorization.redirect_uri, authorization.state, failure, addresses)
