"""Headers on each answer, whoever it is from: https://hl7.org/fhir/R4/security.html#http."""

from typing import Any

import httpx
import pytest

from fhir_server.settings import Settings
from tests.fhir_server.conftest import running_server
from tests.fhir_server.transport.gated import Gated

SAFE = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "private, no-cache",
}
HSTS = "strict-transport-security"

ANSWERS = [
    ("GET", "/fhir/metadata", 200),
    ("GET", "/fhir/Patient?_count=1", 200),
    ("GET", "/fhir/Patient/none", 404),
    ("GET", "/fhir/Nonsense", 404),
    ("POST", "/fhir/Patient", 415),
    ("PUT", "/fhir", 405),
    ("OPTIONS", "/fhir/Patient", 204),
    ("HEAD", "/fhir/metadata", 200),
    ("GET", "/nowhere", 404),
    ("DELETE", "/health/live", 405),
    ("GET", "/health/ready", 200),
    ("GET", "/", 307),
]


@pytest.mark.parametrize(("method", "path", "status"), ANSWERS)
def test_each_answer_has_them(base_url: str, method: str, path: str, status: int) -> None:
    """Resources, errors and what the framework itself answers have the same headers, each once."""
    answer = httpx.request(method, base_url.removesuffix("/fhir") + path)
    assert answer.status_code == status
    for name, value in SAFE.items():
        assert answer.headers.get_list(name) == [value], name
    assert HSTS not in answer.headers


def test_an_answer_may_know_better() -> None:
    """A page with a policy of its own keeps it."""
    gated = Gated()
    gated.headers = [(b"content-security-policy", b"default-src 'self'"), (b"cache-control", b"max-age=60")]
    answer = gated.ask()
    assert answer.header("content-security-policy") == "default-src 'self'"
    assert answer.header("cache-control") == "max-age=60"
    assert answer.header("x-frame-options") == "DENY"


def test_with_accounts_nothing_is_kept() -> None:
    """The next person at a shared machine finds no record in the browser's cache."""
    assert Gated(auth="on").ask().header("cache-control") == "no-store"


@pytest.mark.parametrize(
    ("settings", "scheme", "told"),
    [
        ({}, "http", None),
        ({}, "https", "max-age=31536000"),
        ({"hsts_seconds": 300}, "https", "max-age=300"),
        ({"hsts_seconds": 0}, "https", None),
        ({"base_url": "https://fhir.example.org/fhir"}, "http", "max-age=31536000"),
        ({"base_url": "http://fhir.example.org/fhir"}, "http", None),
    ],
)
def test_hsts_is_told_where_it_is_https(settings: dict[str, Any], scheme: str, told: str | None) -> None:
    """Over TLS, ours or that of the proxy: https://www.rfc-editor.org/rfc/rfc6797."""
    assert Gated(**settings).ask(scheme=scheme).header(HSTS) == told


def test_hsts_is_told_where_the_proxy_says_https() -> None:
    """The scheme that a trusted proxy tells is that of the client's connection; a stranger's word is not."""
    gated = Gated(trusted_proxies="10.0.0.1")
    said = [("x-forwarded-proto", "https")]
    assert gated.ask(headers=said, peer="10.0.0.1").header(HSTS) is not None
    assert gated.ask(headers=said, peer="192.0.2.1").header(HSTS) is None


def test_conditional_reads_work_without_a_cache(settings: Settings) -> None:
    """304 is for whoever names the version, whatever is said of caching."""
    with running_server(settings) as base_url:
        written = httpx.put(
            f"{base_url}/Patient/kept",
            content=b'{"resourceType":"Patient","id":"kept"}',
            headers={"content-type": "application/fhir+json"},
        )
        answer = httpx.get(f"{base_url}/Patient/kept", headers={"if-none-match": written.headers["etag"]})
        assert answer.status_code == 304
        assert answer.headers["x-content-type-options"] == "nosniff"
