"""Changes of a patient's own record, by patients and staff, on every way of changing it."""

from typing import Any

import httpx
import pytest

from tests.fhir_server.workflows.registration.conftest import clients, settings
from tests.fhir_server.workflows.registration.people import rules_of, somebody, transaction

__all__ = ["clients", "settings"]

Clients = dict[str, httpx.Client]

_PATCH = {"content-type": "application/json-patch+json"}
_PHONE = [{"system": "phone", "value": "555-0123"}]


@pytest.fixture
def anna(clients: Clients) -> dict[str, Any]:
    """Anna's record as it is now."""
    there = clients["backend"].get("/Patient/anna")
    if there.status_code != 200:
        there = clients["backend"].put("/Patient/anna", json=somebody() | {"id": "anna"})
    found: dict[str, Any] = there.json()
    return found


def _tag(patient: dict[str, Any]) -> dict[str, str]:
    return {"if-match": f'W/"{patient["meta"]["versionId"]}"'}


@pytest.mark.workflow("0-08", "3-05")
@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("telecom", _PHONE),
        ("address", [{"city": "Elsewhere"}]),
        ("contact", [{"name": {"text": "Otto"}, "telecom": _PHONE}]),
        ("communication", [{"language": {"text": "German"}}]),
        ("photo", [{"contentType": "image/png", "data": "AAAA"}]),
    ],
)
def test_a_patient_changes_what_is_theirs(
    clients: Clients, anna: dict[str, Any], path: str, value: Any
) -> None:
    """By PATCH and PUT of the version that they saw; each is a new version."""
    patch = [{"op": "add", "path": f"/{path}", "value": value}]
    answer = clients["anna"].patch("/Patient/anna", json=patch, headers=_PATCH | _tag(anna))
    assert answer.status_code == 200, answer.text
    assert answer.json()[path] == value
    bare = {key: text for key, text in answer.json().items() if key != path}
    put = clients["anna"].put("/Patient/anna", json=bare, headers=_tag(answer.json()))
    assert put.status_code == 200, put.text
    history = clients["anna"].get("/Patient/anna/_history").json()
    assert history["total"] == int(put.json()["meta"]["versionId"])


@pytest.mark.workflow("0-08", "3-05")
def test_a_patient_names_the_version(clients: Clients, anna: dict[str, Any]) -> None:
    """Without If-Match it is 400, with a stale one 412, in bundles too; nothing is changed."""
    client = clients["anna"]
    patch = [{"op": "add", "path": "/telecom", "value": [{"system": "phone", "value": "9"}]}]
    bare = client.patch("/Patient/anna", json=patch, headers=_PATCH)
    assert bare.status_code == 400
    assert rules_of(bare) == {"W2.if-match"}
    body = anna | {"telecom": [{"system": "phone", "value": "9"}]}
    assert rules_of(client.put("/Patient/anna", json=body)) == {"W2.if-match"}
    assert rules_of(client.post("/", json=transaction(("PUT", "Patient/anna", body)))) == {"W2.if-match"}
    stale = {"if-match": 'W/"999"'}
    assert client.patch("/Patient/anna", json=patch, headers=_PATCH | stale).status_code == 412
    assert client.put("/Patient/anna", json=body, headers=stale).status_code == 412
    assert clients["backend"].get("/Patient/anna").json() == anna


@pytest.mark.workflow("0-08", "3-05", "3-37")
@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("identifier", [{"system": "urn:new", "value": "1"}]),
        ("active", False),
        ("deceasedBoolean", True),
        ("link", [{"other": {"reference": "Patient/anna"}, "type": "seealso"}]),
        ("birthDate", "1999-09-09"),
        ("name", [{"family": "Other"}]),
        ("generalPractitioner", [{"reference": "Practitioner/dora"}]),
    ],
)
def test_a_patient_changes_nothing_else(
    clients: Clients, anna: dict[str, Any], path: str, value: Any
) -> None:
    """403 on every way."""
    client, changed = clients["anna"], anna | {path: value}
    patch = [{"op": "add", "path": f"/{path}", "value": value}]
    bundle = transaction(("PUT", "Patient/anna", changed))
    bundle["entry"][0]["request"]["ifMatch"] = _tag(anna)["if-match"]
    answers = [
        client.patch("/Patient/anna", json=patch, headers=_PATCH | _tag(anna)),
        client.put("/Patient/anna", json=changed, headers=_tag(anna)),
        client.put("/Patient?_id=anna", json=changed, headers=_tag(anna)),
        client.post("/", json=bundle),
    ]
    assert [one.status_code for one in answers] == [403] * len(answers)
    assert clients["backend"].get("/Patient/anna").json() == anna


@pytest.mark.workflow("0-08")
@pytest.mark.parametrize("caller", ["doctor", "nurse"])
@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("identifier", [{"system": "urn:new", "value": "1"}]),
        ("active", False),
        ("deceasedDateTime", "2026-01-01"),
        ("link", [{"other": {"reference": "Patient/anna"}, "type": "seealso"}]),
    ],
)
def test_only_administrators_change_who_it_is(
    clients: Clients, anna: dict[str, Any], caller: str, path: str, value: Any
) -> None:
    """A doctor who treats the patient may not, nor a nurse; an administrator may."""
    treated = anna | {"generalPractitioner": [{"reference": "Practitioner/dora"}]}
    before = clients["backend"].put("/Patient/anna", json=treated).json()
    changed = before | {path: value}
    if path == "identifier":
        changed = before | {"identifier": [*before["identifier"], *value]}
    answer = clients[caller].put("/Patient/anna", json=changed)
    assert answer.status_code == 403, answer.text
    if caller == "doctor":
        assert rules_of(answer) == {"W2.protected"}
        gender = before | {"gender": "female"}
        assert clients["doctor"].put("/Patient/anna", json=gender).status_code == 200
    assert clients["administrator"].put("/Patient/anna", json=changed).status_code == 200
    assert clients["administrator"].put("/Patient/anna", json=before).status_code == 200


def test_what_patients_may_not_change_is_a_rule_of_its_own() -> None:
    """Also where a hospital's own table of roles would let a patient change more."""
    from datetime import UTC, datetime

    from fhir_server.settings import Settings
    from fhir_server.workflows.pattern import Change
    from fhir_server.workflows.profile.pattern import check
    from fhir_server.workflows.situation import Situation
    from tests.fhir_server.workflows.registration.conftest import CALLERS

    situation = Situation(
        datetime.now(UTC), "http://server/fhir", Settings(auth="off"), lambda: "1", CALLERS["anna"]
    )
    before = somebody() | {"id": "anna"}
    named = Change("Patient", "anna", before, before | {"name": [{"text": "Other"}]})
    assert [one.rule.id for one in check(named, None, situation)] == ["W2.own-elements"]
    extended = Change("Patient", "anna", before, before | {"_birthDate": {"extension": []}})
    assert [one.rule.id for one in check(extended, None, situation)] == ["W2.own-elements"]
    reached = Change("Patient", "anna", before, before | {"telecom": _PHONE})
    assert list(check(reached, None, situation)) == []
