"""An application that a person starts by itself, from the first redirect to the tokens.

https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html
"""

import re

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from fhir_server.smart.principal import Principal
from tests.fhir_server.smart.oauth.world import (
    ADMINISTRATOR,
    DOCTOR,
    FHIR,
    ORIGIN,
    PARENT,
    PATIENT,
    REDIRECT,
    SCOPE,
    STATE,
    World,
    handle_in,
    returned,
)


@pytest.mark.workflow("3-26")
@pytest.mark.requirement(
    "smart-14", "smart-31", "smart-48", "smart-53", "smart-56", "smart-57", "smart-59", "smart-73", "smart-74"
)
@pytest.mark.requirement("smart-75", "smart-76", "smart-78", "smart-84", "smart-86", "smart-87", "smart-353")
@pytest.mark.requirement("smart-27", "smart-85", "smart-134", "smart-149", "smart-363")
def test_a_patient_lets_an_application_see_the_own_record(world: World) -> None:
    """From the redirect to tokens that stand for the patient, whose own record is the context."""
    client_id = world.app().client.id
    handle = handle_in(world.ask(client_id, scope="launch/patient patient/*.rs openid fhirUser"))
    assert world.page(handle, None).headers["location"].startswith("/auth/login?next=")
    page = world.page(handle, PATIENT).json()
    assert page["template"] == "oauth/consent.html"
    assert page["may_lead_to"] == REDIRECT
    assert page["values"]["patient"]["name"] == "Anna Muster"
    answer = returned(world.answer(handle, PATIENT))
    assert answer["state"] == STATE
    assert answer["iss"] == ORIGIN
    response = world.exchange(client_id, answer["code"])
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["pragma"] == "no-cache"
    assert response.headers["content-type"] == "application/json"
    tokens = response.json()
    # https://www.rfc-editor.org/rfc/rfc6750#section-2.1, and short, as each request has one in its head
    assert re.fullmatch(r"[A-Za-z0-9._~+/-]+=*", tokens["access_token"])
    assert len(tokens["access_token"]) <= 64
    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] == 600
    assert tokens["patient"] == "anna"
    assert tokens["need_patient_banner"] is True
    assert tokens["scope"] == "launch/patient patient/*.rs openid fhirUser"
    assert "refresh_token" not in tokens
    principal = world.principal(tokens["access_token"])
    assert principal == Principal(
        client_id,
        ("launch/patient", "patient/*.rs", "openid", "fhirUser"),
        "account-patient",
        "Patient/anna",
        frozenset({"PT"}),
        patient="anna",
        token_id=principal.token_id,
    )


@pytest.mark.requirement("smart-49", "smart-354")
def test_the_request_may_be_posted(world: World) -> None:
    """The authorization endpoint takes a form as well."""
    client_id = world.app().client.id
    handle_in(world.ask(client_id, method="POST"))


@pytest.mark.requirement("smart-27", "smart-54")
def test_the_person_may_say_no(world: World) -> None:
    """The application is told so, and the request cannot be answered again."""
    handle = handle_in(world.ask(world.app().client.id))
    answer = returned(world.answer(handle, PATIENT, decision="deny"))
    assert answer["error"] == "access_denied"
    assert answer["state"] == STATE
    assert "code" not in answer
    assert world.answer(handle, PATIENT).status_code == 400


@pytest.mark.requirement("smart-79", "smart-145")
def test_each_scope_may_be_refused(world: World) -> None:
    """What the person does not tick is not granted; what was not asked for cannot be ticked."""
    client_id = world.app().client.id
    handle = handle_in(
        world.ask(client_id, scope="launch/patient patient/Observation.rs patient/Condition.rs")
    )
    lines = world.page(handle, PATIENT).json()["values"]["lines"]
    assert [one["text"] for one in lines] == [
        "Know which patient this is about",
        "See measurements and laboratory results of this patient",
        "See diagnoses and problems of this patient",
    ]
    code = returned(world.answer(handle, PATIENT, "patient/Condition.rs patient/*.cruds"))["code"]
    tokens = world.exchange(client_id, code).json()
    assert tokens["scope"] == "patient/Condition.rs"
    assert tokens["patient"] == "anna"


def test_who_refuses_everything_refuses(world: World) -> None:
    """Names without any access are no reason for a code."""
    handle = handle_in(world.ask(world.app().client.id))
    assert returned(world.answer(handle, PATIENT, "launch/patient"))["error"] == "access_denied"


