"""What patients deny by their consents is not there for whom they deny it. https://hl7.org/fhir/R4/consent.html"""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from fhir_server.settings import Settings
from fhir_server.smart.access import consent_list
from fhir_server.smart.principal import Principal
from tests.fhir_server.conftest import FHIR_JSON, running_server

Resource = dict[str, Any]

_TYPES = "http://hl7.org/fhir/resource-types"
_PURPOSE = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
_LABEL = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "PSY"}
ALL = {"Patient", "Condition", "Observation"}
DENY, PERMIT = {"type": "deny"}, {"type": "permit"}


def _class(*names: str) -> Resource:
    return {"class": [{"system": _TYPES, "code": name} for name in names]}


def _actor(reference: str) -> Resource:
    role = {"coding": [{"code": "PRCP"}]}
    return {"actor": [{"role": role, "reference": {"reference": reference}}]}


def _purpose(code: str) -> Resource:
    return {"purpose": [{"system": _PURPOSE, "code": code}]}


# Provision, caller, and the types of the patient's resources that the caller still sees.
CASES: list[tuple[str, Resource, str, set[str]]] = [
    ("nothing denied", PERMIT, "RN", ALL),
    ("all denied", DENY, "RN", set()),
    ("all denied, to oneself", DENY, "own", ALL),
    ("all denied, to a doctor who treats", DENY, "DR", set()),
    ("all denied, to a service of the hospital", DENY, "backend", ALL),
    ("a class", {**DENY, **_class("Condition")}, "RN", ALL - {"Condition"}),
    ("two classes", {**DENY, **_class("Condition", "Observation")}, "RN", {"Patient"}),
    ("a class that is not known", {**DENY, "class": [{"system": "urn:x", "code": "y"}]}, "RN", set()),
    ("a label", {**DENY, "securityLabel": [_LABEL]}, "RN", ALL - {"Observation"}),
    ("an actor", {**DENY, **_actor("Practitioner/d")}, "DR", set()),
    ("another actor", {**DENY, **_actor("Practitioner/other")}, "DR", ALL),
    ("an actor that may stand for others", {**DENY, **_actor("Organization/ward")}, "DR", set()),
    ("a purpose", {**DENY, **_purpose("TREAT")}, "RN", set()),
    ("another purpose", {**DENY, **_purpose("HRESCH")}, "RN", ALL),
    ("over", {**DENY, "period": {"end": "2020"}}, "RN", ALL),
    ("not yet", {**DENY, "period": {"start": "2999"}}, "RN", ALL),
    ("now", {**DENY, "period": {"start": "2020", "end": "2999"}}, "RN", set()),
    (
        "denied within",
        {**PERMIT, "provision": [{**DENY, **_class("Observation")}]},
        "RN",
        ALL - {"Observation"},
    ),
    ("an exception", {**DENY, "provision": [{**PERMIT, **_actor("Practitioner/d")}]}, "DR", ALL),
    ("an exception for others", {**DENY, "provision": [{**PERMIT, **_actor("Practitioner/x")}]}, "DR", set()),
    ("an exception for a class", {**DENY, "provision": [{**PERMIT, **_class("Patient")}]}, "RN", {"Patient"}),
    (
        "an exception that is not understood",
        {**DENY, "provision": [{**PERMIT, "code": [{"text": "x"}]}]},
        "RN",
        set(),
    ),
    (
        "three levels",
        {**DENY, "provision": [{**PERMIT, "provision": [{**DENY, **_class("Condition")}]}]},
        "RN",
        ALL - {"Condition"},
    ),
]


async def _authenticate(token: str) -> Principal | None:
    scopes = ("user/*.cruds",)
    if token.startswith("own-"):
        return Principal("app", scopes, token, f"Patient/{token[4:]}", frozenset({"PT"}))
    if token == "DR":
        return Principal("app", scopes, token, "Practitioner/d", frozenset({"DR"}))
    return (
        Principal("app", scopes, token, None, frozenset({token}))
        if token != "backend"
        else Principal("backend", ("system/*.cruds",))
    )


def _resources(number: int, provision: Resource) -> Iterator[Resource]:
    patient, subject = f"p{number}", {"reference": f"Patient/p{number}"}
    scope = {"coding": [{"code": "patient-privacy"}]}
    about = {"scope": scope, "category": [{"text": "x"}], "policyRule": {"text": "x"}, "patient": subject}
    yield {
        "resourceType": "Patient",
        "id": patient,
        "generalPractitioner": [{"reference": "Practitioner/d"}],
    }
    yield {"resourceType": "Condition", "id": f"c{number}", "subject": subject}
    vital = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}
    yield {
        "resourceType": "Observation",
        "id": f"o{number}",
        "meta": {"security": [_LABEL]},
        "status": "final",
        "category": [{"coding": [vital]}],
        "code": {"text": "x"},
        "subject": subject,
    }
    yield {"resourceType": "Consent", "id": f"n{number}", "status": "active", **about, "provision": provision}


@pytest.fixture(scope="module")
def url(settings: Settings) -> Iterator[str]:
    """The address of a server with a patient for each case."""
    entries = [
        {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}}
        for number, (_, provision, _, _) in enumerate(CASES)
        for one in _resources(number, provision)
    ]
    with pytest.MonkeyPatch.context() as patch, running_server(settings, _authenticate) as address:
        patch.setattr(consent_list, "_FRESH_SECONDS", 0.0)
        headers = {"authorization": "Bearer backend", "content-type": FHIR_JSON}
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        answer = httpx.post(address, json=bundle, headers=headers, timeout=30)
        assert answer.status_code == 200, answer.text
        yield address


@pytest.mark.workflow("2-14", "4-49")
@pytest.mark.requirement("smart-119", "smart-245")
@pytest.mark.parametrize("number", range(len(CASES)), ids=[name for name, *_ in CASES])
def test_what_is_denied_is_not_there(url: str, number: int) -> None:
    """Of the patient's resources those are read and found that no consent denies to the caller."""
    _, _, caller, seen = CASES[number]
    token = f"own-p{number}" if caller == "own" else caller
    headers = {"authorization": f"Bearer {token}"}
    for name, resource_id in (
        ("Patient", f"p{number}"),
        ("Condition", f"c{number}"),
        ("Observation", f"o{number}"),
    ):
        read = httpx.get(f"{url}/{name}/{resource_id}", headers=headers)
        found = httpx.get(f"{url}/{name}?_id={resource_id}", headers=headers)
        assert (read.status_code == 200) == (name in seen), (name, read.text)
        assert (found.json()["total"] == 1) == (name in seen), (name, found.text)
