"""What people do in a browser on the server's pages."""

from playwright.sync_api import BrowserContext, Page

from tests.clients.hospital import PASSWORD


def sign_in(page: Page, name: str) -> None:
    """Enter name and password."""
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def choose(page: Page, text: str) -> None:
    """Choose from a list of buttons."""
    page.get_by_role("button", name=text).click()


def allow(page: Page, application: str) -> None:
    """Let the application have what it asks for."""
    page.get_by_role("heading", name=f"Give {application} access?").wait_for()
    page.get_by_role("button", name="Allow", exact=True).click()


def open_from_ehr(
    context: BrowserContext, page: Page, application: str, *, patient: str, encounter: str
) -> Page:
    """Look for a patient on the page of applications, choose a visit, and return the application's tab."""
    page.get_by_label("Name, birth date or number").fill(patient)
    page.get_by_role("button", name="Search").click()
    choose(page, patient)
    page.get_by_role("radio", name=encounter).check()
    with context.expect_page() as opened:
        choose(page, application)
    return opened.value
