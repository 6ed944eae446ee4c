"""An application opened from within the EHR, which hands over what is on the screen.

https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#launch-app-ehr-launch
"""

from typing import Any

import pytest

from fhir_server.smart.oauth.launches import launch_address
from tests.fhir_server.smart.oauth.world import (
    DOCTOR,
    FHIR,
    NURSE,
    ORIGIN,
    PATIENT,
    World,
    handle_in,
    returned,
)

_SCOPE = "launch openid fhirUser patient/*.rs"


@pytest.mark.requirement("smart-83", "smart-149", "smart-168", "smart-169", "smart-170", "smart-171")
@pytest.mark.requirement("smart-172", "smart-173", "smart-174", "smart-175", "smart-180")
@pytest.mark.requirement("smart-352", "smart-359", "smart-360", "smart-361")
def test_the_application_learns_what_is_on_the_screen(world: World) -> None:
    """Patient, encounter, further context, banner and intent stand beside the access token."""
    client_id = world.app().client.id
    context = [{"reference": "ServiceRequest/1"}, {"reference": "ServiceRequest/2", "role": "urn:role"}]
    launch = world.launch(
        patient="anna",
        encounter="e1",
        fhir_context=context,
        need_patient_banner=False,
        intent="reconcile-medications",
    )
    tokens = world.tokens(client_id, DOCTOR, scope=_SCOPE, launch=launch)
    assert {name: tokens[name] for name in tokens if name not in ("access_token", "id_token")} == {
        "token_type": "Bearer",
        "expires_in": 600,
        "scope": _SCOPE,
        "patient": "anna",
        "encounter": "e1",
        "fhirContext": context,
        "need_patient_banner": False,
        "intent": "reconcile-medications",
        "smart_style_url": f"{ORIGIN}/oauth/smart-style.json",
    }
    style = world.http.get("/oauth/smart-style.json")
    assert style.json()["color_background"] == "#ffffff"
    principal = world.principal(tokens["access_token"])
    assert (principal.patient, principal.encounter) == ("anna", "e1")


def test_the_ehr_opens_the_address_that_was_registered(world: World) -> None:
    """With the FHIR server's address and the handle of the launch."""
    client = world.app(launch_uri="https://app.example.org/launch?x=1").client
    assert launch_address(client, "h", FHIR) == (
        "https://app.example.org/launch?x=1&iss=http%3A%2F%2Flocalhost%2Ffhir&launch=h"
    )
    assert launch_address(world.app().client, "h", FHIR) is None


def test_a_launch_without_a_patient_asks_for_one(world: World) -> None:
    """The EHR had no patient on the screen, and the application needs one."""
    handle = handle_in(world.ask(world.app().client.id, scope=_SCOPE, launch=world.launch()))
    assert world.page(handle).json()["template"] == "oauth/patient.html"


@pytest.mark.parametrize("seconds", [0, 301])
def test_a_launch_is_good_once_and_not_for_long(world: World, seconds: int) -> None:
    """A second use, and one after five minutes, are refused."""
    client_id, launch = world.app().client.id, world.launch(patient="anna")
    if seconds:
        world.clock.wait(seconds=seconds)
    else:
        handle_in(world.ask(client_id, scope=_SCOPE, launch=launch))
    assert returned(world.ask(client_id, scope=_SCOPE, launch=launch))["error"] == "invalid_request"


def test_a_launch_belongs_to_who_opened_the_application(world: World) -> None:
    """Nobody else can answer, neither by looking at the page nor by sending its form at once."""
    client_id = world.app().client.id
    for attempt in ("page", "answer"):
        handle = handle_in(world.ask(client_id, scope=_SCOPE, launch=world.launch(patient="anna")))
        response = world.page(handle, NURSE) if attempt == "page" else world.answer(handle, NURSE)
        assert returned(response)["error"] == "access_denied"


def test_a_patient_is_not_shown_another_record(world: World) -> None:
    """Even if the launch names one."""
    for attempt in ("page", "answer"):
        launch = world.launch(PATIENT, patient="bert")
        handle = handle_in(world.ask(world.app().client.id, scope=_SCOPE, launch=launch))
        response = world.page(handle, PATIENT) if attempt == "page" else world.answer(handle, PATIENT)
        assert returned(response)["error"] == "access_denied"


def test_a_launch_may_be_for_one_application_only(world: World) -> None:
    """Another one cannot use the handle, and does not use it up."""
    mine, other = world.app().client.id, world.app().client.id
    launch = world.launch(patient="anna", client_id=mine)
    assert returned(world.ask(other, scope=_SCOPE, launch=launch))["error"] == "invalid_request"
    handle_in(world.ask(mine, scope=_SCOPE, launch=launch))


