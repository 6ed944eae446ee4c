"""How many connections there may be, in all and of each client."""

from http import HTTPStatus

from fhir_server.settings import Settings
from fhir_server.transport.connections import Connections


def test_the_number_in_all_is_bounded() -> None:
    """More are refused as busy, whoever they are from, until others have ended."""
    connections = Connections(Settings(max_connections=3))
    refusals = [connections.opened(f"192.0.2.{number}") for number in range(4)]
    assert refusals == [None, None, None, HTTPStatus.SERVICE_UNAVAILABLE]
    for number in (3, 0):
        connections.closed(f"192.0.2.{number}")
    assert connections.opened("192.0.2.9") is None


def test_the_number_of_each_client_is_bounded() -> None:
    """A network of IPv6 counts as one client, a trusted proxy not at all."""
    settings = Settings(max_client_connections=2, trusted_proxies="10.0.0.1")
    connections = Connections(settings)
    addresses = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.1"]
    refusals = [connections.opened(address) for address in addresses]
    assert refusals == [None, None, HTTPStatus.TOO_MANY_REQUESTS, None]
    assert [connections.opened("10.0.0.1") for _ in range(5)] == [None] * 5


def test_nothing_is_kept_of_clients_that_are_gone() -> None:
    """Ever new addresses take no memory."""
    connections = Connections(Settings())
    for number in range(1000):
        connections.opened(f"198.51.{number // 250}.{number % 250}")
        connections.closed(f"198.51.{number // 250}.{number % 250}")
    assert not connections._open
