"""The PyPI packages `fhirclient` and `fhirpy`, unmodified: launched, with records read and written.

https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html
"""

import asyncio
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import fhirpy
import httpx
import pytest
from fhirclient.client import FHIRClient
from fhirclient.models.observation import Observation
from fhirclient.server import FHIRNotFoundException, FHIRUnauthorizedException
from fhirpy.base.exceptions import AuthorizationError, ForbiddenError

from tests.clients.hospital import PASSWORD, Hospital

_REDIRECT = "http://127.0.0.1/callback"
_SCOPE = "openid fhirUser launch launch/patient patient/*.rs offline_access"


def _answered(hospital: Hospital, address: str, name: str) -> str:
    """Sign in and consent to all, without a browser; return the address to which the browser is sent back."""
    with httpx.Client(follow_redirects=True) as browser:
        page = _sent(browser, browser.get(address), user_name=name, password=PASSWORD)
        assert "access?" in page.text, page.text
        scopes = re.findall(r'name="scope" value="([^"]+)"', page.text)
        browser.follow_redirects = False
        answer = _sent(browser, page, decision="allow", scope=scopes)
        return answer.headers["location"]


def _sent(browser: httpx.Client, page: httpx.Response, **fields: Any) -> httpx.Response:
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text))
    action = re.findall(r'<form method="post" action="([^"]+)"', page.text)[0]
    return browser.post(page.url.join(action), data=hidden | fields)


def _client(hospital: Hospital, **settings: str) -> FHIRClient:
    client_id = hospital.application("Notebook", _REDIRECT, _SCOPE)
    given = {"app_id": client_id, "api_base": hospital.fhir, "redirect_uri": _REDIRECT, "scope": _SCOPE}
    return FHIRClient(settings=given | settings)


@pytest.fixture(scope="module")
def signed_in(hospital: Hospital) -> FHIRClient:
    """The package `fhirclient`, started by Anna."""
    smart = _client(hospital)
    assert not smart.ready
    assert smart.prepare() is False
    smart.handle_callback(_answered(hospital, smart.authorize_url, "anna"))
    return smart


def test_a_patient_starts_fhirclient(signed_in: FHIRClient) -> None:
    """It reads the own record, finds what there is of it, and nothing of another patient."""
    assert signed_in.ready
    assert signed_in.patient.id == "anna"
    assert signed_in.human_name(signed_in.patient.name[0]) == "Anna Muster"
    found = Observation.where({"patient": "anna"}).perform_resources_iter(signed_in.server)
    assert [one.valueQuantity.value for one in found] == [72]
    with pytest.raises(FHIRNotFoundException):
        signed_in.server.request_json("Patient/bert")


def test_fhirclient_gets_new_tokens(hospital: Hospital, signed_in: FHIRClient) -> None:
    """When the access token is over, by the refresh token; twice, as each is good once."""
    for _ in range(2):
        hospital.expire_access_tokens()
        with pytest.raises(FHIRUnauthorizedException):
            signed_in.server.request_json("Patient/anna")
        assert signed_in.reauthorize()
        assert signed_in.server.request_json("Patient/anna")["id"] == "anna"


def test_another_ehr_opens_fhirclient(hospital: Hospital) -> None:
    """An EHR that may asks for a handle, and the application learns which patient it is about."""
    ehr = hospital.service("RS384", may_launch=True)
    smart = _client(hospital)
    launch = ehr.send(
        f"{hospital.origin}/oauth/launches", user="grey", application=smart.app_id, patient="bert"
    )
    assert launch.status_code == 201, launch.text
    opened = _client(hospital, app_id=smart.app_id, launch_token=launch.json()["launch"])
    opened.prepare()
    opened.handle_callback(_answered(hospital, opened.authorize_url, "grey"))
    assert opened.patient.id == "bert"


def test_fhirpy_works_with_the_token_of_a_service(hospital: Hospital) -> None:
    """It creates, changes, finds and deletes."""
    token = hospital.token(hospital.service())
    client = fhirpy.SyncFHIRClient(hospital.fhir, authorization=f"Bearer {token}")
    made = client.resource("Patient", name=[{"family": "Fhirpy"}], active=True)
    made.save()
    made["birthDate"] = "2001-02-03"
    made.save()
    found = client.resources("Patient").search(family="Fhirpy", birthdate="2001-02-03").fetch_all()
    assert [one.id for one in found] == [made.id]
    assert client.reference("Patient", made.id).to_resource()["active"] is True
    made.delete()  # type: ignore[no-untyped-call]
    assert client.resources("Patient").search(family="Fhirpy").fetch() == []


def test_fhirpy_works_at_the_same_time(hospital: Hospital) -> None:
    """Its other half, for programs that do several things at once."""
    token = hospital.token(hospital.service(scope="system/*.rs"), "system/*.rs")

    async def read() -> list[Mapping[str, Any]]:
        client = fhirpy.AsyncFHIRClient(hospital.fhir, authorization=f"Bearer {token}")
        reads = (client.reference("Patient", name).to_resource() for name in ("anna", "bert"))
        return await asyncio.gather(*reads)

    assert [one["id"] for one in asyncio.run(read())] == ["anna", "bert"]


def test_fhirpy_is_told_why_not(hospital: Hospital) -> None:
    """Without a token, and beyond the scopes of one."""
    refused = fhirpy.SyncFHIRClient(hospital.fhir)
    with pytest.raises(AuthorizationError, match="access token"):
        refused.resources("Patient").fetch()
    token = hospital.token(hospital.service(scope="system/*.rs"), "system/*.rs")
    reader = fhirpy.SyncFHIRClient(hospital.fhir, authorization=f"Bearer {token}")
    with pytest.raises(ForbiddenError, match="scopes"):
        reader.resource("Patient", active=True).save()


def test_the_address_to_return_to_is_the_registered_one(hospital: Hospital) -> None:
    """The code stands there, and who answers."""
    smart = _client(hospital)
    smart.prepare()
    back = urlsplit(_answered(hospital, smart.authorize_url, "anna"))
    assert f"{back.scheme}://{back.netloc}{back.path}" == _REDIRECT
