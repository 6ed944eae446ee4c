"""Operations that are listed for roles: an application calls them within its scopes, whoever uses it.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from collections.abc import Iterator

import httpx
import pytest

from fhir_server.settings import Settings
from fhir_server.smart.principal import ROLES, Principal
from tests.fhir_server.conftest import FHIR_JSON, running_server


async def _authenticate(token: str) -> Principal | None:
    role, *scopes = token.split(",")
    name = f"Practitioner/{role.lower()}"
    return Principal("app", tuple(scopes), f"{role}-1", roles=frozenset({role}), fhir_user=name)


@pytest.fixture(scope="module")
def url(settings: Settings) -> Iterator[str]:
    """A server whose tokens say the role and the scopes."""
    with running_server(settings, _authenticate) as url:
        yield url


@pytest.mark.parametrize(
    ("role", "scopes", "call", "is_allowed"),
    [
        ("AD", "user/Patient.rs", "POST /Patient/$merge", False),
        ("AD", "user/Observation.cruds", "POST /Patient/$merge", False),
        ("AD", "openid,launch", "POST /Patient/$merge", False),
        ("AD", "user/Patient.u", "POST /Patient/$merge", True),
        ("AD", "user/*.cruds", "POST /Patient/$merge", True),
        ("DR", "user/*.cruds", "POST /Patient/$merge", False),
        ("RN", "user/Observation.rs", "GET /Location/$bed-board", False),
        ("RN", "user/Location.rs", "GET /Location/$bed-board", True),
        ("RN", "user/*.read", "GET /Location/$bed-board", True),
        ("RN", "user/Location.c", "GET /Location/$bed-board", False),
        ("AD", "user/Patient.cruds", "POST /$reindex", False),
        ("AD", "user/*.rs", "POST /$reindex", False),
        ("AD", "user/*.cruds", "POST /$reindex", True),
        ("DR", "openid", "POST /Patient/nobody/$break-glass", True),
    ],
)
def test_a_listed_operation_is_within_the_scopes(
    url: str, role: str, scopes: str, call: str, is_allowed: bool
) -> None:
    """What only reads needs r or s, anything else c, u or d; of the type, or of all for the whole server."""
    assert role in ROLES
    method, path = call.split()
    headers = {"authorization": f"Bearer {role},{scopes}", "content-type": FHIR_JSON}
    empty = {"resourceType": "Parameters", "parameter": []}
    answer = httpx.request(
        method, f"{url}{path}", headers=headers, json=None if method == "GET" else empty, timeout=60
    )
    assert (answer.status_code != 403) == is_allowed, answer.text
