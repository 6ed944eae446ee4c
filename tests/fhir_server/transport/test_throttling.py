"""How many requests one client may send, by a clock that only the tests move."""

import json

import pytest

from fhir_server.transport.throttling import Throttle
from tests.fhir_server.transport.gated import Gated


class Clock:
    """A clock that stands still."""

    now = 1_000.0

    def read(self) -> float:
        """The time, in seconds."""
        return self.now


def _taken(throttle: Throttle, client: str, most: int = 1_000) -> int:
    return next(number for number in range(most) if throttle.wait(client))


def test_a_burst_and_then_the_rate() -> None:
    """As many at once as the burst says; then as many as the rate says; after a rest a burst again."""
    clock = Clock()
    throttle = Throttle(2, 10, clock=clock.read)
    assert _taken(throttle, "a") == 10
    assert throttle.wait("a") == pytest.approx(0.5)
    clock.now += 1
    assert _taken(throttle, "a") == 2
    clock.now += 3_600
    assert _taken(throttle, "a") == 10


def test_what_is_refused_is_not_counted() -> None:
    """A client that goes on asking gets its share all the same."""
    clock = Clock()
    throttle = Throttle(1, 1, clock=clock.read)
    _taken(throttle, "a")
    for _ in range(10):
        clock.now += 0.09
        assert throttle.wait("a")
    clock.now += 0.11
    assert not throttle.wait("a")


def test_clients_do_not_share() -> None:
    """One client's haste is not another's wait."""
    throttle = Throttle(1, 3, clock=Clock().read)
    assert [_taken(throttle, client) for client in "abc"] == [3, 3, 3]


def test_zero_is_no_limit() -> None:
    """Without a rate nothing is refused, and nothing kept."""
    throttle = Throttle(0, 1, clock=Clock().read)
    assert not any(throttle.wait("a") for _ in range(100))


def test_memory_is_bounded() -> None:
    """Of ever new addresses no more than a number is kept; those that have long been quiet go first."""
    clock = Clock()
    throttle = Throttle(1, 2, most_clients=100, clock=clock.read)
    for number in range(90):
        throttle.wait(f"quiet {number}")
    clock.now += 60
    assert _taken(throttle, "busy") == 2
    for number in range(40):
        throttle.wait(f"new {number}")
    assert throttle.wait("busy")
    for number in range(10_000):
        throttle.wait(f"flood {number}")
        assert len(throttle._full_at) <= 100


def test_too_many_requests_are_told_in_fhir() -> None:
    """429 with the seconds to wait and an OperationOutcome, in the format that the client takes."""
    gated = Gated(requests_per_second=0.1, request_burst=2)
    answers = [gated.ask(headers=[("accept", "application/fhir+json")]) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    refusal = answers[-1]
    assert refusal.scope is None
    assert refusal.header("retry-after") == "10"
    assert json.loads(refusal.body)["issue"][0]["code"] == "throttled"
    assert refusal.header("x-content-type-options") == "nosniff"
    in_xml = gated.ask(headers=[("accept", "application/fhir+xml")])
    assert (in_xml.header("content-type") or "").startswith("application/fhir+xml")
    assert gated.ask("HEAD").body == b""
    assert gated.ask(peer="192.0.2.2").status == 200


def test_health_is_always_told() -> None:
    """A machine that looks after the server is not refused."""
    gated = Gated(requests_per_second=0.1, request_burst=1)
    assert [gated.ask(path="/health/live").status for _ in range(3)] == [200] * 3


def test_clients_behind_a_proxy_have_a_share_each() -> None:
    """A named proxy is not a client; what it tells of its client counts."""
    gated = Gated(requests_per_second=0.1, request_burst=1, trusted_proxies="10.0.0.1")
    addresses = ["198.51.100.1", "198.51.100.2", "198.51.100.1"]
    statuses = [
        gated.ask(headers=[("x-forwarded-for", address)], peer="10.0.0.1").status for address in addresses
    ]
    assert statuses == [200, 200, 429]
