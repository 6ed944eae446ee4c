"""The tour through the demo hospital in docs/demo.md."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import httpx
import pytest

from fhir_server.demo.generation import hospital_parts
from fhir_server.demo.loading import load_demo
from fhir_server.loader.loading import Report
from fhir_server.loader.submission import Failure

TOUR = Path(__file__).parents[3] / "docs" / "demo.md"


class _Watch:
    def failed(self, failure: Failure) -> None:
        """A demo that cannot be loaded has no tour."""
        raise AssertionError(str(failure))

    def advanced(self, report: Report) -> None:
        """Nothing to show."""


def stops() -> Iterator[str]:
    """Return the searches that the tour proposes: the lines of the blocks that are no shell commands."""
    block = ""
    for line in TOUR.read_text().splitlines():
        if line.startswith("```"):
            block = "" if block else line
        elif block == "```":
            yield line


@pytest.fixture(scope="module")
def toured(base_url: str, client: httpx.Client, today: date) -> httpx.Client:
    """A server with the hospital's first sixty patients."""
    load_demo(base_url, hospital_parts(today, patients=60), Report(), _Watch())
    return client


def test_every_stop_of_the_tour_shows_something(toured: httpx.Client) -> None:
    """Each search of the document is one that this server answers, with at least one match."""
    found = {}
    for stop in stops():
        answer = toured.get(f"/{stop}")
        assert answer.status_code == 200, (stop, answer.text)
        found[stop] = len(answer.json().get("entry", [])) or answer.json().get("total", 0)
    assert len(found) > 12
    assert [stop for stop, number in found.items() if not number] == []