def test_a_launch_needs_its_scope(world: World) -> None:
    """An application that does not ask to know what is on the screen has no use for the handle."""
    answer = world.ask(world.app().client.id, scope="patient/*.rs", launch=world.launch(patient="anna"))
    assert returned(answer)["error"] == "invalid_request"


def test_what_the_person_refuses_is_not_told(world: World) -> None:
    """Without `launch` the encounter and the intent stay here; the patient goes with the patient scopes."""
    client_id = world.app().client.id
    launch = world.launch(patient="anna", encounter="e1", intent="x", fhir_context=[{"canonical": "urn:x"}])
    handle = handle_in(world.ask(client_id, scope=_SCOPE, launch=launch))
    world.page(handle)
    tokens = world.exchange(client_id, returned(world.answer(handle, scopes="patient/*.rs"))["code"]).json()
    assert tokens["patient"] == "anna"
    assert not {"encounter", "intent", "fhirContext", "id_token"} & set(tokens)


_ROLE = "https://example.org/role"


@pytest.mark.requirement("smart-179", "smart-180", "smart-181", "smart-182", "smart-183", "smart-184")
@pytest.mark.requirement("smart-186", "smart-187", "smart-189", "smart-192")
@pytest.mark.parametrize(
    "items",
    [
        pytest.param([{"reference": "Task/1"}], id="reference without a role"),
        pytest.param([{"reference": "Task/1"}, {"reference": "Task/2"}], id="two of a type"),
        pytest.param([{"canonical": "http://example.org/Questionnaire/x"}], id="canonical"),
        pytest.param([{"canonical": "http://example.org/x|2.0", "type": "Questionnaire"}], id="version"),
        pytest.param([{"identifier": {"system": "urn:x", "value": "1"}, "type": "Task"}], id="identifier"),
        pytest.param([{"reference": "Task/1", "type": "Task", "role": "launch"}], id="role of SMART"),
        pytest.param([{"reference": "Task/1", "role": _ROLE}], id="role of others"),
        pytest.param([{"reference": f"Task/{one}", "role": _ROLE} for one in "12"], id="two of a role"),
        pytest.param([{"reference": "Patient/mother", "role": _ROLE}], id="patient in another role"),
    ],
)
def test_further_context_is_told_as_it_is(world: World, items: list[dict[str, Any]]) -> None:
    """What the EHR says of further resources reaches the application."""
    launch = world.launch(patient="anna", fhir_context=items)
    tokens = world.tokens(world.app().client.id, DOCTOR, scope=_SCOPE, launch=launch)
    assert tokens["fhirContext"] == items


@pytest.mark.requirement("smart-172", "smart-177", "smart-178", "smart-188", "smart-190")
@pytest.mark.parametrize(
    "context",
    [
        {"fhir_context": [{"type": "Task"}]},
        {"fhir_context": [{"reference": "Task/1", "role": ""}]},
        {"fhir_context": [{"reference": "Task/1", "role": "performer"}]},
        {"fhir_context": [{"reference": "Task/1", "role": "https://example.org/a role"}]},
        {"fhir_context": [{"reference": "Patient/anna"}]},
        {"fhir_context": [{"reference": "Patient/anna", "role": "launch"}]},
        {"fhir_context": [{"reference": "Encounter/1"}]},
        {"fhir_context": [{"identifier": {"value": "1"}, "type": "Patient"}]},
        {"fhir_context": [{"reference": "https://example.org/fhir/Task/1"}]},
        {"fhir_context": [{"reference": "Nothing/1"}]},
        {"fhir_context": [{"reference": "Task/1", "type": "Patient", "role": _ROLE}]},
        {"fhir_context": [{"reference": 1}]},
        {"fhir_context": [{"reference": ""}]},
        {"fhir_context": [{"canonical": ["urn:x"]}]},
        {"fhir_context": [{"identifier": "1"}]},
        {"fhir_context": [{"canonical": "urn:x", "type": "Nothing"}]},
        {"patient": "../etc"},
        {"encounter": "a b"},
    ],
    ids=str,
)
def test_a_malformed_context_is_refused(world: World, context: dict[str, Any]) -> None:
    """What the EHR side hands over is checked as well."""
    with pytest.raises(ValueError, match=r"fhirContext|ids"):
        world.launch(**context)
