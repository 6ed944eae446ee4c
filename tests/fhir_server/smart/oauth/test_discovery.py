"""What the server tells of itself, and that it is true.

https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html
"""

import json
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from fhir_server.smart.oauth.brands import load_brands
from fhir_server.smart.oauth.discovery import CAPABILITIES
from fhir_server.smart.oauth.scopes import is_scope
from tests.fhir_server.smart.oauth.world import DOCTOR, FHIR, ORIGIN, World

_WEB = "urn:ietf:rfc:3986"
_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_BRAND = "http://hl7.org/fhir/StructureDefinition/organization-brand"


def _organization(name: str, **more: Any) -> dict[str, Any]:
    """Return a brand with all that a profile of the guide says must be supported."""
    return {
        "resourceType": "Organization",
        "id": name,
        "meta": {"lastUpdated": "2026-01-02T03:04:05Z"},
        "extension": [
            {
                "url": _BRAND,
                "extension": [
                    {"url": "brandLogo", "valueUrl": f"https://{name}.example.org/logo.svg"},
                    {"url": "brandLogoLicense", "valueUrl": f"https://{name}.example.org/license"},
                ],
            },
            {
                "url": "http://hl7.org/fhir/StructureDefinition/organization-portal",
                "extension": [{"url": "portalName", "valueString": f"Portal of {name}"}],
            },
        ],
        "identifier": [
            {"system": _WEB, "value": f"https://{name}.example.org"},
            {"system": "http://hl7.org/fhir/sid/us-npi", "value": f"npi-{name}"},
        ],
        "active": True,
        "type": [{"coding": [{"code": "ambulatory"}]}],
        "name": name,
        "alias": [f"The {name}"],
        "telecom": [{"system": "url", "value": f"https://{name}.example.org"}],
        "address": [
            {"city": "Kyiv", "_state": {"extension": [{"url": _ABSENT, "valueCode": "asked-unknown"}]}}
        ],
        "endpoint": [{"reference": "Endpoint/r4"}],
        **more,
    }


_ENDPOINT = {
    "resourceType": "Endpoint",
    "id": "r4",
    "extension": [
        {"url": "http://hl7.org/fhir/StructureDefinition/endpoint-fhir-version", "valueCode": "4.0.1"}
    ],
    "status": "active",
    "connectionType": {"code": "hl7-fhir-rest"},
    "name": "Records",
    "managingOrganization": {"reference": "Organization/hospital"},
    "contact": [{"system": "url", "value": "https://hospital.example.org/developers"}],
    "payloadType": [{"coding": [{"code": "none"}]}],
    "address": FHIR,
}
_CLINIC = {"fullUrl": "urn:clinic", "resource": _organization("clinic", partOf={"reference": "urn:hospital"})}
_HOSPITAL = {"fullUrl": "urn:hospital", "resource": _organization("hospital")}
_BRANDS: dict[str, Any] = {
    "resourceType": "Bundle",
    "type": "collection",
    "timestamp": "2026-01-02T03:04:05Z",
    "entry": [_CLINIC, _HOSPITAL, {"fullUrl": f"{FHIR}/Endpoint/r4", "resource": _ENDPOINT}],
}


def _with(**elements: Any) -> dict[str, Any]:
    """Return the brands with other elements in the hospital."""
    hospital = {**_HOSPITAL, "resource": _organization("hospital", **elements)}
    return {**_BRANDS, "entry": [_CLINIC, hospital, *_BRANDS["entry"][2:]]}


def _absent(code: str) -> dict[str, Any]:
    return _with(_name={"extension": [{"url": _ABSENT, "valueCode": code}]})


@pytest.fixture(scope="module")
def more_settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """A hospital with a brand."""
    path = tmp_path_factory.mktemp("brands") / "brands.json"
    path.write_text(json.dumps(_BRANDS))
    return {"user_access_brands": path}


