"""Keys and endpoints of the provider: found, kept, and asked for again when it is time.

https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
"""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fhir_server.smart.oauth.fetching import CannotFetch, Fetched, Fetching
from fhir_server.smart.openid.keys import ProviderKeys, PublicKey
from fhir_server.smart.openid.provider import Provider, load_provider
from resources.operation_outcome import AuthorizationUnavailable
from tests.fhir_server.smart.oauth.world import Clock
from tests.fhir_server.smart.openid.provider_stub import StubProvider, jwk_of, running_provider, write_file
from tests.fhir_server.transport.certificates import write_certificate


class Known:
    """The keys of a provider as the server knows them, with a clock that tests set."""

    def __init__(self, stub: StubProvider, provider: Provider, fetching: Fetching) -> None:
        self.stub, self.clock, self.runner = stub, Clock(), asyncio.Runner()
        self.fetching = fetching
        self.keys = ProviderKeys(provider, fetching, self.clock)

    def key(self, key_id: str, algorithm: str = "RS256") -> PublicKey | None:
        """Return a key."""
        return self.runner.run(self.keys.key(key_id, algorithm))

    def close(self) -> None:
        """End the event loop."""
        self.runner.close()

    @property
    def fetches(self) -> int:
        """How often the keys were fetched."""
        return self.stub.asked.count("/keys")


def _provider(stub: StubProvider, folder: Path, more: str = "", head: str = "") -> Provider:
    provider = load_provider(write_file(folder, stub, more, head=head), allow_local=True)
    load_provider.cache_clear()
    assert provider is not None
    return provider


@pytest.fixture
def known(stub: StubProvider, tmp_path: Path) -> Iterator[Known]:
    """Keys that nobody has asked for yet."""
    with closing(Known(stub, _provider(stub, tmp_path), Fetching(allow_local=True))) as made:
        yield made


def test_keys_are_asked_for_once(known: Known) -> None:
    """And again after five minutes."""
    for _ in range(3):
        assert known.key("k1") is not None
    assert known.fetches == 1
    known.clock.wait(minutes=5)
    assert known.key("k1") is not None
    assert known.fetches == 2


def test_a_new_key_is_found_at_once(known: Known) -> None:
    """The provider signs with another one, and the old one is good no more."""
    assert known.key("k1") is not None
    known.stub.rotate("k2")
    known.clock.wait(seconds=10)
    assert known.key("k2") is not None
    assert known.key("k1") is None


def test_invented_keys_do_not_make_us_ask_often(known: Known) -> None:
    """Whoever sends tokens with new key ids has the provider asked every ten seconds at most."""
    for number in range(20):
        assert known.key(f"invented-{number}") is None
    assert known.fetches == 1
    known.clock.wait(seconds=10)
    assert [known.key(f"again-{number}") for number in range(20)] == [None] * 20
    assert known.fetches == 2


def test_many_who_come_at_once_ask_once(known: Known) -> None:
    """The others wait for the answer."""

    async def all_at_once() -> None:
        found = await asyncio.gather(*(known.keys.key("k1", "RS256") for _ in range(20)))
        assert None not in found

    known.runner.run(all_at_once())
    assert known.fetches == 1


def test_who_has_a_key_does_not_wait_for_the_next(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    """While somebody asks again, since the keys are not fresh, the others go on with those that are known."""
    assert known.key("k1") is not None
    known.clock.wait(minutes=5)
    get = known.fetching.get

    async def both() -> None:
        begun, answered = asyncio.Event(), asyncio.Event()

        async def slow(url: str) -> Fetched:
            begun.set()
            await answered.wait()
            return await get(url)

        monkeypatch.setattr(known.fetching, "get", slow)
        first = asyncio.create_task(known.keys.key("k1", "RS256"))
        await begun.wait()
        assert await known.keys.key("k1", "RS256") is not None
        assert not first.done()
        answered.set()
        assert await first is not None

    known.runner.run(both())
    assert known.fetches == 2


def test_a_provider_that_is_down_is_not_missed_for_an_hour(known: Known) -> None:
    """Then nobody can tell whom a token stands for, which is no fault of the token."""
    assert known.key("k1") is not None
    known.stub.is_down = True
    known.clock.wait(minutes=59)
    assert known.key("k1") is not None
    known.clock.wait(minutes=1)
    with pytest.raises(AuthorizationUnavailable):
        known.key("k1")
    known.stub.is_down = False
    known.clock.wait(seconds=10)
    assert known.key("k1") is not None


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://other.example"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": None},
        {"jwks_uri": ["x"]},
    ],
    ids=["another issuer", "a file", "no keys", "no text"],
)
def test_a_document_that_is_wrong_is_not_believed(known: Known, document: dict[str, object]) -> None:
    """Nothing of it counts."""
    known.stub.document = document
    with pytest.raises(AuthorizationUnavailable):
        known.key("k1")


@pytest.mark.parametrize(
    ("change", "algorithm", "is_good"),
    [
        ({}, "RS256", True),
        ({}, "PS256", True),
        ({"alg": "RS256"}, "RS256", True),
        ({"alg": "RS256"}, "PS256", False),
        ({"alg": "RSA-OAEP", "use": "enc"}, "RS256", False),
        ({}, "ES256", False),
        ({"kty": "oct", "k": "c2VjcmV0"}, "RS256", False),
        ({"n": "AQAB"}, "RS256", False),
        ({"n": 7}, "RS256", False),
    ],
)
def test_a_key_is_for_its_algorithm(
    known: Known, change: dict[str, object], algorithm: str, is_good: bool
) -> None:
    """By its type, its use and its own `alg`, whatever the token says."""
    known.stub.more_keys = [{**jwk_of(known.stub.keys["k1"], "k2"), **change}]
    assert (known.key("k2", algorithm) is not None) is is_good


def test_an_id_that_two_keys_have_names_none(known: Known) -> None:
    """There is no telling which is meant."""
    known.stub.more_keys = [jwk_of(known.stub.keys["k1"], "k1")]
    assert known.key("k1") is None


def test_a_provider_within_the_hospital_is_reached_by_https(tmp_path: Path) -> None:
    """At its own name, with a certificate of the hospital's own; another private name is not."""
    certificate, key = write_certificate(tmp_path, "localhost")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with running_provider(tls) as stub:
        provider = _provider(stub, tmp_path, head=f'certificates = "{certificate}"')
        fetching = Fetching(allow_local=False, own_host="localhost", trust=provider.trust)
        stranger = Fetching(allow_local=False, own_host="localhost")
        with closing(Known(stub, provider, fetching)) as known:
            assert known.key("k1") is not None
        with closing(Known(stub, provider, stranger)) as known, pytest.raises(AuthorizationUnavailable):
            known.key("k1")
        stub.document = {"jwks_uri": f"{stub.issuer.replace('localhost', '127.0.0.1')}/keys"}
        with closing(Known(stub, provider, fetching)) as known, pytest.raises(AuthorizationUnavailable):
            known.key("k1")
        with pytest.raises(CannotFetch, match="public"):
            asyncio.run(fetching.get("https://127.0.0.1/keys"))
