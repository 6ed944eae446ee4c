"""What only reports of other systems may say: what the server does by itself meets the rules like anybody."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fhir_server.app import create_app  # noqa: F401 - the whole server can be imported with the rules
from fhir_server.asynchronous.jobs import Jobs
from fhir_server.context import Context
from fhir_server.identifiers import new_id
from fhir_server.settings import Settings
from fhir_server.store import Store, open_store
from fhir_server.workflows.modes import parse_modes
from fhir_server.workflows.registry import PATTERNS
from fhir_server.workflows.rulebook import RuleBook, ruled
from fhir_server.write_path import commit, replacement
from resources.operation_outcome import FhirError

pytestmark = pytest.mark.anyio

Resource = dict[str, Any]

_RECORD_NUMBER = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}
_CLASS = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"}
_SUBJECT = {"reference": "Patient/reported"}


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    """A store in which a visit has ended, and a patient has left a bed, which is to be cleaned."""
    assert settings.mongo_url is not None
    store = open_store(settings, settings.mongo_url)
    doctor = {"resourceType": "Practitioner", "id": "reported"}
    before = [doctor, _patient("reported"), _visit("ended", "finished"), _BED, _in_bed("completed")]
    before += [_order("revoked"), _fulfilment("cancelled")]
    await store.commit([replacement(one["resourceType"], one["id"], one) for one in before])
    yield store
    await store.close()


_BED = {
    "resourceType": "Location",
    "id": "bed",
    "status": "active",
    "name": "Bed",
    "physicalType": {
        "coding": [{"system": "http://terminology.hl7.org/CodeSystem/location-physical-type", "code": "bd"}]
    },
    "operationalStatus": {"system": "http://terminology.hl7.org/CodeSystem/v2-0116", "code": "H"},
}


def _in_bed(status: str) -> Resource:
    period = {"start": "2026-01-01T10:00:00Z"}
    if status == "completed":
        period["end"] = "2026-01-02T10:00:00Z"
    place = {"location": {"reference": "Location/bed"}, "status": status, "period": period}
    return {**_visit("lying", "in-progress"), "location": [place]}


def _patient(name: str, **more: Any) -> Resource:
    person = {"name": [{"family": name, "given": ["Ada"]}], "birthDate": "1970-03-30", "gender": "female"}
    return {"resourceType": "Patient", "id": name, **person, **more}


def _visit(name: str, status: str) -> Resource:
    period = {"start": "2026-01-01T10:00:00Z"}
    if status == "finished":
        period["end"] = "2026-01-02T10:00:00Z"
    encounter = {"resourceType": "Encounter", "id": name, "status": status, "class": _CLASS}
    return {**encounter, "subject": _SUBJECT, "period": period}


def _appointment() -> Resource:
    start = datetime.now(UTC) - timedelta(days=2)
    return {
        "resourceType": "Appointment",
        "id": "past",
        "status": "booked",
        "start": start.isoformat(timespec="seconds"),
        "end": (start + timedelta(minutes=30)).isoformat(timespec="seconds"),
        "participant": [{"actor": _SUBJECT, "status": "accepted"}],
    }


def _procedure() -> Resource:
    made = {"resourceType": "Procedure", "id": "late", "status": "completed", "subject": _SUBJECT}
    encounter = {"reference": "Encounter/ended"}
    return {**made, "encounter": encounter, "performedDateTime": "2026-01-01T12:00:00Z"}


def _order(status: str) -> Resource:
    made = {"resourceType": "ServiceRequest", "id": "order", "intent": "order", "subject": _SUBJECT}
    return {**made, "status": status, "code": {"text": "CBC"}}


def _fulfilment(status: str) -> Resource:
    made = {"resourceType": "Task", "id": "fulfilment", "intent": "order", "for": _SUBJECT}
    return {**made, "status": status, "focus": {"reference": "ServiceRequest/order"}}


def _prescription() -> Resource:
    made = {"resourceType": "MedicationRequest", "id": "why", "status": "active", "intent": "order"}
    doctor = {"reference": "Practitioner/reported"}
    medicine = {"text": "Amoxicillin"}
    return {**made, "subject": _SUBJECT, "requester": doctor, "medicationCodeableConcept": medicine}


_NUMBERED = _patient("numbered", identifier=[{"type": _RECORD_NUMBER, "system": "urn:old", "value": "1"}])


@pytest.mark.parametrize(
    ("resource", "rule"),
    [
        (_NUMBERED, "W1.record-number"),
        ({**_patient("reported"), "id": "again"}, "W1.duplicate-patient"),
        (_appointment(), "W3.past-start"),
        (_visit("ended", "in-progress"), "W4.encounter-state"),
        (_procedure(), "W4.closed-encounter"),
        (_in_bed("active"), "W5.not-assignable"),
        (_order("active"), "W7.order-state"),
        (_fulfilment("accepted"), "W7.task-state"),
        (_prescription(), "W6.reason"),
    ],
)
async def test_only_a_report_may_say_so(
    store: Store, settings: Settings, resource: Resource, rule: str
) -> None:
    """The server itself is refused, with the rule; what another system reports is written down."""
    book = RuleBook(PATTERNS, parse_modes(None, None), store)

    def no_route(_request: object) -> Any:
        raise AssertionError

    context = Context(
        "http://server/fhir",
        store,
        settings,
        lambda: datetime.now(UTC),
        new_id,
        no_route,
        Jobs(store.async_jobs),
    )
    write = replacement(resource["resourceType"], resource["id"], resource)
    with pytest.raises(FhirError) as refused:
        await commit(ruled(context, book, is_system=True), [write])
    assert rule in {issue.rule for issue in refused.value.issues}
    await commit(ruled(context, book, is_reported=True), [write])
    stored = await store.read(resource["resourceType"], resource["id"])
    assert stored is not None
    assert stored.resource is not None
    assert stored.resource.get("status") == resource.get("status")