@pytest.mark.requirement("smart-30", "smart-228", "smart-285", "smart-286", "smart-287", "smart-288")
@pytest.mark.requirement("smart-289")
@pytest.mark.requirement("smart-372", "smart-373", "smart-374", "smart-376", "smart-377", "smart-378")
@pytest.mark.requirement("smart-380", "smart-381", "smart-382", "smart-383", "smart-384", "smart-385")
@pytest.mark.requirement("smart-386", "smart-389", "smart-390", "smart-391", "smart-392", "smart-393")
@pytest.mark.requirement("smart-394", "smart-126", "smart-439")
def test_the_smart_configuration(world: World) -> None:
    """All that the specification asks for, as JSON whatever was accepted, with absolute addresses."""
    answer = world.http.get("/fhir/.well-known/smart-configuration", headers={"accept": "text/html"})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["access-control-allow-origin"] == "*"
    document = answer.json()
    endpoints = {name: value for name, value in document.items() if name.endswith(("_endpoint", "_uri"))}
    assert endpoints == {
        "jwks_uri": f"{ORIGIN}/oauth/jwks",
        "authorization_endpoint": f"{ORIGIN}/oauth/authorize",
        "token_endpoint": f"{ORIGIN}/oauth/token",
        "introspection_endpoint": f"{ORIGIN}/oauth/introspect",
        "revocation_endpoint": f"{ORIGIN}/oauth/revoke",
        "management_endpoint": f"{ORIGIN}/oauth/grants",
    }
    assert document["issuer"] == ORIGIN
    assert document["grant_types_supported"] == ["authorization_code", "refresh_token", "client_credentials"]
    assert document["response_types_supported"] == ["code"]
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert set(document["token_endpoint_auth_signing_alg_values_supported"]) == {"RS384", "ES384"}
    assert document["token_endpoint_auth_methods_supported"] == [
        "none",
        "client_secret_basic",
        "client_secret_post",
        "private_key_jwt",
    ]
    assert {"client-confidential-asymmetric", "permission-v1"} <= set(document["capabilities"])
    assert {"openid", "launch", "launch/patient", "offline_access"} <= set(document["scopes_supported"])
    assert document["capabilities"] == list(CAPABILITIES)
    assert all(is_scope(scope) for scope in document["scopes_supported"])
    assert document["associated_endpoints"] == [{"url": FHIR, "capabilities": list(CAPABILITIES)}]


def test_each_capability_is_one_of_the_specification() -> None:
    """What is not supported is not in the list: encounters that a person chooses, and application state."""
    assert len(set(CAPABILITIES)) == len(CAPABILITIES)
    assert "smart-app-state" not in CAPABILITIES


# https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#capability-sets
_PATIENT_ALONE = {"launch-standalone", "client-public", "context-standalone-patient", "permission-patient"}
_PATIENT_EHR = {"launch-ehr", "client-public", "context-ehr-patient", "permission-patient"}
_CLINICIAN_ALONE = {"launch-standalone", "client-public", "permission-user", "permission-patient"}
_CLINICIAN_EHR = {*_PATIENT_EHR, "context-ehr-encounter", "permission-user"}


@pytest.mark.requirement("smart-346")
@pytest.mark.parametrize(
    "needed",
    [
        pytest.param(_PATIENT_ALONE, id="patient", marks=pytest.mark.requirement("smart-348")),
        pytest.param(_PATIENT_EHR, id="patient-ehr", marks=pytest.mark.requirement("smart-349")),
        pytest.param(_CLINICIAN_ALONE, id="clinician", marks=pytest.mark.requirement("smart-350")),
        pytest.param(_CLINICIAN_EHR, id="clinician-ehr", marks=pytest.mark.requirement("smart-351")),
    ],
)
def test_each_set_of_capabilities_is_whole(world: World, needed: set[str]) -> None:
    """What patients and clinicians need, with and without an EHR; each is proved by tests of its own."""
    told = world.http.get("/fhir/.well-known/smart-configuration").json()["capabilities"]
    assert needed <= set(told)


@pytest.mark.requirement("smart-381")
def test_openid_connect_finds_the_same(world: World) -> None:
    """The issuer stands where OpenID Connect looks for its document."""
    answer = world.http.get("/.well-known/openid-configuration")
    document = answer.json()
    smart = world.http.get("/fhir/.well-known/smart-configuration").json()
    for name in ("issuer", "jwks_uri", "authorization_endpoint", "token_endpoint"):
        assert document[name] == smart[name]
    assert document["id_token_signing_alg_values_supported"] == ["RS256", "ES256"]
    assert document["subject_types_supported"] == ["public"]
    assert answer.headers["access-control-allow-origin"] == "*"


def test_registration_is_off_unless_it_is_set(world: World) -> None:
    """Neither is the endpoint there, nor is it told of."""
    assert "registration_endpoint" not in world.http.get("/fhir/.well-known/smart-configuration").json()
    assert world.http.post("/oauth/register", json={}).status_code == 404


