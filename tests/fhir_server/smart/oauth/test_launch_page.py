"""The page on which people open applications, and what the application then is told.

https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#launch-app-ehr-launch
"""

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from fhir_server.smart.oauth.accounts import Person
from fhir_server.store.oauth import Client
from tests.fhir_server.smart.oauth.world import DOCTOR, FHIR, PARENT, PATIENT, World, handle_in, returned

_LAUNCH = "https://app.example.org/launch"


@pytest.fixture(scope="module", autouse=True)
def chart(world: World) -> Client:
    """An application that can be opened, beside some that cannot, and patients with visits."""
    chart = world.app(client_name="Chart", launch_uri=_LAUNCH).client
    world.app(client_name="Standalone")
    itself = world.app(client_name="Itself", launch_uri="https://itself.example.org/").client
    assert world.run(world.server.oauth.clients.replace(replace(itself, is_dynamic=True)))
    world.store_patient("ben", name=[{"family": "Ben"}])
    world.store_patient("secret", name=[{"family": "Secret"}])
    world.store_encounter("first", "anna", "2020-01-01")
    world.store_encounter("second", "anna", "2021-01-01")
    world.store_encounter("only", "ben", "2022-01-01")
    return chart


def _look(world: World, person: Person | None = DOCTOR, **named: str) -> httpx.Response:
    headers = {} if person is None else {"x-account": person.account_id}
    return world.http.get("/oauth/launch", params=named, headers=headers)


def _send(world: World, person: Person = DOCTOR, **fields: str) -> httpx.Response:
    form = {"csrf_token": f"csrf of {person.account_id}"} | fields
    return world.http.post("/oauth/launch", data=form, headers={"x-account": person.account_id})


def _opened(response: httpx.Response) -> str:
    """Return the handle with which the application is opened."""
    page = response.json()
    assert page["template"] == "oauth/opening.html"
    parts = urlsplit(page["values"]["address"])
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == _LAUNCH
    given = dict(parse_qsl(parts.query))
    assert given["iss"] == FHIR
    return str(given["launch"])


def _chart_in(response: httpx.Response) -> dict[str, Any]:
    page = response.json()
    assert page["template"] == "oauth/launch.html"
    found: dict[str, Any] = page["values"]["chart"]
    return found


def test_those_applications_are_listed_that_somebody_registered(world: World) -> None:
    """With an address to open; not those that registered themselves, whatever they call themselves."""
    values = _look(world).json()["values"]
    assert [one["name"] for one in values["applications"]] == ["Chart"]
    assert values["applications"][0]["host"] == "app.example.org"


def test_who_is_not_signed_in_does_that_first(world: World) -> None:
    """And comes back to the patient whom the link named."""
    way = _look(world, None, patient="anna", other="x").headers["location"]
    assert dict(parse_qsl(urlsplit(way).query)) == {"next": "/oauth/launch?patient=anna"}


@pytest.mark.requirement("smart-83", "smart-171", "smart-362")
def test_the_application_is_told_what_was_chosen(world: World, chart: Client) -> None:
    """From the search for the patient to the tokens."""
    assert [one["id"] for one in _send(world, search="Muster").json()["values"]["found"]] == ["anna"]
    page = _chart_in(_send(world, patient="anna"))
    assert [one["id"] for one in page["encounters"]] == ["second", "first"]
    assert page["encounter"] is None
    launch = _opened(_send(world, patient="anna", encounter="first", client=chart.id))
    tokens = world.tokens(chart.id, DOCTOR, scope="launch launch/encounter patient/*.rs", launch=launch)
    assert (tokens["patient"], tokens["encounter"]) == ("anna", "first")
    assert tokens["need_patient_banner"] is True


def test_an_only_visit_is_chosen_by_itself(world: World, chart: Client) -> None:
    """Until somebody says that it is about none."""
    assert _chart_in(_send(world, patient="ben"))["encounter"] == "only"
    for opened, told in (
        (_send(world, patient="ben", client=chart.id), "only"),
        (_send(world, patient="ben", client=chart.id, encounter=""), None),
    ):
        launch = _opened(opened)
        tokens = world.tokens(chart.id, DOCTOR, scope="launch patient/*.rs", launch=launch)
        assert tokens.get("encounter") == told


def test_a_page_elsewhere_can_link_to_a_visit(world: World) -> None:
    """What the address names is open on the page."""
    page = _chart_in(_look(world, patient="anna", encounter="first"))
    assert (page["patient"]["id"], page["encounter"]) == ("anna", "first")


@pytest.mark.parametrize("patient", ["secret", "nobody", "../x"])
def test_nobody_is_open_whom_the_person_may_not_see(world: World, chart: Client, patient: str) -> None:
    """Neither on the page nor for the application."""
    assert _chart_in(_look(world, patient=patient))["patient"] is None
    launch = _opened(_send(world, patient=patient, client=chart.id))
    handle = handle_in(world.ask(chart.id, scope="launch patient/*.rs", launch=launch))
    assert world.page(handle).json()["template"] == "oauth/patient.html"


def test_a_visit_of_another_patient_is_not_handed_over(world: World, chart: Client) -> None:
    """Though both may be seen."""
    world.events.clear()
    launch = _opened(_send(world, patient="anna", encounter="only", client=chart.id))
    assert [(one.kind, one.client_id, one.patient) for one in world.events] == [("launch", chart.id, "anna")]
    tokens = world.tokens(chart.id, DOCTOR, scope="launch patient/*.rs", launch=launch)
    assert tokens["patient"] == "anna"
    assert "encounter" not in tokens


def test_a_patient_opens_it_for_the_own_record(world: World) -> None:
    """Which is open by itself; another one is not, and nobody is searched for."""
    page = _look(world, PATIENT).json()["values"]
    assert page["chart"]["patient"]["id"] == "anna"
    assert not page["is_search"]
    assert _chart_in(_send(world, PATIENT, patient="ben"))["patient"] is None


def test_who_acts_for_several_chooses_among_them(world: World) -> None:
    """And none of them is open before."""
    page = _look(world, PARENT).json()["values"]
    assert page["chart"]["patient"] is None
    assert [one["id"] for one in page["found"]] == ["anna", "ben"]
    assert _chart_in(_send(world, PARENT, patient="ben"))["patient"]["id"] == "ben"


def test_the_handle_is_for_this_application_and_person(world: World, chart: Client) -> None:
    """Another application cannot use it, and another person cannot answer."""
    launch = _opened(_send(world, patient="anna", client=chart.id))
    other = world.app().client.id
    refused = returned(world.ask(other, scope="launch patient/*.rs", launch=launch))
    assert refused["error"] == "invalid_request"
    handle = handle_in(world.ask(chart.id, scope="launch patient/*.rs", launch=launch))
    assert returned(world.page(handle, PATIENT))["error"] == "access_denied"


@pytest.mark.parametrize("name", ["Standalone", "Itself", "Nothing"])
def test_what_is_not_listed_is_not_opened(world: World, name: str) -> None:
    """The page says so."""
    known = {client.name: client.id for client in world.run(world.server.oauth.clients.all())}
    answer = _send(world, client=known.get(name, name))
    assert answer.status_code == 422
    assert answer.json()["values"]["was_refused"] is True


def test_a_form_of_another_site_opens_nothing(world: World, chart: Client) -> None:
    """The token of the session is in none of their forms."""
    answer = _send(world, csrf_token="x", patient="anna", client=chart.id)
    assert answer.status_code == 403
    assert answer.json()["template"] == "oauth/expired.html"
