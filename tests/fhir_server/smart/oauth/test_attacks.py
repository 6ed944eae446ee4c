"""What attackers try on the way to a token, each of it refused.

https://www.rfc-editor.org/rfc/rfc9700, https://www.rfc-editor.org/rfc/rfc6819
"""

from typing import Any

import pytest

from fhir_server.smart.oauth.secrets import challenge_of
from tests.fhir_server.smart.oauth.world import (
    DOCTOR,
    FHIR,
    PATIENT,
    REDIRECT,
    STATE,
    VERIFIER,
    World,
    handle_in,
    returned,
)

_SCOPE = "offline_access launch/patient patient/*.rs"


@pytest.mark.requirement("smart-15", "smart-96")
@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        pytest.param({"code_challenge": None}, "invalid_request", id="PKCE missing"),
        pytest.param({"code_challenge": ""}, "invalid_request", id="PKCE empty"),
        pytest.param({"code_challenge_method": None}, "invalid_request", id="PKCE downgrade by default"),
        pytest.param({"code_challenge_method": "plain"}, "invalid_request", id="PKCE downgrade"),
        pytest.param({"code_challenge_method": "s256"}, "invalid_request", id="PKCE method misspelt"),
        pytest.param({"code_challenge": "x" * 42}, "invalid_request", id="short challenge"),
        pytest.param({"code_challenge": "x" * 43 + "\n"}, "invalid_request", id="challenge with a line end"),
        pytest.param({"state": None}, "invalid_request", id="no state"),
        pytest.param({"state": "x" * 15}, "invalid_request", id="state that can be guessed"),
        pytest.param({"state": "x" * 2001}, "invalid_request", id="endless state"),
        pytest.param({"aud": None}, "invalid_request", id="no audience"),
        pytest.param(
            {"aud": "https://evil.example.org/fhir"}, "invalid_request", id="another server's token"
        ),
        pytest.param({"aud": f"{FHIR}.evil.example.org"}, "invalid_request", id="audience with a tail"),
        pytest.param({"aud": f"{FHIR}//"}, "invalid_request", id="audience with two slashes"),
        pytest.param({"response_type": "token"}, "unsupported_response_type", id="implicit flow"),
        pytest.param({"response_type": "code token"}, "unsupported_response_type", id="hybrid flow"),
        pytest.param({"response_type": None}, "unsupported_response_type", id="no flow"),
        pytest.param({"scope": "system/*.cruds"}, "invalid_scope", id="a service's scopes with a person"),
        pytest.param({"scope": "patient/*.cruds admin"}, "invalid_scope", id="only what is not registered"),
        pytest.param({"scope": None}, "invalid_scope", id="no scope"),
        pytest.param({"launch": "made-up", "scope": "launch patient/*.rs"}, "invalid_request", id="launch"),
        pytest.param({"request_uri": "https://evil.example.org"}, "request_not_supported", id="request_uri"),
        pytest.param({"prompt": "none"}, "interaction_required", id="no question"),
    ],
)
def test_a_request_that_is_not_as_it_must_be_is_refused(
    world: World, parameters: dict[str, Any], error: str
) -> None:
    """The application is told at its own address, with the state if there was one, and gets no code."""
    client_id = world.app(scope="launch launch/patient offline_access patient/Observation.rs").client.id
    if parameters == {"scope": "patient/*.cruds admin"}:
        client_id = world.app(scope="user/*.rs").client.id
    answer = returned(world.ask(client_id, **parameters))
    assert answer["error"] == error
    assert "code" not in answer
    assert answer.get("state") == parameters.get("state", STATE)