@pytest.mark.requirement("smart-207", "smart-382")
def test_old_keys_are_published_until_their_signatures_are_over(world: World) -> None:
    """A new key signs after thirty days; what the old one signed can be verified as long as it is good."""
    client_id = world.app().client.id
    old = world.tokens(client_id, DOCTOR, scope="openid user/*.rs")["id_token"]
    before = world.http.get("/oauth/jwks").json()["keys"]
    assert sorted(one["alg"] for one in before) == ["ES256", "RS256"]
    assert not any({"d", "p", "q", "k"} & set(one) for one in before)
    world.clock.wait(days=30)
    new = world.tokens(client_id, DOCTOR, scope="openid user/*.rs")["id_token"]
    published = world.http.get("/oauth/jwks").json()
    for token in (old, new):
        jwt.decode(token, KeySet.import_key_set(published), algorithms=["RS256"])
    assert {one["kid"] for one in before} < {one["kid"] for one in published["keys"]}
    world.clock.wait(seconds=600)
    after = {one["kid"] for one in world.http.get("/oauth/jwks").json()["keys"]}
    assert not {one["kid"] for one in before} & after
    assert len(after) == 2


@pytest.mark.requirement("smart-387", "smart-388", "smart-397", "smart-400", "smart-401", "smart-402")
@pytest.mark.requirement("smart-403", "smart-404", "smart-406", "smart-409", "smart-410", "smart-411")
@pytest.mark.requirement("smart-412", "smart-421", "smart-423", "smart-424", "smart-427", "smart-428")
@pytest.mark.requirement("smart-429", "smart-430", "smart-431", "smart-432", "smart-436")
def test_the_brands_of_the_hospital(world: World) -> None:
    """The bundle is published as it was written, and the configuration names it and its main organization."""
    document = world.http.get("/fhir/.well-known/smart-configuration").json()
    assert document["user_access_brand_identifier"] == {
        "system": _WEB,
        "value": "https://hospital.example.org",
    }
    path = document["user_access_brand_bundle"].removeprefix(ORIGIN)
    answer = world.http.get(path)
    assert answer.json() == _BRANDS
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["etag"].startswith('W/"')
    again = world.http.get(path, headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.requirement("smart-396", "smart-398", "smart-405", "smart-412", "smart-417", "smart-418")
@pytest.mark.requirement("smart-432", "smart-437")
@pytest.mark.parametrize(
    "bundle",
    [
        pytest.param(None, id="no file"),
        pytest.param([], id="no object"),
        pytest.param({"resourceType": "Patient"}, id="no bundle"),
        pytest.param(_BRANDS | {"type": "searchset"}, id="no collection"),
        pytest.param({name: one for name, one in _BRANDS.items() if name != "timestamp"}, id="no timestamp"),
        pytest.param(_BRANDS | {"entry": []}, id="no brand"),
        pytest.param(_BRANDS | {"entry": ["x"]}, id="no entry"),
        pytest.param(_BRANDS | {"entry": [_HOSPITAL, _HOSPITAL]}, id="one identifier twice"),
        pytest.param(_with(identifier=[]), id="no identifier"),
        pytest.param(_absent("unknown"), id="absent for another reason"),
        pytest.param(_BRANDS | {"entry": [_HOSPITAL, {"resource": {**_ENDPOINT, "id": "x"}}]}, id="endpoint"),
    ],
)
def test_brands_that_cannot_be_published_are_refused(tmp_path: Path, bundle: object) -> None:
    """The server does not start with a bundle in which the hospital cannot be found."""
    path = tmp_path / "brands.json"
    if bundle is not None:
        path.write_text(json.dumps(bundle))
    with pytest.raises(ValueError, match="brands"):
        load_brands(path)


@pytest.mark.requirement("smart-396", "smart-404", "smart-417", "smart-437")
@pytest.mark.parametrize(
    "bundle",
    [
        pytest.param(_BRANDS, id="reference by id"),
        pytest.param(_with(endpoint=[{"reference": f"{FHIR}/Endpoint/r4"}]), id="reference by address"),
        pytest.param(_absent("asked-declined"), id="asked and declined"),
        pytest.param(_absent("asked-unknown"), id="asked and unknown"),
    ],
)
def test_brands_that_can_be_published(tmp_path: Path, bundle: object) -> None:
    """Each endpoint is a brand's, and what was not said was asked for."""
    path = tmp_path / "brands.json"
    path.write_text(json.dumps(bundle))
    assert load_brands(path) is not None
