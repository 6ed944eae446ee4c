"""How much a page holds at most, whatever a client asks for: https://hl7.org/fhir/R4/search.html#count."""

from collections.abc import Iterator

import httpx
import pytest

from fhir_server.settings import Settings
from tests.fhir_server.conftest import FHIR_JSON, running_server


@pytest.fixture(scope="module")
def small(settings: Settings) -> Iterator[httpx.Client]:
    """A client of a server whose pages are small."""
    with (
        running_server(settings.model_copy(update={"max_page_size": 3})) as url,
        httpx.Client(base_url=url, headers={"content-type": FHIR_JSON}, timeout=30) as http,
    ):
        yield http


@pytest.mark.workflow("2-15")
def test_a_page_is_no_larger_than_the_hospital_allows(small: httpx.Client) -> None:
    """Who asks for a thousand gets three, and a link to the rest."""
    for number in range(5):
        answer = small.put(
            f"/Basic/b{number}", json={"resourceType": "Basic", "id": f"b{number}", "code": {"text": "x"}}
        )
        assert answer.status_code == 201
    page = small.get("/Basic?_count=1000").json()
    assert len(page["entry"]) == 3
    following = next(link["url"] for link in page["link"] if link["relation"] == "next")
    assert len(small.get(following).json()["entry"]) == 2
