"""The npm package `fhirclient`, unmodified and in a browser: from the first redirect to new tokens.

https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html
"""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.clients.application import Application
from tests.clients.browsing import allow, choose, open_from_ehr, sign_in
from tests.clients.hospital import Hospital

_SCOPE = "openid fhirUser launch launch/encounter offline_access patient/*.rs user/Practitioner.rs"
_STANDALONE_SCOPE = "openid fhirUser launch/patient launch/encounter offline_access patient/*.rs"
_DOCUMENTS = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```js\n(.*?)^```", re.MULTILINE | re.DOTALL)

# What is on a developer's page: the patient by name, and what is left for the test to look at.
_READY = """
FHIR.oauth2.ready().then(client => { window.client = client; return client.patient.read(); })
  .then(patient => { document.getElementById("told").textContent = patient.id + " is read"; })
  .catch(failure => { document.getElementById("told").textContent = String(failure); });
"""


@pytest.fixture(scope="module")
def chart(hospital: Hospital, application: Application) -> str:
    """The name of an application that can be opened from the EHR, and that starts by itself too."""
    client_id = hospital.application(
        "Growth Chart",
        application.address("/app.html"),
        f"{_SCOPE} launch/patient",
        launch_uri=application.address("/launch.html"),
    )
    shared = {"clientId": client_id, "redirectUri": "app.html", "pkceMode": "required"}
    from_ehr = json.dumps({**shared, "scope": _SCOPE})
    alone = json.dumps({**shared, "scope": _STANDALONE_SCOPE, "iss": hospital.fhir})
    application.scripts |= {
        "/launch.html": f"FHIR.oauth2.authorize({from_ehr});",
        "/start.html": f"FHIR.oauth2.authorize({alone});",
        "/app.html": _READY,
    }
    return "Growth Chart"


def _told(page: Page) -> str:
    """Return what the application shows once it has read something, or has failed."""
    page.wait_for_function("document.getElementById('told')?.textContent")
    return page.locator("#told").inner_text()


def _in_client(page: Page, expression: str) -> Any:
    return page.evaluate(f"(async () => {{ const client = window.client; return {expression}; }})()")


@pytest.mark.requirement("smart-83")
def test_a_doctor_opens_it_from_the_ehr(
    hospital: Hospital, chart: str, context: BrowserContext, page: Page
) -> None:
    """With the patient and the visit on the screen; it reads both, and who the doctor is."""
    page.goto(f"{hospital.origin}/oauth/launch")
    sign_in(page, "grey")
    tab = open_from_ehr(context, page, chart, patient="Anna Muster", encounter="Emergency")
    allow(tab, "Growth Chart")
    assert _told(tab) == "anna is read"
    assert _in_client(tab, "client.patient.id") == "anna"
    assert _in_client(tab, "client.encounter.id") == "visit-1"
    assert _in_client(tab, "(await client.encounter.read()).type[0].text") == "Emergency"
    assert _in_client(tab, "(await client.user.read()).name[0].family") == "Grey"
    found = _in_client(tab, "(await client.request('Observation?patient=' + client.patient.id)).entry.length")
    assert found == 1
    others = _in_client(tab, "client.request('Patient/bert').then(() => 'read', failure => failure.status)")
    assert others == 404


def test_a_patient_starts_it_alone(
    hospital: Hospital, application: Application, chart: str, page: Page
) -> None:
    """The own record needs no choice; of several visits one is chosen."""
    page.goto(application.address("/start.html"))
    sign_in(page, "anna")
    choose(page, "Check-up")
    allow(page, "Growth Chart")
    assert _told(page) == "anna is read"
    assert _in_client(page, "client.encounter.id") == "visit-0"
    assert _in_client(page, "client.getFhirUser()") == "Patient/anna"
    assert _in_client(page, "client.getIdToken().aud") == _in_client(page, "client.state.clientId")


@pytest.mark.parametrize("way", ["by itself", "when asked to"])
def test_it_gets_new_tokens(
    hospital: Hospital, application: Application, chart: str, page: Page, way: str
) -> None:
    """When the access token is over, the library uses the refresh token, and a second time the next one."""
    page.goto(application.address("/start.html"))
    sign_in(page, "grey")
    page.get_by_label("Name, birth date or number").fill("Bert")
    page.get_by_role("button", name="Search").click()
    choose(page, "Bert Muster")  # whose only visit needs no choice
    allow(page, "Growth Chart")
    assert _told(page) == "bert is read"
    for _ in range(2):
        before = _in_client(page, "client.getState('tokenResponse.access_token')")
        hospital.expire_access_tokens()
        if way == "by itself":
            page.evaluate("window.client.state.expiresAt = 0")
        else:
            page.evaluate("window.client.refresh()")
        assert _in_client(page, "(await client.patient.read()).id") == "bert"
        assert _in_client(page, "client.getState('tokenResponse.access_token')") != before


def test_what_is_taken_back_is_over(
    hospital: Hospital, application: Application, chart: str, context: BrowserContext, page: Page
) -> None:
    """On the page of the grants; the application then has to ask again."""
    page.goto(application.address("/start.html"))
    sign_in(page, "anna")
    choose(page, "None of them")
    allow(page, "Growth Chart")
    assert _told(page) == "anna is read"
    grants = context.new_page()
    grants.goto(f"{hospital.origin}/oauth/grants")
    grants.get_by_role("button", name="Take it back").click()
    grants.get_by_text("It is taken back").wait_for()
    assert grants.get_by_role("button", name="Take it back").count() == 0
    assert _in_client(page, "client.patient.read().then(() => 'read', () => 'refused')") == "refused"
    refreshed = "Promise.resolve().then(() => client.refresh()).then(() => 'new tokens', () => 'refused')"
    assert _in_client(page, refreshed) == "refused"


def test_who_says_no_sends_it_away(
    application: Application, chart: str, page: Page, hospital: Hospital
) -> None:
    """And the library tells the application so."""
    page.goto(application.address("/start.html"))
    sign_in(page, "anna")
    choose(page, "None of them")
    page.get_by_role("button", name="Do not allow").click()
    page.wait_for_url(re.compile(r"/app\.html"))
    assert "The person said no" in _told(page)


@pytest.mark.parametrize("document", ["README.md", "docs/smart.md"])
def test_the_lines_that_are_shown_connect(
    hospital: Hospital, application: Application, page: Page, document: str
) -> None:
    """The command registers the application, and its five lines read the patient; only addresses differ."""
    text = (_DOCUMENTS / document).read_text()
    [lines] = [block for block in _BLOCK.findall(text) if "FHIR.oauth2" in block]
    shown = re.search(r'iss: "(.*?)".*redirectUri: "(.*?)"', lines)
    command = re.search(r"fhir-server (clients add [^`\n]*--redirect-uri [^`\n]*)", text)
    assert len(lines.splitlines()) <= 5
    assert shown is not None
    assert command is not None
    redirect = application.address("/")
    registered = hospital.command(*shlex.split(command[1].replace(shown[2], redirect)))
    assert shown[2] in command[1]
    for one, other in (
        (shown[1], hospital.fhir),
        (shown[2], redirect),
        ('clientId: "..."', f'clientId: "{registered.removeprefix("client_id: ").strip()}"'),
    ):
        lines = lines.replace(one, other)
    application.scripts["/"] = lines
    page.goto(redirect)
    sign_in(page, "anna")
    page.get_by_role("heading", name="access?").wait_for()
    with page.expect_console_message(lambda message: bool(message.args)) as logged:
        page.get_by_role("button", name="Allow", exact=True).click()
    assert logged.value.args[0].json_value()["id"] == "anna"
