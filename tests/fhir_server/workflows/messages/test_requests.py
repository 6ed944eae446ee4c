"""Messages that staff ask for: sent when they are due, once to each, unless they are revoked."""

from datetime import timedelta
from typing import Any

import pytest

from fhir_server.write_path import commit, replacement
from tests.fhir_server.workflows.messages.conftest import NOON, Hospital, MailBox, patient, practitioner
from tests.fhir_server.workflows.messages.test_threads import DOCTOR, PATIENT, refused

pytestmark = pytest.mark.anyio

Resource = dict[str, Any]


def request(**elements: Any) -> Resource:
    """Return a request to remind a patient in an hour."""
    return {
        "resourceType": "CommunicationRequest",
        "id": "r",
        "status": "active",
        "subject": {"reference": "Patient/1"},
        "recipient": [{"reference": "Patient/1"}],
        "payload": [{"contentString": "Your blood is to be taken again."}],
        "occurrenceDateTime": (NOON + timedelta(hours=1)).isoformat(),
        **elements,
    }


async def status(hospital: Hospital) -> str:
    """Return the state of the request."""
    version = await hospital.store.read("CommunicationRequest", "r")
    assert version is not None
    assert version.resource is not None
    return str(version.resource["status"])


@pytest.fixture
async def clinic(hospital: Hospital) -> Hospital:
    """A patient, and the doctor who treats them."""
    await hospital.put(patient(generalPractitioner=[{"reference": "Practitioner/1"}]), practitioner())
    return hospital


@pytest.mark.workflow("1-33", "4-42", "3-51")
async def test_a_request_is_carried_out_when_it_is_due(clinic: Hospital, mailbox: MailBox) -> None:
    """Each recipient is told once; what it says is in the record, and not in the mail."""
    both = [{"reference": "Patient/1"}, {"reference": "Practitioner/1"}]
    await clinic.put(request(recipient=both), by=DOCTOR)
    assert await clinic.work() == 0
    clinic.now += timedelta(hours=1)
    assert await clinic.work() == 2
    assert {address for address, _ in mailbox.mails} == {"patient1@example.org", "doctor1@example.org"}
    assert not any("blood" in str(mail.get_payload()) for _, mail in mailbox.mails)
    for kept in await clinic.communications():
        assert kept["status"] == "completed"
        assert kept["basedOn"] == [{"reference": "CommunicationRequest/r"}]
        assert kept["payload"] == [{"contentString": "Your blood is to be taken again."}]
    assert await status(clinic) == "completed"


@pytest.mark.workflow("4-09", "4-42")
@pytest.mark.parametrize("state", ["revoked", "on-hold", "entered-in-error"])
async def test_what_is_taken_back_is_not_sent(clinic: Hospital, mailbox: MailBox, state: str) -> None:
    """A request that is revoked or held is struck out; one that is active again is sent."""
    await clinic.put(request(), by=DOCTOR)
    await clinic.put(request(status=state), by=DOCTOR)
    clinic.now += timedelta(hours=2)
    assert await clinic.work() == 0
    assert mailbox.mails == []
    if state == "on-hold":
        await clinic.put(request(), by=DOCTOR)
        await clinic.work()
        assert len(mailbox.mails) == 1


async def test_another_time_is_the_one_that_counts(clinic: Hospital, mailbox: MailBox) -> None:
    """What is moved is sent at the new time only; and what is moved back at the first one again."""
    later = (NOON + timedelta(hours=5)).isoformat()
    for elements in ({}, {"occurrenceDateTime": later}, {}, {"occurrenceDateTime": later}):
        await clinic.put(request(**elements), by=DOCTOR)
    clinic.now += timedelta(hours=2)
    assert await clinic.work() == 0
    clinic.now += timedelta(hours=3)
    assert await clinic.work() == 1
    assert len(mailbox.mails) == 1


async def test_a_request_with_nobody_to_reach_is_refused(clinic: Hospital) -> None:
    """Neither recipients nor a patient whom it is about; a draft may lack them."""
    nobody = {name: value for name, value in request().items() if name not in ("recipient", "subject")}
    assert await refused(clinic, nobody, DOCTOR) == (422, {"W14.request-recipient"})
    await clinic.put(nobody | {"status": "draft"}, by=DOCTOR)
    patient_only = {name: value for name, value in request().items() if name != "recipient"}
    await clinic.put(patient_only, by=DOCTOR)


async def test_what_is_completed_is_not_active_again(clinic: Hospital) -> None:
    """States follow each other."""
    await clinic.put(request(status="revoked"))
    assert await refused(clinic, request(), DOCTOR) == (422, {"W14.request-state"})


async def test_a_patient_asks_nobody_else_to_be_told(clinic: Hospital) -> None:
    """A patient's own request reaches those who treat them, and no other patient."""
    for other in ("Patient/2", "Practitioner/2"):
        wrong = request(recipient=[{"reference": other}])
        assert await refused(clinic, wrong, PATIENT) == (403, {"W14.care-team"})
    await clinic.put(request(recipient=[{"reference": "Practitioner/1"}]), by=PATIENT)


async def test_what_is_about_one_patient_is_not_sent_to_another(clinic: Hospital) -> None:
    """Nor is a request changed so that it would be; one of before the rule is taken back all the same."""
    await clinic.put(patient("2"))
    both = [{"reference": "Patient/1"}, {"reference": "Patient/2"}]
    other = request(recipient=both)
    for by in (DOCTOR, None):
        assert await refused(clinic, other, by) == (403, {"W14.other-patient"})
    await clinic.put(request(), by=DOCTOR)
    assert await refused(clinic, other, DOCTOR) == (403, {"W14.other-patient"})
    await commit(clinic.context(), [replacement("CommunicationRequest", "r", other)])
    await clinic.put(request(recipient=both, status="revoked"), by=DOCTOR)
    # What is about nobody may be sent to many: each has a message of their own.
    for_all = request(id="all", recipient=both)
    del for_all["subject"]
    await clinic.put(for_all, by=DOCTOR)
