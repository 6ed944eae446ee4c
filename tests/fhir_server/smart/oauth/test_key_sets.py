"""Keys of applications that are fetched from where they publish them, and only from there.

https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html#registering-a-client-communicating-public-keys
"""

import asyncio
from typing import Any

import pytest
from joserfc.jwk import ECKey

from fhir_server.smart.oauth.key_sets import KeySets, UnusableKeys, is_key_set_url, parse_key_set
from tests.fhir_server.smart.oauth.publisher import Publisher, publisher
from tests.fhir_server.smart.oauth.world import Clock, key

__all__ = ["publisher"]


def _ids(key_sets: KeySets, url: str, key_id: str = "a") -> list[str | None]:
    return [one.kid for one in asyncio.run(key_sets.at(url, key_id)).keys]


@pytest.mark.requirement("smart-296", "smart-339", "smart-342")
def test_keys_are_kept_as_long_as_their_owner_says(publisher: Publisher) -> None:
    """Within `max-age` they are not asked for again, and after it they are."""
    clock = Clock()
    key_sets = KeySets(clock, allow_local=True)
    publisher.publish(key(key_id="a"), cache_control="public, max-age=60")
    assert _ids(key_sets, publisher.url) == ["a"]
    clock.wait(seconds=59)
    assert _ids(key_sets, publisher.url) == ["a"]
    assert publisher.asked == 1
    clock.wait(seconds=1)
    _ids(key_sets, publisher.url)
    assert publisher.asked == 2


@pytest.mark.requirement("smart-341")
@pytest.mark.parametrize("header", ["", "no-store", "max-age=600, no-cache", "max-age=0", "xmax-age=60"])
def test_keys_are_not_kept_without_leave(publisher: Publisher, header: str) -> None:
    """Without a `max-age`, or with a word against it, they are asked for each time."""
    key_sets = KeySets(Clock(), allow_local=True)
    publisher.publish(key(key_id="a"), cache_control=header)
    _ids(key_sets, publisher.url)
    _ids(key_sets, publisher.url)
    assert publisher.asked == 2


def test_new_keys_are_seen_before_the_old_ones_expire(publisher: Publisher) -> None:
    """A key that is not known is looked for, but not more often than every ten seconds."""
    clock = Clock()
    key_sets = KeySets(clock, allow_local=True)
    publisher.publish(key(key_id="a"), cache_control="max-age=3600")
    _ids(key_sets, publisher.url)
    publisher.publish(key(key_id="b"), cache_control="max-age=3600")
    assert _ids(key_sets, publisher.url, "b") == ["a"]
    clock.wait(seconds=10)
    assert _ids(key_sets, publisher.url, "b") == ["b"]
    assert publisher.asked == 2


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        pytest.param(302, b"", {"location": "/jwks"}, id="redirect"),
        pytest.param(404, b'{"keys": []}', {}, id="not found"),
        pytest.param(200, b"x" * 70_000, {}, id="too large"),
        pytest.param(200, b"<html>", {}, id="no JSON"),
        pytest.param(200, b"[" * 60_000, {}, id="nested"),
        pytest.param(200, b"[]", {}, id="no set"),
        pytest.param(200, b'{"keys": 1}', {}, id="no keys"),
        pytest.param(200, b'{"keys": []}', {"content-encoding": "gzip"}, id="compressed"),
    ],
)
def test_other_answers_are_refused(
    publisher: Publisher, status: int, body: bytes, headers: dict[str, str]
) -> None:
    """Redirects are not followed, and what is large, packed or malformed is not read."""
    publisher.status, publisher.body, publisher.headers = status, body, headers
    with pytest.raises(UnusableKeys):
        _ids(KeySets(Clock(), allow_local=True), publisher.url)
    assert publisher.asked == 1


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::7f00:1",
        "2002:7f00:1::1",
    ],
)
def test_a_name_that_leads_inside_is_not_followed(publisher: Publisher, address: str) -> None:
    """Whatever the name is, no connection is made to an address that is not public."""

    async def resolve(_host: str, _port: int) -> list[str]:
        return ["8.8.8.8", address]

    key_sets = KeySets(Clock(), allow_local=False, resolve=resolve)
    with pytest.raises(UnusableKeys, match="public"):
        _ids(key_sets, "https://jwks.example.org/")
    assert publisher.asked == 0


def test_a_name_is_looked_up_once(publisher: Publisher) -> None:
    """The connection goes to the address that was looked at; what the name server says later is not heard."""
    answers = [["127.0.0.1"], ["192.0.2.1"]]

    async def resolve(_host: str, _port: int) -> list[str]:
        return answers.pop(0)

    publisher.publish(key(key_id="a"))
    url = publisher.url.replace("127.0.0.1", "jwks.example.org")
    assert _ids(KeySets(Clock(), allow_local=True, resolve=resolve), url) == ["a"]
    assert len(answers) == 1
    assert publisher.hosts == [url.split("/")[2]]


@pytest.mark.parametrize(
    ("url", "everywhere", "for_development"),
    [
        ("https://app.example.org/jwks", True, True),
        ("https://app.example.org:8443/jwks?x=1", True, True),
        ("http://app.example.org/jwks", False, True),
        ("ftp://app.example.org/jwks", False, False),
        ("file:///etc/passwd", False, False),
        ("https:///jwks", False, False),
        ("https://user:secret@app.example.org/", False, False),
        ("https://app.example.org/#x", False, False),
        ("gopher://app.example.org", False, False),
        ("", False, False),
        ("https://[::1", False, False),
    ],
)
def test_addresses_of_keys(url: str, *, everywhere: bool, for_development: bool) -> None:
    """Only https, and http where a setting for development allows it."""
    assert is_key_set_url(url, allow_local=False) is everywhere
    assert is_key_set_url(url, allow_local=True) is for_development


def test_keys_that_are_too_weak_are_left_out() -> None:
    """A short RSA key and other curves verify nothing here; others in the set do."""
    rsa = key("RS384", "short").jwks["keys"][0]
    short = rsa | {"n": rsa["n"][:171]}
    other = dict(ECKey.generate_key("P-256").as_dict(private=False)) | {"kid": "other"}
    good = key(key_id="good").jwks["keys"][0]
    octet = {"kty": "new", "kid": "unknown kind"}
    assert [one.kid for one in parse_key_set({"keys": [short, other, octet, good]}).keys] == ["good"]


@pytest.mark.parametrize("extra", [{"d": "x"}, {"k": "x"}, {"kid": None}, {"x": 1}, {"x": "!"}])
def test_keys_that_are_no_public_keys_are_refused(extra: dict[str, Any]) -> None:
    """A private key that somebody published is not used, and a malformed one is not guessed at."""
    with pytest.raises(UnusableKeys):
        parse_key_set({"keys": [key().jwks["keys"][0] | extra]})
