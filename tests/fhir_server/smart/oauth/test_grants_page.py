"""The page on which people see what applications may do, and take it back."""

from typing import Any

import httpx
import pytest

from fhir_server.smart.oauth.accounts import Person
from tests.fhir_server.smart.oauth.world import DOCTOR, PATIENT, SCOPE, Key, World, key

_LASTING = "launch/patient patient/Observation.rs offline_access"


def _look(world: World, person: Person = PATIENT) -> list[dict[str, Any]]:
    page = world.http.get("/oauth/grants", headers={"x-account": person.account_id}).json()
    assert page["template"] == "oauth/grants.html"
    found: list[dict[str, Any]] = list(page["values"]["applications"])
    return found


def _take_back(world: World, client_id: str, person: Person = PATIENT, **fields: str) -> httpx.Response:
    form = {"csrf_token": f"csrf of {person.account_id}", "client": client_id} | fields
    return world.http.post("/oauth/grants", data=form, headers={"x-account": person.account_id})


def test_a_person_sees_who_may_do_what(world: World) -> None:
    """Each application once, with all that it was granted, in plain words."""
    client = world.app(client_name="Diary", scope=f"{SCOPE} patient/Condition.cud").client
    world.tokens(client.id, scope=_LASTING)
    world.clock.wait(seconds=1)
    world.tokens(client.id, scope="launch/patient patient/Condition.cud")
    [mine] = [one for one in _look(world) if one["client_id"] == client.id]
    assert mine["name"] == "Diary"
    assert mine["patients"] == ["Anna Muster"]
    assert mine["is_lasting"] is True
    assert [line["text"] for line in mine["lines"]] == [
        "Know which patient this is about",
        "See measurements and laboratory results of this patient",
        "Go on having this access when you are not using it, until you take it back",
        "Add, change and delete diagnoses and problems of this patient",
    ]
    assert not [one for one in _look(world, DOCTOR) if one["client_id"] == client.id]


def test_what_is_taken_back_ends_at_once(world: World) -> None:
    """Access tokens, refresh tokens and codes of all grants to the application by this person, no others."""
    taken, left = world.app().client.id, world.app().client.id
    tokens = [world.tokens(taken, scope=_LASTING) for _ in range(2)]
    kept = [world.tokens(left, scope=_LASTING), world.tokens(taken, DOCTOR, scope="user/*.rs offline_access")]
    code = world.code(taken, scope=_LASTING)
    page = _take_back(world, taken).json()
    assert page["values"]["done"] is True
    assert taken not in [one["client_id"] for one in page["values"]["applications"]]
    for one in tokens:
        assert world.principal(one["access_token"]) is None
        assert world.refresh(taken, one["refresh_token"]).json()["error"] == "invalid_grant"
    assert world.exchange(taken, code).json()["error"] == "invalid_grant"
    assert all(world.principal(one["access_token"]) is not None for one in kept)
    assert world.refresh(left, kept[0]["refresh_token"]).status_code == 200


@pytest.mark.parametrize("attack", ["forged form", "another person", "no application"])
def test_nobody_takes_back_for_others(world: World, attack: str) -> None:
    """Neither another site nor another person, and a form without a choice changes nothing."""
    client_id = world.app().client.id
    token = world.tokens(client_id, scope=_LASTING)["access_token"]
    match attack:
        case "forged form":
            assert _take_back(world, client_id, csrf_token="x").status_code == 403
        case "another person":
            _take_back(world, client_id, DOCTOR)
        case _:
            _take_back(world, "")
    assert world.principal(token) is not None


def test_who_is_not_signed_in_does_that_first(world: World) -> None:
    """And comes back."""
    assert world.http.get("/oauth/grants").headers["location"] == "/auth/login?next=%2Foauth%2Fgrants"


def test_services_are_no_persons_grants(world: World) -> None:
    """What a backend service has is nobody's to take back here."""
    service: Key = key()
    client = world.app(
        grant_types=["client_credentials"],
        token_endpoint_auth_method="private_key_jwt",
        jwks=service.jwks,
        scope="system/*.rs",
    ).client
    assert world.service(service.assertion(client.id, world.clock())).status_code == 200
    assert not [one for one in _look(world, DOCTOR) if one["client_id"] == client.id]


def test_an_application_that_was_removed_can_be_taken_back_from(world: World) -> None:
    """It is listed by its number, as long as anything of it is left."""
    client_id = world.app().client.id
    world.tokens(client_id, scope=_LASTING)
    world.run(world.server.oauth.clients.remove(client_id))
    assert client_id in [one["name"] for one in _look(world)]
    _take_back(world, client_id)
    assert client_id not in [one["name"] for one in _look(world)]
