"""The visit that an application is about which a person starts by itself.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#standalone-apps
"""

from typing import Any

import pytest

from fhir_server.smart.oauth.discovery import CAPABILITIES
from tests.fhir_server.smart.oauth.world import DOCTOR, PATIENT, World, handle_in, returned

_SCOPE = "launch/encounter launch/patient patient/*.rs"


@pytest.fixture(scope="module", autouse=True)
def _records(world: World) -> None:
    """Anna has three visits, one of which was none, and Ben one; of nobody else there are any."""
    for patient in ("ben", "cleo"):
        world.store_patient(patient, name=[{"family": patient.title()}])
    world.store_encounter("old", "anna", "2020-01-02T03:04:05Z", type=[{"text": "Check-up"}])
    world.store_encounter("new", "anna", "2024-05-06", period={"start": "2024-05-06", "end": "2024-05-09"})
    world.store_encounter("mistake", "anna", "2025-01-01", status="entered-in-error")
    world.store_encounter("only", "ben", "2023-01-01")


def _choose(world: World, patient: str, scope: str = _SCOPE) -> tuple[str, str, dict[str, Any]]:
    """Start an application as a doctor and choose a patient; return application, handle and the next page."""
    client_id = world.app().client.id
    handle = handle_in(world.ask(client_id, scope=scope))
    assert world.page(handle).json()["template"] == "oauth/patient.html"
    return client_id, handle, world.answer(handle, decision=None, patient=patient).json()


def _told(world: World, client_id: str, handle: str, scope: str = _SCOPE) -> dict[str, Any]:
    code = returned(world.answer(handle, scopes=scope))["code"]
    found: dict[str, Any] = world.exchange(client_id, code).json()
    return found


def test_the_latest_visits_are_listed_first(world: World) -> None:
    """With what it was, when, and how it is; what was entered in error is none."""
    _, _, page = _choose(world, "anna")
    assert page["template"] == "oauth/encounter.html"
    assert page["values"]["found"] == [
        {
            "id": "new",
            "title": "ambulatory",
            "begins": "2024-05-06",
            "ends": "2024-05-09",
            "status": "finished",
        },
        {"id": "old", "title": "Check-up", "begins": "2020-01-02 03:04", "ends": "", "status": "finished"},
    ]


@pytest.mark.requirement("smart-149", "smart-167", "smart-171", "smart-364")
@pytest.mark.parametrize(("encounter", "told"), [("old", "old"), ("", None)], ids=["one", "none of them"])
def test_the_application_learns_which_was_chosen(world: World, encounter: str, told: str | None) -> None:
    """Or that it was none, and is then not granted the scope either."""
    client_id, handle, _ = _choose(world, "anna")
    assert world.answer(handle, decision=None, encounter=encounter).json()["template"] == "oauth/consent.html"
    tokens = _told(world, client_id, handle)
    assert tokens.get("encounter") == told
    assert ("launch/encounter" in tokens["scope"].split()) is (told is not None)
    assert world.principal(tokens["access_token"]).encounter == told


@pytest.mark.parametrize(("patient", "told"), [("ben", "only"), ("cleo", None)], ids=["one", "none"])
def test_nobody_chooses_among_one_or_none(world: World, patient: str, told: str | None) -> None:
    """The page is passed over."""
    client_id, handle, page = _choose(world, patient)
    assert page["template"] == "oauth/consent.html"
    assert _told(world, client_id, handle).get("encounter") == told


@pytest.mark.parametrize("encounter", ["only", "nothing", "secret", "../x"])
def test_only_a_visit_of_the_patient_is_taken(world: World, encounter: str) -> None:
    """Another patient's, one that is not there or not to be seen, and what is no id: the page comes again."""
    world.store_encounter("secret", "anna", "2019-01-01")
    _, handle, _ = _choose(world, "anna")
    page = world.answer(handle, decision=None, encounter=encounter).json()
    assert page["template"] == "oauth/encounter.html"
    assert encounter not in [one["id"] for one in page["values"]["found"]]


def test_a_visit_alone_needs_a_patient_to_be_chosen(world: World) -> None:
    """Whose name the application is not told, if it did not ask for it."""
    scope = "launch/encounter user/Observation.rs"
    client_id, handle, page = _choose(world, "ben", scope)
    assert page["template"] == "oauth/consent.html"
    tokens = _told(world, client_id, handle, scope)
    assert tokens["encounter"] == "only"
    assert "patient" not in tokens


def test_a_patient_chooses_among_the_own(world: World) -> None:
    """The record needs no choice, and then the visits of this record are listed."""
    handle = handle_in(world.ask(world.app().client.id, scope=_SCOPE))
    page = world.page(handle, PATIENT).json()
    assert page["template"] == "oauth/encounter.html"
    assert [one["id"] for one in page["values"]["found"]] == ["new", "old"]
    assert page["values"]["patient"]["name"] == "Anna Muster"


def test_nobody_asks_again_what_was_said_in_the_ehr(world: World) -> None:
    """There the visit could be chosen, and was not."""
    launch = world.launch(DOCTOR, patient="anna")
    scope = f"launch {_SCOPE}"
    handle = handle_in(world.ask(world.app().client.id, scope=scope, launch=launch))
    assert world.page(handle).json()["template"] == "oauth/consent.html"


def test_the_capability_is_told() -> None:
    """As https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#capabilities names it."""
    assert "context-standalone-encounter" in CAPABILITIES
