"""Applications opened from an EHR outside, which tells here whom and what it is about, and gets a handle.

The handle gives nobody access. The application comes with it to the authorization endpoint, where only the
person for whom it was made may answer, who signs in here and sees on the page whom it is about.
https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#launch-app-ehr-launch
"""

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from fhir_server.smart.oauth.accounts import Person
from fhir_server.smart.oauth.answers import unkept
from fhir_server.smart.oauth.client_requests import client_of
from fhir_server.smart.oauth.encounters import encounter_of
from fhir_server.smart.oauth.errors import OAuthError, invalid_request
from fhir_server.smart.oauth.forms import form_pairs, once_each
from fhir_server.smart.oauth.launches import GOOD_FOR, create_launch, launch_address
from fhir_server.smart.oauth.patients import patient_called
from fhir_server.smart.oauth.server import AuthorizationServer
from fhir_server.smart.oauth.sight import may_choose, seen_by_person
from fhir_server.store.oauth import Client
from resources.references import is_id

_CREATED = 201
_LONGEST_INTENT = 500


async def launching(server: AuthorizationServer, request: Request) -> Response:
    """Answer an EHR with a handle for `application`, to be used by `user`, and where to send the browser.

    Raises OAuthError: 403 for an application without the right, 400 for what is unknown, or not the person's
    to see; which of the two is not told.
    """
    form = once_each(await form_pairs(request))
    ehr = await client_of(server, request, form)
    if not ehr.may_launch:
        raise OAuthError("access_denied", "This application may not open others", 403)
    application = await server.oauth.clients.get(form.get("application", ""))
    person = await server.accounts.person_called(form.get("user", ""))
    if application is None or "authorization_code" not in application.grant_types or person is None:
        raise invalid_request("The application or the user is unknown")
    await _check_visible(server, request, person, form)
    return unkept(await _made(server, request, application, person, form), _CREATED)


async def _check_visible(
    server: AuthorizationServer, request: Request, person: Person, form: Mapping[str, str]
) -> None:
    """Raise OAuthError unless the person may see the patient, whose the encounter is."""
    patient, encounter = form.get("patient"), form.get("encounter")
    if patient is None:
        if encounter is not None:
            raise invalid_request("An encounter is given with its patient")
        return
    unknown = invalid_request("The patient or the encounter is unknown, or not the user's to see")
    store = await seen_by_person(server, request, person)
    is_seen = is_id(patient) and may_choose(person, patient) and await patient_called(store, patient)
    if not is_seen:
        raise unknown
    fhir_base = server.addresses(request).fhir
    if encounter is not None and await encounter_of(store, encounter, patient, fhir_base) is None:
        raise unknown


async def _made(
    server: AuthorizationServer,
    request: Request,
    application: Client,
    person: Person,
    form: Mapping[str, str],
) -> Mapping[str, Any]:
    fhir_base = server.addresses(request).fhir
    try:
        handle = await create_launch(
            server,
            person.account_id,
            patient=form.get("patient"),
            encounter=form.get("encounter"),
            fhir_context=_fhir_context(form.get("fhirContext", "[]")),
            need_patient_banner=form.get("need_patient_banner") != "false",
            intent=_intent(form),
            client_id=application.id,
        )
    except (ValueError, RecursionError):
        raise invalid_request("fhirContext is an array of objects as SMART App Launch has them") from None
    await server.tell(
        request,
        "launch",
        account_id=person.account_id,
        client_id=application.id,
        patient=form.get("patient"),
        detail="Asked for by an EHR outside",
    )
    answer = {"launch": handle, "iss": fhir_base, "expires_in": int(GOOD_FOR.total_seconds())}
    address = launch_address(application, handle, fhir_base)
    return answer if address is None else {**answer, "launch_url": address}


def _fhir_context(text: str) -> list[dict[str, Any]]:
    context = json.loads(text)
    if not isinstance(context, list) or not all(isinstance(item, dict) for item in context):
        raise ValueError(text)
    return context


def _intent(form: Mapping[str, str]) -> str | None:
    intent = form.get("intent")
    if intent is not None and len(intent) > _LONGEST_INTENT:
        raise invalid_request(f"intent is a text of {_LONGEST_INTENT} characters at most")
    return intent
