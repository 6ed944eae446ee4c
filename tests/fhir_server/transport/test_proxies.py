"""Who a request is from when proxies hand it on: https://www.rfc-editor.org/rfc/rfc7239."""

import pytest
from pydantic import ValidationError

from fhir_server.settings import Settings
from fhir_server.transport.proxies import TrustedProxies, network_of
from tests.fhir_server.transport.gated import Gated

PROXY, INNER, CLIENT, LIE = "10.0.0.1", "10.0.0.2", "198.51.100.7", "203.0.113.66"
TRUSTED = "10.0.0.0/8, 2001:db8:1::/48"

X_FORWARDED_FOR = [
    ([CLIENT], CLIENT),
    ([f"{LIE}, {CLIENT}"], CLIENT),
    ([LIE, CLIENT], CLIENT),
    ([f"{LIE},{CLIENT},{INNER}"], CLIENT),
    ([f"{CLIENT}:50000"], CLIENT),
    (["2001:db8::7"], "2001:db8::7"),
    (["[2001:db8::7]:443"], "2001:db8::7"),
    (["[2001:db8::7]"], "2001:db8::7"),
    ([f"::ffff:{CLIENT}"], CLIENT),
    ([], PROXY),
    ([""], PROXY),
    (["unknown"], PROXY),
    ([f"{CLIENT}, unknown"], PROXY),
    ([f"{CLIENT}, nonsense, {INNER}"], INNER),
    ([f"{CLIENT};x"], PROXY),
    (["1.2.3.4\xff"], PROXY),
    (["fe80::1%eth0"], PROXY),
    (["999.1.1.1"], PROXY),
    ([f'"{LIE}, {CLIENT}'], CLIENT),
    ([INNER], INNER),
]


@pytest.mark.parametrize(("values", "client"), X_FORWARDED_FOR)
def test_the_address_in_front_of_our_proxies_counts(values: list[str], client: str) -> None:
    """What a client writes into the header itself is never taken for its address."""
    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in values]
    assert TrustedProxies(TRUSTED, "x-forwarded-for").client(PROXY, headers).address == client


FORWARDED = [
    (f"for={CLIENT}", CLIENT, None),
    (f"for={CLIENT};proto=https;by=10.0.0.1", CLIENT, "https"),
    (f"For={CLIENT}; Proto=HTTPS", CLIENT, "https"),
    ('for="[2001:db8::7]:4711"', "2001:db8::7", None),
    (f'for="{CLIENT}:80"', CLIENT, None),
    (f"for={LIE};proto=http, for={CLIENT};proto=https", CLIENT, "https"),
    (f'for="{LIE}, for={CLIENT}', CLIENT, None),
    ("for=_hidden", PROXY, None),
    ("for=unknown;proto=ftp", PROXY, None),
    (f"for={LIE};for={CLIENT}", PROXY, None),
    ("by=10.0.0.1", PROXY, None),
]


@pytest.mark.parametrize(("value", "client", "scheme"), FORWARDED)
def test_the_standard_header_is_read(value: str, client: str, scheme: str | None) -> None:
    """Of `Forwarded` the last element is the word of our proxy, for the address and for the scheme."""
    hop = TrustedProxies(TRUSTED, "forwarded").client(PROXY, [(b"forwarded", value.encode())])
    assert (hop.address, hop.scheme) == (client, scheme)


def test_strangers_are_not_believed() -> None:
    """Who is no proxy of ours is the client, whatever it says."""
    headers = [(b"x-forwarded-for", LIE.encode()), (b"x-forwarded-proto", b"https")]
    hop = TrustedProxies(TRUSTED, "x-forwarded-for").client(CLIENT, headers)
    assert (hop.address, hop.scheme) == (CLIENT, None)


def test_only_the_header_of_the_proxy_is_looked_at() -> None:
    """A proxy that writes one of the headers may let the other one through as its client sent it."""
    headers = [(b"forwarded", f"for={LIE};proto=https".encode())]
    assert TrustedProxies(TRUSTED, "x-forwarded-for").client(PROXY, headers).address == PROXY
    headers = [(b"x-forwarded-for", LIE.encode()), (b"x-forwarded-proto", b"https")]
    hop = TrustedProxies(TRUSTED, "forwarded").client(PROXY, headers)
    assert (hop.address, hop.scheme) == (PROXY, None)


@pytest.mark.parametrize(("said", "scheme"), [("https", "https"), ("http, https", "https"), ("ftp", "http")])
def test_the_application_sees_the_client(said: str, scheme: str) -> None:
    """Address and scheme are those of the client, not of the connection to the proxy."""
    gated = Gated(trusted_proxies=TRUSTED)
    headers = [("x-forwarded-for", CLIENT), ("x-forwarded-proto", said)]
    scope = gated.ask(headers=headers, peer=PROXY).scope
    assert scope is not None
    assert (scope["client"][0], scope["scheme"]) == (CLIENT, scheme)


def test_without_proxies_nobody_is_believed() -> None:
    """By default the connection's own address counts, also that of this machine."""
    scope = Gated().ask(headers=[("x-forwarded-for", LIE)], peer="127.0.0.1").scope
    assert scope is not None
    assert scope["client"][0] == "127.0.0.1"


@pytest.mark.parametrize(
    ("address", "network"),
    [
        (CLIENT, CLIENT),
        ("2001:db8:0:1:2:3:4:5", "2001:db8:0:1::/64"),
        ("2001:db8:0:1::9", "2001:db8:0:1::/64"),
        (f"::ffff:{CLIENT}", CLIENT),
        ("", ""),
    ],
)
def test_an_ipv6_network_is_one_client(address: str, network: str) -> None:
    """Who has 2**64 addresses has one share, not as many."""
    assert network_of(address) == network


@pytest.mark.parametrize("networks", ["proxy.example.org", "10.0.0.1/8", "10.0.0.0/8;10.1.0.1", "*"])
def test_what_is_no_network_is_refused(networks: str) -> None:
    """A name, or a network with bits too many, is an error at the start."""
    with pytest.raises(ValidationError):
        Settings(trusted_proxies=networks)
