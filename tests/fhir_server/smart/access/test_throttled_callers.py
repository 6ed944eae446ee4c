"""How many requests an application may send for one person (https://www.rfc-editor.org/rfc/rfc6585#section-4)."""

from collections.abc import Iterator

import httpx
import pytest

from fhir_server.settings import Settings
from fhir_server.smart.principal import Principal
from tests.fhir_server.conftest import running_server

_BURST = 3
_SYSTEM = ("system/*.cruds",)


async def _authenticate(token: str) -> Principal | None:
    """Take `application.person.number` for a token: the number tells apart tokens of the same grant."""
    client_id, account_id, _ = token.split(".")
    scopes = _SYSTEM if not account_id else ("user/*.rs",)
    return Principal(client_id, scopes, account_id or None, None, frozenset({"AU"} if account_id else ()))


@pytest.fixture(scope="module")
def http(settings: Settings) -> Iterator[httpx.Client]:
    """A server at which an application may send three requests, and the next in a quarter of an hour."""
    limits = {"token_requests_per_second": 0.001, "token_request_burst": _BURST, "audit": "on"}
    with (
        running_server(settings.model_copy(update=limits), _authenticate) as url,
        httpx.Client(base_url=url) as client,
    ):
        yield client


def _ask(http: httpx.Client, token: str, path: str = "/Basic/none") -> httpx.Response:
    return http.get(path, headers={"authorization": f"Bearer {token}"})


@pytest.mark.parametrize("who", ["app.ada", "service."], ids=["for a person", "for itself"])
def test_an_application_is_counted_whichever_its_token(http: httpx.Client, who: str) -> None:
    """A new token is no new beginning; the answer says in FHIR how long to wait."""
    answers = [_ask(http, f"{who}.{number}") for number in range(_BURST + 1)]
    assert [one.status_code for one in answers] == [404, 404, 404, 429]
    assert answers[-1].json()["issue"][0]["code"] == "throttled"
    assert 900 < int(answers[-1].headers["retry-after"]) <= 1000
    assert answers[-1].headers.get_list("retry-after", split_commas=False) == [
        answers[-1].headers["retry-after"]
    ]


def test_others_do_not_wait_for_it(http: httpx.Client) -> None:
    """Neither the same application for another person, nor another one for the same."""
    for _ in range(_BURST + 1):
        busy = _ask(http, "busy.ben.1")
    assert busy.status_code == 429
    assert _ask(http, "busy.carla.1").status_code == 404
    assert _ask(http, "calm.ben.1").status_code == 404


def test_what_needs_no_token_is_not_counted(http: httpx.Client) -> None:
    """The statement of what the server does is told to whoever was refused."""
    for _ in range(_BURST + 1):
        _ask(http, "curious.dan.1")
    assert _ask(http, "curious.dan.1", "/metadata").status_code == 200


def test_what_is_refused_for_its_number_is_not_on_record(http: httpx.Client) -> None:
    """A flood of requests does not become one of records; what was answered before it is there."""
    for number in range(_BURST + 5):
        _ask(http, f"flood.eve.{number}")
    found = _ask(http, "log..1", "/AuditEvent?_count=100").json()
    outcomes = [entry["resource"]["outcomeDesc"] for entry in found["entry"]]
    assert [one for one in outcomes if one.startswith("404")]
    assert not [one for one in outcomes if one.startswith("429")]