@pytest.mark.requirement("smart-164", "smart-165", "smart-167", "smart-170", "smart-363")
def test_staff_choose_a_patient(world: World) -> None:
    """Somebody without a record of their own looks for one, by name, birth date or identifier."""
    world.store_patient(
        "bert",
        name=[{"given": ["Bert"], "family": "Bach, jr"}],
        birthDate="1990-05-06",
        identifier=[{"system": "urn:mrn", "value": "MRN-77"}],
    )
    client_id = world.app().client.id
    handle = handle_in(world.ask(client_id, scope="patient/*.rs"))
    assert world.page(handle).json()["template"] == "oauth/patient.html"
    for text in ("bach", "Bert Bach,", "1990-05-06", "MRN-77", "be ba 1990-05-06"):
        page = world.answer(handle, decision=None, search=text).json()
        assert [one["id"] for one in page["values"]["found"]] == ["bert"], text
    for text in ("nobody", "bert 1980-02-03", "  ", "1990-99-99", "a|b|c,d\\"):
        page = world.answer(handle, decision=None, search=text).json()
        assert page["values"]["found"] == [], text
    unknown = world.answer(handle, decision=None, patient="nobody").json()
    assert unknown["template"] == "oauth/patient.html"
    chosen = world.answer(handle, decision=None, patient="bert").json()
    assert chosen["values"]["patient"]["birth_date"] == "1990-05-06"
    tokens = world.exchange(client_id, returned(world.answer(handle))["code"]).json()
    assert tokens["patient"] == "bert"


def test_staff_find_only_whom_they_may_see(world: World) -> None:
    """The rules of access hold for the picker too, whether one searches or sends an id."""
    world.store_patient("secret", name=[{"family": "Geheim"}])
    handle = handle_in(world.ask(world.app().client.id, scope="patient/*.rs"))
    world.page(handle)
    assert world.answer(handle, decision=None, search="Geheim").json()["values"]["found"] == []
    chosen = world.answer(handle, decision=None, patient="secret").json()
    assert chosen["template"] == "oauth/patient.html"
    launch = world.launch(patient="secret")
    handle = handle_in(world.ask(world.app().client.id, scope="launch patient/*.rs", launch=launch))
    assert returned(world.page(handle))["error"] == "access_denied"


@pytest.mark.requirement("smart-363")
def test_a_parent_chooses_among_the_own_records(world: World) -> None:
    """Those who act for others choose one of them, or themselves, and nobody else."""
    for name in ("paula", "ben", "carl"):
        world.store_patient(name)
    client_id = world.app().client.id
    handle = handle_in(world.ask(client_id, scope="patient/*.rs"))
    page = world.page(handle, PARENT).json()["values"]
    assert [one["id"] for one in page["found"]] == ["paula", "anna", "ben"]
    assert page["is_search"] is False
    refused = world.answer(handle, PARENT, decision=None, patient="carl").json()
    assert refused["template"] == "oauth/patient.html"
    world.answer(handle, PARENT, decision=None, patient="ben")
    tokens = world.exchange(client_id, returned(world.answer(handle, PARENT))["code"]).json()
    assert tokens["patient"] == "ben"
    assert world.principal(tokens["access_token"]).patients == ("anna", "ben")


def test_without_a_patient_there_are_no_patient_scopes(world: World) -> None:
    """Who sends the form before choosing a patient gets what needs none, if there is any."""
    client_id = world.app().client.id
    handle = handle_in(world.ask(client_id, scope="patient/*.rs user/*.rs"))
    tokens = world.exchange(client_id, returned(world.answer(handle))["code"]).json()
    assert tokens["scope"] == "user/*.rs"
    assert "patient" not in tokens


def test_a_patient_cannot_choose_another(world: World) -> None:
    """The form of the picker does nothing for somebody with a record of their own."""
    world.store_patient("other")
    client_id = world.app().client.id
    handle = handle_in(world.ask(client_id, scope="patient/*.rs"))
    world.answer(handle, PATIENT, decision=None, patient="other")
    tokens = world.exchange(client_id, returned(world.answer(handle, PATIENT))["code"]).json()
    assert tokens["patient"] == "anna"


