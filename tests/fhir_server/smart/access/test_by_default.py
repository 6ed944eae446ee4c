"""Secure by default: settings that nobody changed ask for a token, on every address but a few.

https://www.rfc-editor.org/rfc/rfc6750#section-3
"""

from collections.abc import Iterator

import httpx
import pytest
from starlette.routing import BaseRoute, Mount, Route

from fhir_server.app import create_app
from fhir_server.operations.registry import OPERATIONS
from fhir_server.routes import ROUTES
from fhir_server.settings import Settings
from tests.fhir_server.conftest import running_server

_OPEN = {"/metadata"}
# Health; what applications and people come in by, which is tested with the authorization server and accounts;
# what is signed: papers (tests/fhir_server/papers) and what Stripe tells (workflows/billing/test_stripe.py).
_BESIDE = (
    *("/health/", "/oauth/", "/auth/", "/.well-known/", "/fhir/.well-known/"),
    *("/payments/", "/documents/", "/verify/"),
)
# For the machines that look after the server: nothing of anybody, and /metrics for those only who may know.
_FOR_MACHINES = {"/health", "/ready", "/metrics"}
_PLACES = {"{type}": "Patient", "{id}": "1", "{vid}": "1", "{job}": "1", "{member}": "Observation"}
_LEVELS = (
    "",
    "/Patient",
    "/Patient/1",
    "/Encounter",
    "/Encounter/1",
    "/Observation",
    "/Composition/1",
    "/Account/1",
    "/Claim",
    "/PlanDefinition",
    "/PlanDefinition/1",
    "/CoverageEligibilityRequest",
    "/ChargeItemDefinition/1",
    "/Invoice/1",
    "/PaymentReconciliation/1",
    "/AuditEvent",
    "/Specimen/1",
    "/Observation/1",
    "/DiagnosticReport/1",
    "/Location",
    "/Location/1",
    "/Practitioner/1",
    "/PractitionerRole/1",
    "/Questionnaire",
    "/QuestionnaireResponse/1",
    "/DocumentReference",
    "/Appointment",
    "/Appointment/1",
    "/Schedule/1",
)


def _addresses() -> Iterator[tuple[str, str]]:
    """Return method and path of everything in the route table, and of each operation wherever it is."""
    for pattern, methods in ROUTES.items():
        path = "".join(f"/{_PLACES.get(segment, segment)}" for segment in pattern)
        yield from ((method, path) for method in methods)
    for one in OPERATIONS.values():
        for method in ("GET", "POST"):
            yield from ((method, f"{level}/${one.code}") for level in _LEVELS)


_ADDRESSES = sorted(set(_addresses()))


@pytest.fixture(scope="module")
def url(settings: Settings) -> Iterator[str]:
    """A server of which nobody said whether it asks for tokens."""
    given = settings.model_dump(exclude={"auth"}) | {"encryption_key": "A" * 43 + "="}
    untouched = Settings(**given)
    assert untouched.auth == "on"
    with running_server(untouched) as address:
        yield address


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[httpx.Client]:
    """A client without a token."""
    with httpx.Client(base_url=url, headers={"content-type": "application/fhir+json"}) as http:
        yield http


@pytest.mark.workflow("1-03", "1-27")
def test_nothing_is_done_without_a_token(client: httpx.Client) -> None:
    """Each address refuses, and says how to come in; what it does not know it may say, and nothing else."""
    seen = set()
    for method, path in _ADDRESSES:
        answer = client.request(method, path, content=b"{}" if method in ("POST", "PUT", "PATCH") else None)
        if path in _OPEN:
            assert answer.status_code == 200, (method, path)
        elif answer.status_code in (404, 405):  # operations where they are not, or not by this method
            assert "/$" in path, (method, path)
        else:
            assert answer.status_code == 401, (method, path, answer.status_code)
            assert answer.headers["www-authenticate"] == 'Bearer realm="fhir"'
            seen.add(path.rpartition("/$")[2])
    assert {one.code for one in OPERATIONS.values()} <= seen
    assert len(_ADDRESSES) > 60


def test_a_bundle_is_not_looked_into(client: httpx.Client) -> None:
    """What it asks for does not matter."""
    for kind in ("batch", "transaction"):
        entry = {"request": {"method": "GET", "url": "metadata"}}
        bundle = {"resourceType": "Bundle", "type": kind, "entry": [entry]}
        assert client.post("", json=bundle).status_code == 401


def _paths(routes: list[BaseRoute]) -> set[str]:
    return {route.path for route in routes if isinstance(route, Route | Mount)}


def test_nothing_else_is_beside_the_interface(settings: Settings) -> None:
    """A route that somebody adds beside /fhir is noticed here, and asked for its reason."""
    secure = Settings(**settings.model_dump() | {"auth": "on", "encryption_key": "A" * 43 + "="})
    application: object = create_app(secure)._application
    paths = _paths(application.router.routes)  # type: ignore[attr-defined]
    assert {path for path in paths if not path.startswith(_BESIDE)} == {"/", "/fhir"} | _FOR_MACHINES
    assert {"/health/live", "/oauth/token", "/auth/login"} <= paths


def test_without_a_key_there_is_no_application(settings: Settings) -> None:
    """Who runs `create_app` by another program is told what is missing."""
    with pytest.raises(ValueError, match="FHIR_ENCRYPTION_KEY is not set"):
        create_app(Settings(mongo_url=settings.mongo_url, database=settings.database))