@pytest.mark.requirement("smart-18")
@pytest.mark.parametrize(
    "redirect_uri",
    [
        None,
        "https://evil.example.org/callback",
        "https://app.example.org/callback/",
        "https://app.example.org/callback?x=1",
        "https://app.example.org/callback#x",
        "https://app.example.org/callback/../other",
        "https://app.example.org/CALLBACK",
        "https://app.example.org:443/callback",
        "https://app.example.org.evil.example.org/callback",
        "https://app.example.org@evil.example.org/callback",
        "http://app.example.org/callback",
        "https://app.example.org/callback ",
        "https://app.example.org/callback\r\nx: y",
        "javascript:alert(1)",
        "//app.example.org/callback",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nobody_is_sent_to_an_address_that_is_not_registered(
    world: World, redirect_uri: str | None, method: str
) -> None:
    """Addresses are compared character by character; a page tells the person, and leads nowhere."""
    answer = world.ask(world.app().client.id, method=method, redirect_uri=redirect_uri)
    assert answer.status_code == 400
    assert answer.json()["template"] == "oauth/refused.html"
    assert "location" not in answer.headers


@pytest.mark.parametrize("client_id", [None, "", "unknown", '{"$ne": null}', "[$ne]"])
def test_nobody_is_sent_anywhere_for_an_unknown_application(world: World, client_id: str | None) -> None:
    """An operator of the database in place of an id is a text like any other."""
    answer = world.ask("", client_id=client_id)
    assert answer.json()["template"] == "oauth/refused.html"
    operator = world.http.get("/oauth/authorize", params={"client_id[$ne]": "x", "redirect_uri": REDIRECT})
    assert operator.json()["template"] == "oauth/refused.html"


@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "state", "scope", "code_challenge"])
def test_a_parameter_that_is_there_twice_is_refused(world: World, name: str) -> None:
    """Two parts of a system that read different ones could be played off against each other."""
    client_id = world.app().client.id
    query = f"client_id={client_id}&redirect_uri={REDIRECT}&state=12345678&scope=openid&{name}=x&{name}=y"
    assert world.http.get(f"/oauth/authorize?{query}").json()["template"] == "oauth/refused.html"


def test_a_code_is_good_once_and_its_replay_takes_all_tokens_back(world: World) -> None:
    """Whoever comes second gets nothing, and what the first one got is good for nothing."""
    client_id = world.app().client.id
    code = world.code(client_id, PATIENT, scope=_SCOPE)
    tokens = world.exchange(client_id, code).json()
    assert world.principal(tokens["access_token"]) is not None
    again = world.exchange(client_id, code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert world.principal(tokens["access_token"]) is None
    assert world.refresh(client_id, tokens["refresh_token"]).json()["error"] == "invalid_grant"


@pytest.mark.requirement("smart-55", "smart-58")
@pytest.mark.parametrize(("seconds", "status"), [(59, 200), (60, 400)])
def test_a_code_is_good_for_a_minute(world: World, seconds: int, status: int) -> None:
    """Who finds it later gets nothing."""
    client_id = world.app().client.id
    code = world.code(client_id)
    world.clock.wait(seconds=seconds)
    assert world.exchange(client_id, code).status_code == status


@pytest.mark.requirement("smart-31")
@pytest.mark.parametrize(
    "form",
    [
        pytest.param({"code_verifier": None}, id="no verifier"),
        pytest.param({"code_verifier": "w" * 64}, id="wrong verifier"),
        pytest.param({"code_verifier": "v" * 42}, id="verifier too short"),
        pytest.param({"code_verifier": challenge_of(VERIFIER)}, id="the challenge as verifier"),
        pytest.param({"redirect_uri": None}, id="no redirect URI"),
        pytest.param({"redirect_uri": "https://app.example.org/other"}, id="other redirect URI"),
        pytest.param({"code": None}, id="no code"),
        pytest.param({"code": "made-up"}, id="code made up"),
    ],
)
def test_a_code_is_bound_to_its_request(world: World, form: dict[str, Any]) -> None:
    """A code that was stolen on its way is of no use without what only the application knows."""
    client_id = world.app(
        redirect_uris=[REDIRECT, "https://app.example.org/other"],
    ).client.id
    code = world.code(client_id)
    answer = world.exchange(client_id, code, **form)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    if "code" not in form:  # once tried, it is spent
        assert world.exchange(client_id, code).status_code == 400


def test_a_code_of_another_application_is_refused(world: World) -> None:
    """A mix-up: an honest application is made to send a code that was another's."""
    mine, other = world.app().client.id, world.app().client.id
    code = world.code(mine)
    assert world.exchange(other, code).json()["error"] == "invalid_grant"


@pytest.mark.requirement("smart-73", "smart-251", "smart-252", "smart-340")
@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"client_id": "unknown"}, 401, "invalid_client"),
        ({"client_id": None}, 401, "invalid_client"),
        ({"client_secret": "x"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": None}, 400, "unsupported_grant_type"),
        ({"grant_type": "client_credentials", "scope": "system/*.rs"}, 400, "unauthorized_client"),
        ({"headers": {"authorization": "Bearer x"}}, 401, "invalid_client"),
        ({"headers": {"authorization": "Basic !"}}, 401, "invalid_client"),
        ({"headers": {"authorization": "Basic eA=="}}, 401, "invalid_client"),
        ({"headers": {"authorization": "Basic eDp5"}, "client_secret": "y"}, 400, "invalid_request"),
        ({"client_assertion": "x.y.z"}, 400, "invalid_request"),
        ({"code": ["a", "b"]}, 400, "invalid_request"),
        ({"x": "y" * 70_000}, 400, "invalid_request"),
        ({"headers": {"content-type": "application/json"}}, 400, "invalid_request"),
    ],
)
def test_the_token_endpoint_refuses(world: World, form: dict[str, Any], status: int, error: str) -> None:
    """What is no honest request of a public application is answered by a code of the specification."""
    answer = world.exchange(world.app().client.id, "c", **form)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.json()["error_description"]
    assert answer.headers["cache-control"] == "no-store"
    assert ("www-authenticate" in answer.headers) == (status == 401)


