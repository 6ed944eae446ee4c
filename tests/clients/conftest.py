"""A server for real clients, and a browser; tests that need the browser are skipped where there is none."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, sync_playwright

from tests.clients.application import Application, running_application
from tests.clients.hospital import Hospital, running_hospital

_MODULES = Path(__file__).parent / "node_modules"
_CHROMIUM = shutil.which("chromium")
_DESKTOP: ViewportSize = {"width": 1280, "height": 900}


def _javascript(*path: str) -> Path:
    file = _MODULES.joinpath(*path)
    if not file.is_file():
        pytest.skip("the npm packages of tests/clients are not installed: make clients")
    return file


@pytest.fixture(scope="session")
def hospital(mongo_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    """The server, with people and records."""
    with running_hospital(mongo_url, tmp_path_factory.mktemp("hospital")) as running:
        yield running


@pytest.fixture(scope="session")
def axe() -> str:
    """The accessibility checker axe, to be run in a page."""
    return _javascript("axe-core", "axe.min.js").read_text()


@pytest.fixture(scope="module")
def application() -> Iterator[Application]:
    """An application that uses the npm package `fhirclient` as it is."""
    library = _javascript("fhirclient", "build", "fhir-client.js").read_bytes()
    with running_application(library) as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The system's Chromium without a window; while it runs, this thread has an event loop."""
    if _CHROMIUM is None:
        pytest.skip("Chromium is not installed: make clients")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """A browser without cookies, of somebody at a desk."""
    context = chromium.new_context(viewport=_DESKTOP, locale="en")
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A tab of it."""
    return context.new_page()
