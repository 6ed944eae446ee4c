"""Without tokens the server is for its own machine, whatever program serves it and wherever.

https://asgi.readthedocs.io/en/stable/specs/www.html#http-connection-scope
"""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from fhir_server.app import create_app
from fhir_server.settings import Settings
from fhir_server.transport.loopback import LoopbackOnly, is_loopback


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("192.168.1.2", False),
        ("localhost.example.org", False),
        ("hospital", False),
    ],
)
def test_addresses_of_the_machine_itself(host: str, expected: bool) -> None:
    """Those that stand for all addresses are none; settings without tokens have none but these."""
    assert is_loopback(host) == expected
    if expected:
        assert Settings(auth="off", host=host).host == host
    else:
        assert Settings(auth="on", host=host).host == host
        with pytest.raises(ValidationError, match="the server is for this machine only"):
            Settings(auth="off", host=host)


def _status(server: tuple[str, int | None] | None, **scope: Any) -> int:
    statuses: list[int] = []

    async def application(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b""}

    told = {
        "type": "http",
        "method": "GET",
        "path": "/fhir/Patient",
        "server": server,
        "headers": [],
        **scope,
    }
    asyncio.run(LoopbackOnly(application, "https://fhir.example.org/fhir")(told, receive, send))
    return statuses[0]


@pytest.mark.parametrize(
    ("server", "status"),
    [
        (("127.0.0.1", 8000), 200),
        (("::1", 8000), 200),
        (("/run/fhir.sock", None), 200),
        (("192.168.1.2", 8000), 403),
        (("2001:db8::1", 8000), 403),
        (("hospital.example", 80), 403),
        (None, 403),
    ],
)
def test_only_what_comes_by_them_is_answered(server: tuple[str, int | None] | None, status: int) -> None:
    """The address of the connection decides; a server program that does not tell it gets nothing."""
    assert _status(server) == status
    forged = [(b"host", b"127.0.0.1"), (b"x-forwarded-for", b"127.0.0.1")]
    assert _status(server, headers=forged, client=("127.0.0.1", 9)) == status


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (b"127.0.0.1:8000", 200),
        (b"[::1]:8000", 200),
        (b"LOCALHOST", 200),
        (b"fhir.example.org", 200),
        (b"attacker.example", 403),
        (b"attacker.example:8000", 403),
        (b"127.0.0.1.attacker.example", 403),
        (b"attacker_1.example.", 403),
    ],
    ids=lambda value: str(value),
)
def test_a_page_of_another_site_is_refused(host: bytes, status: int) -> None:
    """Its name may lead to this machine, but it is the name that the browser sends; a proxy's is set."""
    assert _status(("127.0.0.1", 8000), headers=[(b"host", host)]) == status


def test_the_application_itself_keeps_to_it(settings: Settings) -> None:
    """`create_app`, served by another program on a public address, answers nobody, not even about health."""
    transport = httpx.ASGITransport(create_app(settings))

    async def asked(address: str) -> list[int]:
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{address}") as client:
            return [(await client.get(path)).status_code for path in ("/fhir/metadata", "/health/live")]

    assert asyncio.run(asked("10.0.0.1")) == [403, 403]
    assert asyncio.run(asked("127.0.0.1"))[1] == 200


def test_the_application_says_so(settings: Settings, capfd: pytest.CaptureFixture[str]) -> None:
    """A line in the log of the running server tells what it is."""
    create_app(Settings(**settings.model_dump() | {"log_level": "warning", "log_format": "json"}))
    assert "no request needs a token" in capfd.readouterr().err