def test_a_name_is_no_proof_for_an_application_with_a_secret(world: World) -> None:
    """A confidential application cannot pass as a public one, nor with another one's secret."""
    mine = world.app(token_endpoint_auth_method="client_secret_post")
    other = world.app(token_endpoint_auth_method="client_secret_post")
    code = world.code(mine.client.id)
    for secret in (None, "", "wrong", other.secret, mine.client.secret_hash):
        answer = world.exchange(mine.client.id, code, client_secret=secret)
        assert answer.json()["error"] == "invalid_client", secret
    assert world.exchange(mine.client.id, code, client_secret=mine.secret).status_code == 200


@pytest.mark.parametrize("token", ["", None, "csrf of account-doctor", "CSRF of account-patient"])
def test_a_form_of_another_site_changes_nothing(world: World, token: str | None) -> None:
    """Consent, refusal and choice of a patient take the token of the session."""
    client_id = world.app().client.id
    handle = handle_in(world.ask(client_id, scope=_SCOPE))
    world.page(handle, PATIENT)
    for decision in ("allow", "deny", None):
        answer = world.answer(handle, PATIENT, csrf_token=token, decision=decision, patient="anna")
        assert answer.status_code == 403
    assert "code" in returned(world.answer(handle, PATIENT))


def test_what_is_granted_is_what_was_checked(world: World) -> None:
    """The form cannot add scopes, nor say whose record it is about once that is certain."""
    client_id = world.app(scope="launch launch/patient patient/Observation.rs").client.id
    launch = world.launch(patient="anna")
    handle = handle_in(world.ask(client_id, scope="launch patient/*.cruds user/*.rs", launch=launch))
    world.page(handle)
    world.answer(handle, decision=None, patient="bert")
    world.store_patient("bert")
    world.answer(handle, decision=None, patient="bert")
    answer = world.answer(handle, DOCTOR, "patient/*.cruds user/*.rs launch patient/Observation.rs")
    tokens = world.exchange(client_id, returned(answer)["code"]).json()
    assert tokens["scope"] == "launch patient/Observation.rs"
    assert tokens["patient"] == "anna"


@pytest.mark.parametrize("host", ["evil.example.org", "localhost.evil.example.org", "10.0.0.1"])
def test_a_name_that_the_request_brings_is_not_believed(world: World, host: str) -> None:
    """Without FHIR_BASE_URL the server has the name of its own machine, and no other."""
    for path in ("/fhir/.well-known/smart-configuration", "/.well-known/openid-configuration"):
        assert world.http.get(path, headers={"host": host}).status_code == 400
    page = world.http.get("/oauth/authorize", headers={"host": host})
    assert page.json()["template"] == "oauth/refused.html"


def test_secrets_are_stored_as_hashes_only(world: World, mongo_client: Any) -> None:
    """A copy of the database has no code, token, secret or handle in it, and no private key in plain."""
    registered = world.app(token_endpoint_auth_method="client_secret_post")
    launch = world.launch(patient="anna")
    handle = handle_in(world.ask(registered.client.id, launch=launch))
    world.page(handle)
    code = returned(world.answer(handle))["code"]
    tokens = world.exchange(registered.client.id, code, client_secret=registered.secret).json()
    database = mongo_client[world.server.settings.database]
    stored = [
        str(record)
        for name in database.list_collection_names()
        if name.startswith("oauth_")
        for record in database[name].find()
    ]
    assert stored
    secrets = [code, launch, handle, registered.secret, tokens["access_token"], tokens["refresh_token"]]
    assert not [secret for secret in secrets if any(secret in record for record in stored)]
    assert not [record for record in stored if '"d":' in record or "'d':" in record]