@pytest.mark.requirement("smart-200", "smart-205", "smart-207", "smart-209", "smart-210", "smart-358")
@pytest.mark.requirement("smart-80", "smart-203")
@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_the_id_token_says_who_it_is(world: World, algorithm: str) -> None:
    """It is signed by a published key, for this application, with the nonce of the request."""
    client_id = world.app(id_token_signed_response_alg=algorithm).client.id
    tokens = world.tokens(client_id, DOCTOR, scope="openid fhirUser user/*.rs", nonce="n-1")
    keys = KeySet.import_key_set(world.http.get("/oauth/jwks").json())
    token = jwt.decode(tokens["id_token"], keys, algorithms=[algorithm])
    now = int(world.clock().timestamp())
    assert token.claims == {
        "iss": ORIGIN,
        "sub": "account-doctor",
        "aud": client_id,
        "iat": now,
        "exp": now + 600,
        "nonce": "n-1",
        "fhirUser": f"{FHIR}/Practitioner/grey",
    }


@pytest.mark.requirement("smart-197")
def test_who_is_no_resource_has_no_fhir_user(world: World) -> None:
    """The scope is not granted to somebody whom no resource stands for."""
    tokens = world.tokens(world.app().client.id, ADMINISTRATOR, scope="openid fhirUser user/*.rs")
    assert tokens["scope"] == "openid user/*.rs"


@pytest.mark.requirement("smart-80")
def test_there_is_no_id_token_unless_it_was_granted(world: World) -> None:
    """Neither for who does not ask, nor if the person does not tick it."""
    client_id = world.app().client.id
    assert "id_token" not in world.tokens(client_id, DOCTOR, scope="user/*.rs")
    handle = handle_in(world.ask(client_id, scope="openid user/*.rs"))
    world.page(handle)
    code = returned(world.answer(handle, scopes="user/*.rs"))["code"]
    assert "id_token" not in world.exchange(client_id, code).json()


@pytest.mark.requirement("smart-206")
def test_what_openid_connect_has_beside_is_passed_over(world: World) -> None:
    """Optional parameters of its requests neither help nor hinder."""
    more = {"id_token_hint": "x", "acr_values": "1", "display": "page", "ui_locales": "de", "login_hint": "x"}
    handle_in(world.ask(world.app().client.id, scope="openid user/*.rs", **more))


@pytest.mark.requirement("smart-159")
@pytest.mark.parametrize("role", ["launch", "https://example.org/role"])
def test_a_role_that_is_not_known_gives_what_is_known(world: World, role: str) -> None:
    """Who asks for a patient in another role is told the patient of the launch."""
    client_id = world.app().client.id
    handle = handle_in(world.ask(client_id, scope=f"launch/patient?role={role} user/*.rs"))
    world.page(handle, PATIENT)
    tokens = world.exchange(client_id, returned(world.answer(handle, PATIENT))["code"]).json()
    assert tokens["patient"] == "anna"
    assert tokens["scope"] == "launch/patient user/*.rs"


@pytest.mark.requirement("smart-127")
def test_scopes_of_version_1_come_back_as_such(world: World) -> None:
    """An application of the older kind reads the scopes that it knows."""
    tokens = world.tokens(world.app().client.id, PATIENT, scope="launch/patient patient/Observation.read")
    assert tokens["scope"] == "launch/patient patient/Observation.read"


@pytest.mark.requirement("smart-356")
@pytest.mark.parametrize("way", ["basic", "form"])
def test_a_confidential_application_uses_its_secret(world: World, way: str) -> None:
    """By the header or in the form; its secret is stored as a hash only."""
    registered = world.app(token_endpoint_auth_method="client_secret_basic")
    client_id, secret = registered.client.id, registered.secret
    assert secret is not None
    assert secret not in repr(registered.client)
    code = world.code(client_id)
    if way == "basic":
        header = httpx.BasicAuth(client_id, secret)._auth_header
        answer = world.exchange(None, code, headers={"authorization": header})
    else:
        answer = world.exchange(client_id, code, client_secret=secret)
    assert answer.status_code == 200


def test_a_session_of_another_person_does_not_go_on_with_a_request(world: World) -> None:
    """A request belongs to the session that looked at it first."""
    handle = handle_in(world.ask(world.app().client.id))
    assert world.page(handle, PATIENT).status_code == 200
    assert world.page(handle, DOCTOR).json()["template"] == "oauth/expired.html"
    assert world.answer(handle, DOCTOR).json()["template"] == "oauth/expired.html"


def test_a_request_waits_a_quarter_of_an_hour(world: World) -> None:
    """What nobody answered is asked again by the application."""
    handle = handle_in(world.ask(world.app().client.id, scope=SCOPE))
    world.clock.wait(minutes=16)
    assert world.page(handle, PATIENT).json()["template"] == "oauth/expired.html"
