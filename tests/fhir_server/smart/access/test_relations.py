"""Whom a doctor sees: whom they treat, and in an emergency for a while another; labels; scopes that ask.

https://hl7.org/fhir/R4/security-labels.html, https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhir_server.settings import Settings
from fhir_server.smart.principal import Principal
from tests.fhir_server.conftest import FHIR_JSON, running_server

Resource = dict[str, Any]

_ACCESS = Path(__file__).parents[4] / "docs/access.md"
_TREATED_BY: dict[str, Resource] = {
    "encounter": {
        "resourceType": "Encounter",
        "status": "in-progress",
        "class": {"code": "AMB"},
        "participant": [{"individual": {"reference": "Practitioner/dr-encounter"}}],
    },
    "team": {
        "resourceType": "CareTeam",
        "status": "active",
        "participant": [{"member": {"reference": "Practitioner/dr-team"}}],
    },
    "order": {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "performer": [{"reference": "Practitioner/dr-order"}],
    },
    "over": {
        "resourceType": "CareTeam",
        "status": "inactive",
        "participant": [{"member": {"reference": "Practitioner/dr-over"}}],
    },
    "cancelled": {
        "resourceType": "Encounter",
        "status": "cancelled",
        "class": {"code": "AMB"},
        "participant": [{"individual": {"reference": "Practitioner/dr-cancelled"}}],
    },
}
_LABEL = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
_LABORATORY = "http://terminology.hl7.org/CodeSystem/observation-category|laboratory"

_SCOPED = {
    "laboratory-only": (f"patient/Observation.rs?category={_LABORATORY}",),
    "unknown-parameter": ("patient/Observation.rs?colour=red",),
    "place": ("patient/Location.rs?near=1|2|3|km",),
    "changed-lately": ("patient/Observation.rs?_lastUpdated=ge2020",),
    "read-only": ("patient/Observation.r",),
    "search-only": ("patient/Observation.s",),
    "v1": ("patient/Observation.read",),
    "other-type": ("patient/Condition.rs",),
    "user-for-backend": ("system/Observation.rs",),
    "nothing": (),
}


async def _authenticate(token: str) -> Principal | None:
    if token == "backend":
        return Principal("backend", ("system/*.cruds",))
    if token == "updater":
        return Principal("updater", ("system/Basic.u",))
    if token in _SCOPED:
        return Principal(
            "app", _SCOPED[token], "pt", "Patient/labelled", frozenset({"PT"}), patient="labelled"
        )
    if token.startswith("own-"):
        return Principal("app", ("user/*.cruds",), token, f"Patient/{token[4:]}", frozenset({"PT"}))
    if token.startswith("dr-"):
        return Principal("app", ("user/*.cruds",), token, f"Practitioner/{token}", frozenset({"DR"}))
    return Principal("app", ("user/*.cruds",), token, None, frozenset({token}))


def _resources() -> Iterator[Resource]:
    for name, relation in _TREATED_BY.items():
        yield {"resourceType": "Patient", "id": name}
        yield {**relation, "id": f"relation-{name}", "subject": {"reference": f"Patient/{name}"}}
    general = [{"reference": "Practitioner/dr-general"}]
    yield {"resourceType": "Patient", "id": "general", "generalPractitioner": general}
    yield {"resourceType": "Patient", "id": "labelled", "generalPractitioner": general}
    for code in ("N", "R", "V"):
        yield _observation(f"label-{code}", "laboratory") | {
            "meta": {"security": [{"system": _LABEL, "code": code}]}
        }
    yield _observation("vital", "vital-signs")


def _observation(resource_id: str, category: str) -> Resource:
    system, _, _ = _LABORATORY.partition("|")
    return {
        "resourceType": "Observation",
        "id": resource_id,
        "status": "final",
        "category": [{"coding": [{"system": system, "code": category}]}],
        "code": {"text": "x"},
        "subject": {"reference": "Patient/labelled"},
    }


@pytest.fixture(scope="module")
def url(settings: Settings) -> Iterator[str]:
    """The address of a server with these resources."""
    with running_server(settings, _authenticate) as address:
        for one in _resources():
            asked = _ask(address, "backend", "PUT", f"{one['resourceType']}/{one['id']}", one)
            assert asked.status_code == 201, asked.text
        yield address


def _ask(url: str, token: str, method: str, address: str, body: Any = None) -> httpx.Response:
    headers = {"authorization": f"Bearer {token}", "content-type": FHIR_JSON}
    return httpx.request(method, f"{url}/{address}", json=body, headers=headers)


def _ids(answer: httpx.Response) -> set[str]:
    return {entry["resource"]["id"] for entry in answer.json().get("entry", [])}


@pytest.mark.workflow("1-01", "3-40")
@pytest.mark.requirement("smart-119", "smart-140", "smart-368")
@pytest.mark.parametrize(
    ("doctor", "patients"),
    [
        ("dr-encounter", {"encounter"}),
        ("dr-team", {"team"}),
        ("dr-order", {"order"}),
        ("dr-general", {"general", "labelled"}),
        ("dr-over", set()),
        ("dr-cancelled", set()),
        ("dr-nobody", set()),
    ],
)
def test_a_doctor_sees_whom_they_treat(url: str, doctor: str, patients: set[str]) -> None:
    """An encounter, a care team, an order, or being the general practitioner make the relation."""
    assert _ids(_ask(url, doctor, "GET", "Patient")) == patients


def _reason(text: str) -> Resource:
    return {"resourceType": "Parameters", "parameter": [{"name": "reason", "valueString": text}]}


@pytest.mark.workflow("1-01")
def test_an_emergency(url: str) -> None:
    """With a reason a doctor sees a patient whom they do not treat, labelled results too; no other."""
    assert _ask(url, "dr-help", "GET", "Patient/labelled").status_code == 404
    glass = "Patient/labelled/$break-glass"
    assert _ask(url, "dr-help", "POST", glass).status_code == 400
    assert _ask(url, "dr-help", "POST", glass, _reason("short")).status_code == 400
    granted = _ask(url, "dr-help", "POST", glass, _reason("Unconscious in the emergency room"))
    assert granted.status_code == 200, granted.text
    assert granted.json()["parameter"][0]["part"][0]["valueReference"]["reference"] == "Patient/labelled"
    assert _ids(_ask(url, "dr-help", "GET", "Observation")) == {"label-N", "label-R", "label-V", "vital"}
    assert _ask(url, "dr-help", "GET", "Patient/team").status_code == 404
    assert _ask(url, "dr-other", "GET", "Patient/labelled").status_code == 404


@pytest.mark.parametrize(
    ("caller", "address", "status"),
    [("RN", "Patient/labelled", 403), ("AD", "Patient/labelled", 403), ("dr-x", "Patient/none", 404)],
)
def test_an_emergency_of_others(url: str, caller: str, address: str, status: int) -> None:
    """Only doctors have emergencies, and only with patients that there are."""
    answer = _ask(url, caller, "POST", f"{address}/$break-glass", _reason("Unconscious in the corridor"))
    assert answer.status_code == status


def test_an_emergency_is_over(settings: Settings) -> None:
    """When its time is up the patient is not there any more."""
    brief = settings.model_copy(update={"emergency_minutes": 0})
    with running_server(brief, _authenticate) as url:
        glass = "Patient/team/$break-glass"
        assert _ask(url, "dr-late", "POST", glass, _reason("Unconscious in the garden")).status_code == 200
        assert _ask(url, "dr-late", "GET", "Patient/team").status_code == 404


@pytest.mark.parametrize(
    ("caller", "seen"),
    [
        ("dr-general", {"label-N", "label-R", "vital"}),
        ("RN", {"vital"}),
        ("LB", {"label-N"}),
        ("AU", {"label-N", "label-R", "label-V", "vital"}),
        ("backend", {"label-N", "label-R", "label-V", "vital"}),
    ],
)
def test_labels(url: str, caller: str, seen: set[str]) -> None:
    """What is labelled as restricted is for the roles that the file of roles names."""
    assert _ids(_ask(url, caller, "GET", "Observation")) == seen


@pytest.mark.requirement("smart-95", "smart-128", "smart-367", "smart-369", "smart-370")
@pytest.mark.parametrize(
    ("scopes", "found", "read"),
    [
        ("laboratory-only", {"label-N", "label-R", "label-V"}, {"label-N"}),
        ("unknown-parameter", set(), set()),
        ("changed-lately", set(), set()),
        ("read-only", None, {"label-N", "vital"}),
        ("search-only", {"label-N", "label-R", "label-V", "vital"}, set()),
        ("v1", {"label-N", "label-R", "label-V", "vital"}, {"label-N", "vital"}),
        ("other-type", None, set()),
        ("user-for-backend", None, set()),
        ("nothing", None, set()),
    ],
)
def test_scopes(url: str, scopes: str, found: set[str] | None, read: set[str]) -> None:
    """A scope gives what it says: the letters, the type, the query; what it does not give is forbidden."""
    answer = _ask(url, scopes, "GET", "Observation")
    assert (_ids(answer) if answer.status_code == 200 else None) == found
    for one in ("label-N", "vital"):
        status = _ask(url, scopes, "GET", f"Observation/{one}").status_code
        assert (status == 200) == (one in read), one


@pytest.mark.requirement("smart-130")
def test_entries_are_looked_at_by_themselves(url: str) -> None:
    """An entry of a batch is refused if its own request would be, and a transaction is as a whole."""
    entries = [
        {"request": {"method": "GET", "url": address}}
        for address in ("Observation/vital", "Patient/labelled")
    ]
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": entries}
    answer = _ask(url, "read-only", "POST", "", bundle).json()
    assert [one["response"]["status"][:3] for one in answer["entry"]] == ["200", "403"]
    whole = _ask(url, "read-only", "POST", "", {**bundle, "type": "transaction"})
    assert (whole.status_code, whole.json()["issue"][0]["code"]) == (400, "forbidden")


@pytest.mark.requirement("smart-123")
def test_an_update_may_create_by_its_own_scope(url: str) -> None:
    """The scope to update is enough for a PUT that creates, and for nothing else that does."""
    basic = {"resourceType": "Basic", "id": "made", "code": {"text": "x"}}
    assert _ask(url, "updater", "PUT", "Basic/made", basic).status_code == 201
    assert _ask(url, "updater", "PUT", "Basic/made", {**basic, "language": "de"}).status_code == 200
    assert (
        _ask(url, "updater", "POST", "Basic", {"resourceType": "Basic", "code": {"text": "x"}}).status_code
        == 403
    )
    assert _ask(url, "updater", "DELETE", "Basic/made").status_code == 403
    assert (
        _ask(url, "updater", "PUT", "Location/made", {"resourceType": "Location", "id": "made"}).status_code
        == 403
    )


def test_who_may_not_create_does_not_by_an_update(url: str) -> None:
    """The role says whether something may be made, whatever the application was granted."""
    patient = {
        "resourceType": "Patient",
        "id": "invented",
        "generalPractitioner": [{"reference": "Practitioner/dr-x"}],
    }
    assert _ask(url, "dr-x", "PUT", "Patient/invented", patient).status_code == 403


@pytest.mark.requirement("smart-139")
def test_a_link_to_another_patient_gives_nothing(url: str) -> None:
    """Neither that record nor its resources, whichever of both has the link; the documentation says so."""
    link = [{"type": "seealso", "other": {"reference": "Patient/labelled"}}]
    linked = {"resourceType": "Patient", "id": "linked", "link": link}
    assert _ask(url, "backend", "PUT", "Patient/linked", linked).status_code == 201
    assert _ids(_ask(url, "own-linked", "GET", "Patient")) == {"linked"}
    assert _ids(_ask(url, "own-linked", "GET", "Observation")) == set()
    assert _ids(_ask(url, "own-labelled", "GET", "Patient")) == {"labelled"}
    assert "Patient.link" in _ACCESS.read_text()


def test_a_scope_that_earlier_versions_cannot_be_held_against(url: str) -> None:
    """A scope by a distance gives nothing, lest it give something on one way and not on another."""
    place = {"resourceType": "Location", "id": "here", "position": {"longitude": 2, "latitude": 1}}
    assert _ask(url, "backend", "PUT", "Location/here", place).status_code == 201
    assert _ask(url, "place", "GET", "Location/here").status_code == 404
    assert _ids(_ask(url, "place", "GET", "Location")) == set()


def test_labels_are_not_for_patients_to_change(url: str) -> None:
    """Who may change some elements only does not take a label away by leaving it out, nor put one there."""
    label = {"security": [{"system": _LABEL, "code": "R"}]}
    patient = {"resourceType": "Patient", "id": "marked", "meta": label}
    assert _ask(url, "backend", "PUT", "Patient/marked", patient).status_code == 201
    telecom = {"telecom": [{"system": "phone", "value": "1"}]}
    unmarked = {"resourceType": "Patient", "id": "marked", **telecom}
    assert _ask(url, "own-marked", "PUT", "Patient/marked", unmarked).status_code == 403
    assert _ask(url, "own-marked", "PUT", "Patient/marked", {**patient, **telecom}).status_code == 200


def test_a_job_is_its_callers(url: str) -> None:
    """What was asked to be answered later is answered to nobody else."""
    headers = {"authorization": "Bearer dr-general", "prefer": "respond-async"}
    started = httpx.get(f"{url}/Patient", headers=headers)
    assert started.status_code == 202, started.text
    address = started.headers["content-location"].rpartition("/fhir/")[2]
    assert _ask(url, "dr-team", "GET", address).status_code == 404
    assert _ask(url, "dr-team", "DELETE", address).status_code == 404
    assert _ask(url, "dr-general", "GET", address).status_code in (200, 202)
