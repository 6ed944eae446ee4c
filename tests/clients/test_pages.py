"""The server's pages in a browser: by keyboard, with a screen reader, and on a phone.

https://www.w3.org/TR/WCAG22/
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.clients.application import Application
from tests.clients.browsing import choose, sign_in
from tests.clients.hospital import Hospital

_SCOPE = "openid fhirUser launch launch/patient launch/encounter offline_access patient/*.rs patient/*.cud"
_FOCUSABLE = "a[href], button, input:not([type=hidden]), select, textarea"
_FOCUSED = f"[...document.querySelectorAll('{_FOCUSABLE}')].indexOf(document.activeElement)"
# What axe finds beyond the rules for the levels A and AA are its advice.
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

Look = Callable[[Page, str], None]


@pytest.fixture(scope="module")
def start(hospital: Hospital, application: Application) -> str:
    """The page of an application that asks for much, some of it staying."""
    client_id = hospital.application(
        "Growth Chart",
        application.address("/app.html"),
        _SCOPE,
        launch_uri=application.address("/launch.html"),
    )
    asked = f'{{clientId: "{client_id}", redirectUri: "app.html", scope: "{_SCOPE}", iss: "{hospital.fhir}"}}'
    application.scripts |= {"/start.html": f"FHIR.oauth2.authorize({asked});", "/app.html": ""}
    return application.address("/start.html")


@pytest.fixture(params=["desk", "phone in the dark"])
def page(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A tab of a browser at a desk or on a phone."""
    if request.param == "desk":
        context = chromium.new_context(viewport={"width": 1280, "height": 800})
    else:
        context = chromium.new_context(viewport={"width": 360, "height": 740}, color_scheme="dark")
    yield context.new_page()
    context.close()


@pytest.fixture
def looked_at(axe: str) -> Look:
    """Look at a page once its heading is there: with axe, at its width, and at the way by keyboard."""

    def look(page: Page, heading: str) -> None:
        page.get_by_role("heading", name=heading, level=1).wait_for()
        page.evaluate(axe)
        found: dict[str, Any] = page.evaluate(f"axe.run({{runOnly: {_RULES}}})")
        violations = [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]]
        assert violations == [], heading
        assert found["passes"]
        assert page.locator("html").get_attribute("lang") == "en"
        assert page.locator("h1").count() == 1
        width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(width) == 0, heading
        _check_focus(page)

    return look


def test_the_pages_for_people_can_be_used_by_everybody(
    page: Page, hospital: Hospital, looked_at: Look
) -> None:
    """Signing in, also with a wrong password, the own account, and what opens applications."""
    page.goto(f"{hospital.origin}/oauth/launch")
    looked_at(page, "Sign in")
    page.get_by_label("User name").fill("nobody")
    page.get_by_label("Password").fill("x")
    choose(page, "Sign in")
    page.get_by_role("alert").wait_for()
    looked_at(page, "Sign in")
    sign_in(page, "grey")
    looked_at(page, "Open an application")
    page.get_by_label("Name, birth date or number").fill("Muster")
    choose(page, "Search")
    page.get_by_role("status").wait_for()
    looked_at(page, "Open an application")
    choose(page, "Anna Muster")
    page.get_by_role("radio").first.wait_for()
    looked_at(page, "Open an application")
    page.goto(f"{hospital.origin}/auth/account")
    looked_at(page, "Your account")


def test_the_pages_about_an_application_can_be_used_by_everybody(
    page: Page, hospital: Hospital, start: str, looked_at: Look
) -> None:
    """Patient, visit and consent, and what was granted then."""
    page.goto(start)
    sign_in(page, "grey")
    looked_at(page, "Which patient?")
    page.get_by_label("Name, birth date or number").fill("Muster")
    choose(page, "Search")
    page.get_by_role("status").wait_for()
    looked_at(page, "Which patient?")
    choose(page, "Anna Muster")
    looked_at(page, "Which visit?")
    choose(page, "Emergency")
    looked_at(page, "Give Growth Chart access?")
    page.get_by_role("button", name="Allow", exact=True).click()
    page.wait_for_url("**/app.html*")
    page.goto(f"{hospital.origin}/oauth/grants")
    looked_at(page, "What applications may do")


def _check_focus(page: Page) -> None:
    """By the Tab key everything is reached in the order in which it stands, and is seen to be."""
    page.locator("h1").click()  # before which there is nothing
    page.keyboard.press("Tab")
    places: list[int] = []
    while (place := page.evaluate(_FOCUSED)) >= 0 and place not in places:
        places.append(place)
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
        page.keyboard.press("Tab")
    assert places == sorted(places)
    radios = page.locator("input[type=radio]").count()
    # Of the buttons of one choice the key reaches one, and the arrows the others.
    assert len(places) == page.locator(_FOCUSABLE).count() - max(radios - 1, 0)


def test_consent_can_be_given_by_keyboard(page: Page, hospital: Hospital, start: str) -> None:
    """Without a mouse, from the application to the application."""
    page.goto(start)
    page.get_by_role("heading", name="Sign in").wait_for()
    page.keyboard.type("anna")
    page.keyboard.press("Tab")
    page.keyboard.type("correct horse battery")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Which visit?").wait_for()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Give Growth Chart access?").wait_for()
    page.get_by_role("button", name="Allow", exact=True).focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/app.html*")
