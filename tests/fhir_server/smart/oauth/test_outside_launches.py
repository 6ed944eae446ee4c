"""Launches by an EHR outside, and that a handle which it makes lets nobody in.

https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#launch-app-ehr-launch
"""

import json
from typing import Any

import httpx
import pytest

from fhir_server.smart.oauth.assertions import ASSERTION_TYPE
from fhir_server.smart.oauth.errors import OAuthError
from fhir_server.store.oauth import Client
from tests.fhir_server.smart.oauth.world import DOCTOR, FHIR, NURSE, Key, World, handle_in, key, returned

_SCOPE = "launch launch/encounter patient/*.rs"
_EHR_KEY = key()


@pytest.fixture(scope="module")
def ehr(world: World) -> Client:
    """An EHR, beside the records that it is about."""
    world.store_patient("ben")
    world.store_patient("secret")
    world.store_encounter("e1", "anna", "2020-01-01")
    world.store_encounter("e2", "ben", "2020-01-01")
    return _service(world, _EHR_KEY, may_launch=True)


@pytest.fixture(scope="module")
def application(world: World) -> Client:
    """The application that it opens."""
    return world.app(launch_uri="https://app.example.org/launch").client


def _service(world: World, its: Key, **metadata: Any) -> Client:
    given = {"token_endpoint_auth_method": "private_key_jwt", "jwks": its.jwks, "scope": "system/*.rs"}
    return world.app(grant_types=["client_credentials"], **given, **metadata).client


def _launch(world: World, by: Client, its: Key = _EHR_KEY, **fields: Any) -> httpx.Response:
    world.clock.wait(seconds=1)  # each assertion is good once, and another second makes another one
    given = {"user": "doctor", "patient": "anna", "encounter": "e1"} | fields
    proof = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": its.assertion(by.id, world.clock())}
    sent = {name: value for name, value in given.items() if value is not None}
    return world.http.post("/oauth/launches", data=sent | proof)


@pytest.mark.requirement("smart-83")
def test_the_application_is_opened_for_what_the_ehr_shows(
    world: World, ehr: Client, application: Client
) -> None:
    """The EHR gets a handle and the address to open; the person signs in here and consents."""
    world.events.clear()
    answer = _launch(
        world, ehr, application=application.id, intent="order", fhirContext='[{"reference": "Task/1"}]'
    )
    assert answer.status_code == 201
    [event] = world.events
    assert (event.kind, event.account_id, event.client_id, event.patient) == (
        *("launch", DOCTOR.account_id, application.id, "anna"),
    )
    assert answer.headers["cache-control"] == "no-store"
    given = answer.json()
    assert given["iss"] == FHIR
    assert given["expires_in"] == 300
    assert given["launch_url"].startswith("https://app.example.org/launch?iss=http%3A%2F%2Flocalhost%2Ffhir&")
    tokens = world.tokens(application.id, DOCTOR, scope=_SCOPE, launch=given["launch"])
    assert (tokens["patient"], tokens["encounter"], tokens["intent"]) == ("anna", "e1", "order")
    assert tokens["fhirContext"] == [{"reference": "Task/1"}]


def test_the_handle_is_of_no_use_to_anybody_else(world: World, ehr: Client, application: Client) -> None:
    """Not to another application, not to another person, and not without a person who signs in here."""
    handle = _launch(world, ehr, application=application.id).json()["launch"]
    other = world.app().client.id
    assert returned(world.ask(other, scope=_SCOPE, launch=handle))["error"] == "invalid_request"
    request = handle_in(world.ask(application.id, scope=_SCOPE, launch=handle))
    assert world.page(request, None).headers["location"].startswith("/auth/login")
    assert returned(world.page(request, NURSE))["error"] == "access_denied"
    assert world.principal(handle) is None


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"user": "nobody"}, id="unknown user"),
        pytest.param({"user": None}, id="no user"),
        pytest.param({"application": "nothing"}, id="unknown application"),
        pytest.param({"patient": "nobody", "encounter": None}, id="unknown patient"),
        pytest.param({"patient": "secret", "encounter": None}, id="patient not the user's to see"),
        pytest.param({"patient": "ben", "encounter": None, "user": "patient"}, id="another patient's record"),
        pytest.param({"patient": "../x", "encounter": None}, id="patient that is no id"),
        pytest.param({"encounter": "e2"}, id="another patient's encounter"),
        pytest.param({"encounter": "nothing"}, id="unknown encounter"),
        pytest.param({"patient": None}, id="encounter without its patient"),
        pytest.param({"fhirContext": "{}"}, id="fhirContext that is no array"),
        pytest.param({"fhirContext": "["}, id="fhirContext that is no JSON"),
        pytest.param({"fhirContext": json.dumps([{"type": "Task"}])}, id="fhirContext without a reference"),
        pytest.param({"intent": "x" * 501}, id="long intent"),
    ],
)
def test_what_is_wrong_makes_no_handle(
    world: World, ehr: Client, application: Client, fields: dict[str, Any]
) -> None:
    """What is not there and what is not the user's to see are refused in the same words."""
    answer = _launch(world, ehr, **{"application": application.id, **fields})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_only_who_has_the_right_makes_handles(world: World, application: Client) -> None:
    """Another service has not, and whoever proves nothing is nobody."""
    other = key()
    refused = _launch(world, _service(world, other), other, application=application.id)
    assert (refused.status_code, refused.json()["error"]) == (403, "access_denied")
    public = world.http.post("/oauth/launches", data={"client_id": application.id, "user": "doctor"})
    assert public.status_code == 403
    assert world.http.post("/oauth/launches", data={"user": "doctor"}).status_code == 401


def test_the_right_is_given_by_administrators_to_who_can_prove_it(world: World) -> None:
    """An application without a proof gets none, and one that registers itself does not either."""
    from fhir_server.smart.oauth.registration import register

    with pytest.raises(OAuthError, match="proves who it is"):
        world.app(may_launch=True)
    metadata = {
        "client_name": "x",
        "redirect_uris": ["https://x.example.org/"],
        "scope": "user/*.rs",
        "may_launch": True,
    }
    assert not register(metadata, world.server.rules, is_dynamic=True).client.may_launch
