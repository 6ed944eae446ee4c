"""The pages on which a person answers an application, as they are sent."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.responses import Response

from fhir_server.smart.oauth.encounters import FoundEncounter
from fhir_server.smart.oauth.grants_page import GrantedApplication
from fhir_server.smart.oauth.patients import FoundPatient
from fhir_server.smart.oauth.plain_words import line
from fhir_server.smart.pages.rendering import page
from tests.fhir_server.smart.oauth.world import DOCTOR, REDIRECT, World

_HOSTILE = '"><script>alert(1)</script>'
_ANNA = FoundPatient("anna", _HOSTILE, "1980-02-03", "female", _HOSTILE)
_VISIT = FoundEncounter("e1", _HOSTILE, _HOSTILE, _HOSTILE, _HOSTILE)
_GRANTED = GrantedApplication(
    "x", _HOSTILE, datetime(2024, 1, 1, tzinfo=UTC), [], [_HOSTILE], is_lasting=True
)
_LAUNCH_PAGE = {
    "applications": [{"id": "x", "name": _HOSTILE, "host": _HOSTILE}],
    "chart": {"patient": _ANNA, "encounters": [_VISIT], "encounter": None},
    "found": [_ANNA],
    "is_search": True,
    "most": 20,
    "most_encounters": 20,
    "person": DOCTOR,
    "search": _HOSTILE,
    "was_refused": False,
}


def _page(world: World, template: str, **values: Any) -> tuple[Response, str]:
    client = world.app(client_name=f"Chart {_HOSTILE}").client
    shared = {
        "csrf_token": "t",
        "client": client,
        "handle": "h",
        "action": "/oauth/consent",
        "host": _HOSTILE,
    }
    response = page(f"oauth/{template}.html", values=shared | values, may_lead_to=REDIRECT)
    return response, bytes(response.body).decode()


def test_the_consent_page_shows_each_scope(world: World) -> None:
    """Each is a box of its own in plain words, and what changes records is marked."""
    scopes = ["openid", "patient/Observation.rs", "patient/*.cud", "user/Patient.rs?_id=1"]
    lines = [line(scope) for scope in scopes]
    response, text = _page(world, "consent", lines=lines, patient=_ANNA, person=DOCTOR)
    assert re.findall(r'type="checkbox" name="scope" value="([^"]+)" checked', text) == scopes
    assert text.count("(changes records)") == 1
    assert "Add, change and delete all kinds of records of this patient" in text
    assert "that you may see, only where _id is 1" in text
    assert "has checked it" not in text
    policy = response.headers["content-security-policy"]
    assert "form-action 'self' https://app.example.org" in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert response.headers["cache-control"] == "no-store"
    # With no-referrer browsers would not say that our own forms are ours.
    assert response.headers["referrer-policy"] == "same-origin"


def test_an_application_that_nobody_checked_is_marked(world: World) -> None:
    """It registered itself, and could call itself anything."""
    from dataclasses import replace

    client = replace(world.app().client, is_dynamic=True)
    _, text = _page(world, "consent", lines=[], patient=None, person=DOCTOR, client=client)
    assert "Nobody at this hospital has checked it" in text


@pytest.mark.parametrize(
    ("template", "values"),
    [
        ("consent", {"lines": [], "patient": _ANNA, "person": DOCTOR}),
        ("patient", {"found": [_ANNA], "search": _HOSTILE, "most": 20, "is_search": True}),
        ("patient", {"found": [_ANNA], "search": "", "most": 20, "is_search": False}),
        ("encounter", {"found": [_VISIT], "patient": _ANNA, "most": 20}),
        ("launch", _LAUNCH_PAGE),
        ("opening", {"name": _HOSTILE, "address": f"https://app.example.org/?{_HOSTILE}"}),
        ("grants", {"applications": [_GRANTED], "done": False}),
        ("refused", {}),
        ("expired", {}),
        ("failed", {"error": "server_error", "error_description": _HOSTILE}),
    ],
)
def test_what_others_wrote_is_text(world: World, template: str, values: dict[str, Any]) -> None:
    """Names of applications and patients, and what was searched for, are escaped; there are no scripts."""
    _, text = _page(world, template, **values)
    assert "<script" not in text
    assert '<html lang="en">' in text


@pytest.mark.parametrize(
    ("patient", "text"),
    [
        (FoundPatient("a", "Anna", "1980-02-03", "female", "MRN-1"), "born 1980-02-03, female, number MRN-1"),
        (FoundPatient("a", "Anna", "", "female", ""), "female"),
        (FoundPatient("a", "Anna", "", "", "MRN-1"), "number MRN-1"),
        (FoundPatient("a", "Anna", "", "", ""), ""),
    ],
    ids=["all", "gender", "number", "nothing"],
)
def test_a_patient_is_told_by_what_is_known(world: World, patient: FoundPatient, text: str) -> None:
    """With commas between, and none where nothing is."""
    _, shown = _page(world, "patient", found=[patient], search="", most=20, is_search=False)
    assert f'Anna<br><span class="hint">{text}</span>' in shown


def test_those_who_act_for_few_do_not_search(world: World) -> None:
    """They choose among the records that are theirs."""
    _, text = _page(world, "patient", found=[_ANNA], search="", most=20, is_search=False)
    assert 'role="search"' not in text
    assert 'name="patient" value="anna"' in text


@pytest.mark.parametrize(
    ("scope", "text"),
    [
        ("patient/Observation.rs", "See measurements and laboratory results of this patient"),
        ("patient/Condition.c", "Add diagnoses and problems of this patient"),
        ("user/*.cruds", "See, add, change and delete all kinds of records that you may see"),
        ("user/Basic.s", "See records of the kind Basic that you may see"),
        (
            "patient/Observation.rs?category=http://x|laboratory",
            "See measurements and laboratory results of this patient, only where category is laboratory",
        ),
        ("offline_access", "Go on having this access when you are not using it, until you take it back"),
    ],
)
def test_scopes_in_plain_words(scope: str, text: str) -> None:
    """Somebody who has never heard of FHIR knows what it is about."""
    assert line(scope).text == text
