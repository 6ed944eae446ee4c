"""Backend services that sign with a library of their own choice.

https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html
"""

import time

import httpx
import pytest

from tests.clients.hospital import Hospital


@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
def test_a_service_signs_and_reads(hospital: Hospital, algorithm: str) -> None:
    """From discovery by a signed assertion to records, within its scopes and no further."""
    service = hospital.service(algorithm, scope="system/Patient.rs system/Observation.rs")
    known = hospital.discovered()
    assert algorithm in known["token_endpoint_auth_signing_alg_values_supported"]
    answer = service.ask("system/Patient.rs system/Encounter.rs")
    assert answer.status_code == 200, answer.text
    assert answer.json()["scope"] == "system/Patient.rs"
    assert answer.json()["expires_in"] <= 300
    headers = {"authorization": f"Bearer {answer.json()['access_token']}"}
    with httpx.Client(base_url=hospital.fhir, headers=headers) as http:
        assert http.get("/Patient/anna").status_code == 200
        assert http.get("/Encounter").status_code == 403
        assert http.put("/Patient/anna", json={}).status_code == 403


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"aud": "https://other.example/oauth/token"}, id="another server"),
        pytest.param({"exp": int(time.time()) - 10}, id="expired"),
        pytest.param({"iss": "somebody"}, id="another issuer"),
    ],
)
def test_what_is_signed_for_something_else_is_refused(hospital: Hospital, claims: dict[str, object]) -> None:
    """The signature is good, and says something that must not be said here."""
    answer = hospital.service().ask("system/*.rs", **claims)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
