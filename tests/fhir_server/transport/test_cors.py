"""What pages of other sites may read: https://fetch.spec.whatwg.org/#http-cors-protocol."""

import pytest
from pydantic import ValidationError

from fhir_server.settings import Settings
from tests.fhir_server.transport.gated import Answer, Gated

APP, OTHER = "https://app.example.org", "https://other.example.org"
PUBLIC = [
    "/fhir/metadata",
    "/fhir/.well-known/smart-configuration",
    "/.well-known/openid-configuration",
    "/oauth/jwks",
]


def preflight(gated: Gated, path: str, origin: str = APP, method: str = "GET") -> Answer:
    """Ask as a browser does before it sends a request that a form could not send."""
    wish = [("access-control-request-method", method), ("access-control-request-headers", "authorization")]
    return gated.ask("OPTIONS", path, [("origin", origin), *wish])


def shared_with(answer: Answer) -> str | None:
    """Return the origin whose pages may read the answer."""
    return answer.header("access-control-allow-origin")


METHODS = [
    ("/fhir", "GET, HEAD, POST"),
    ("/fhir/", "GET, HEAD, POST"),
    ("/fhir/Patient", "GET, HEAD, POST, PUT, PATCH, DELETE"),
    ("/fhir/Patient/1", "GET, HEAD, PUT, PATCH, DELETE"),
    ("/fhir/Patient/1/_history/2", "GET, HEAD"),
    ("/fhir/Patient/_search", "POST"),
    ("/oauth/token", "POST"),
]


@pytest.mark.parametrize(("path", "methods"), METHODS)
def test_a_preflight_tells_the_methods_of_the_address(path: str, methods: str) -> None:
    """Each address allows what the route table has, and the headers that FHIR clients send."""
    answer = preflight(Gated(cors_origins=f"{OTHER}, {APP}"), path)
    assert answer.status == 204
    assert answer.scope is None
    assert shared_with(answer) == APP
    assert answer.header("access-control-allow-methods") == methods
    headers = (answer.header("access-control-allow-headers") or "").split(", ")
    assert {"Authorization", "Content-Type", "If-Match", "If-None-Exist", "Prefer"} <= set(headers)
    assert answer.header("vary") == "Origin"


@pytest.mark.parametrize("path", ["/fhir/Nonsense", "/fhir/Patient/1/2/3/4", "/auth/login", "/fhirx", "/"])
def test_other_addresses_have_no_preflight(path: str) -> None:
    """Pages for people, and what does not exist, answer OPTIONS as always and allow no method."""
    answer = preflight(Gated(cors_origins=APP), path)
    assert answer.scope is not None
    assert shared_with(answer) == (APP if path.startswith("/fhir/") else None)
    assert answer.header("access-control-allow-methods") is None


def test_an_answer_is_shared_with_the_origins_of_the_list() -> None:
    """The page reads the answer, and the headers that an application needs."""
    gated = Gated(cors_origins=APP)
    gated.headers = [(b"vary", b"Accept")]
    answer = gated.ask(headers=[("origin", APP)])
    assert shared_with(answer) == APP
    exposed = (answer.header("access-control-expose-headers") or "").split(", ")
    wanted = {"ETag", "Location", "Content-Location", "Last-Modified", "Retry-After", "X-Request-Id"}
    assert wanted <= set(exposed)
    assert [value for name, value in answer.headers if name == "vary"] == ["Accept", "Origin"]


ORIGINS = (OTHER, "null", "http://app.example.org", f"{APP}:8443", f"{APP}.evil.example", "", f"{APP}/", "*")


@pytest.mark.parametrize("origin", ORIGINS)
def test_an_answer_is_shared_with_nobody_else(origin: str) -> None:
    """Only the very origin counts; a cache is told that another one would get another answer."""
    gated = Gated(cors_origins=APP)
    answer = gated.ask(headers=[("origin", origin)])
    assert shared_with(answer) is None
    assert answer.header("vary") == "Origin"
    assert shared_with(preflight(gated, "/fhir/Patient", origin)) is None
    assert gated.ask().header("vary") == "Origin"


def test_any_origin() -> None:
    """`*` shares with all, as a value that caches need not tell apart."""
    gated = Gated(cors_origins="*")
    assert shared_with(gated.ask(headers=[("origin", OTHER)])) == "*"
    assert shared_with(preflight(gated, "/fhir/Patient", OTHER)) == "*"
    assert gated.ask(headers=[("origin", OTHER)]).header("vary") is None


@pytest.mark.parametrize("origins", [None, APP, "*"])
def test_cookies_are_never_asked_for(origins: str | None) -> None:
    """No answer lets a page send the cookies of somebody who is signed in here."""
    gated = Gated(cors_origins=origins)
    for answer in (gated.ask(headers=[("origin", APP)]), preflight(gated, "/fhir/Patient")):
        assert answer.header("access-control-allow-credentials") is None


def test_without_the_setting_nothing_is_shared() -> None:
    """CORS is off by default."""
    gated = Gated()
    assert shared_with(gated.ask(headers=[("origin", APP)])) is None
    assert shared_with(preflight(gated, "/fhir/Patient")) is None
    assert gated.ask().header("vary") is None


@pytest.mark.parametrize("origins", [None, OTHER])
@pytest.mark.parametrize("path", PUBLIC)
def test_discovery_is_for_all(path: str, origins: str | None) -> None:
    """What an application reads before anything else may be read from anywhere.

    https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#considerations-for-cross-origin-resource-sharing-cors-support
    """
    gated = Gated(cors_origins=origins)
    assert shared_with(gated.ask(path=path, headers=[("origin", APP)])) == "*"
    answer = preflight(gated, path)
    assert shared_with(answer) == "*"
    assert answer.header("access-control-allow-methods") == "GET, HEAD"


def test_registered_applications_need_no_setting() -> None:
    """The origins of registered applications are allowed the interface and the token endpoint."""

    async def is_registered(origin: str) -> bool:
        return origin == APP

    gated = Gated(is_registered=is_registered)
    for path in ("/fhir/Patient", "/oauth/token"):
        assert shared_with(gated.ask(path=path, headers=[("origin", APP)])) == APP
        assert shared_with(preflight(gated, path)) == APP
        assert shared_with(preflight(gated, path, OTHER)) is None
        assert gated.ask(path=path).header("vary") == "Origin"


def test_refusals_are_shared_too() -> None:
    """A page may read that it asked too often, and how long to wait."""
    gated = Gated(cors_origins=APP, requests_per_second=0.1, request_burst=1)
    gated.ask()
    answer = gated.ask(headers=[("origin", APP)])
    assert answer.status == 429
    assert shared_with(answer) == APP


@pytest.mark.parametrize(
    "origins", [f"{APP}/", "app.example.org", f"{APP},*", "https://*.example.org", "null"]
)
def test_what_is_no_origin_is_refused(origins: str) -> None:
    """A path, a pattern or a name alone would never match, and is an error at the start."""
    with pytest.raises(ValidationError):
        Settings(cors_origins=origins)
