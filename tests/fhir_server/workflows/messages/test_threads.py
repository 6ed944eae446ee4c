"""Patients and staff write to each other: who to whom, in which thread, and that nobody is forgotten."""

from datetime import timedelta
from typing import Any

import pytest

from fhir_server.errors import error_response
from fhir_server.smart.principal import Principal
from fhir_server.store import Write
from fhir_server.workflows.rulebook import ruled
from resources.operation_outcome import FhirError, NotSupported
from tests.fhir_server.workflows.messages.conftest import (
    Hospital,
    MailBox,
    patient,
    practitioner,
)

pytestmark = pytest.mark.anyio

Resource = dict[str, Any]

PATIENT = Principal("portal", (), "account-1", "Patient/1", frozenset({"PT"}))
DOCTOR = Principal("portal", (), "account-2", "Practitioner/1", frozenset({"DR"}))
STRANGER = Principal("portal", (), "account-3", "Practitioner/2", frozenset({"DR"}))


def message(message_id: str, to: str = "Practitioner/1", **elements: Any) -> Resource:
    """Return a message of the patient, or to the patient."""
    return {
        "resourceType": "Communication",
        "id": message_id,
        "status": "completed",
        "subject": {"reference": "Patient/1"},
        "recipient": [{"reference": to}],
        "payload": [{"contentString": "May I run?"}],
        **elements,
    }


def answer(message_id: str, to: str, **elements: Any) -> Resource:
    """Return what the doctor answers."""
    return message(message_id, "Patient/1", inResponseTo=[{"reference": f"Communication/{to}"}], **elements)


@pytest.fixture
async def clinic(hospital: Hospital) -> Hospital:
    """A patient, the doctor who treats them, and one who does not."""
    treated = patient(generalPractitioner=[{"reference": "Practitioner/1"}])
    await hospital.put(treated, patient("2"), practitioner("1"), practitioner("2"))
    return hospital


async def refused(hospital: Hospital, resource: Resource, by: Principal | None) -> tuple[int, set[str]]:
    """Return the status and the rules of the refusal of a resource."""
    with pytest.raises(FhirError) as caught:
        await hospital.put(resource, by=by)
    return error_response(caught.value).status, {issue.rule or "" for issue in caught.value.issues}


@pytest.mark.workflow("4-47", "4-19")
async def test_patient_and_doctor_talk_in_a_thread(clinic: Hospital, mailbox: MailBox) -> None:
    """Sender, time and thread are filled in; each is told that there is something, and not what."""
    [first] = await clinic.put(message("m1"), by=PATIENT)
    assert first["sender"] == {"reference": "Patient/1"}
    assert first["sent"] == "2027-03-01T12:00:00.000Z"
    [second] = await clinic.put(answer("m2", "m1"), by=DOCTOR)
    [third] = await clinic.put(message("m3", inResponseTo=[{"reference": "Communication/m2"}]), by=PATIENT)
    threads = {one["identifier"][0]["value"] for one in (first, second, third)}
    assert threads == {"m1"}
    assert second["meta"]["versionId"] == "1"
    await clinic.work()
    assert sorted(address for address, _ in mailbox.mails) == [
        "doctor1@example.org",
        "doctor1@example.org",
        "patient1@example.org",
    ]
    assert not any("run" in str(mail.get_payload()) for _, mail in mailbox.mails)


@pytest.mark.workflow("4-47")
async def test_a_stranger_is_not_written_to(clinic: Hospital) -> None:
    """Whoever does not treat the patient, and other patients, get nothing from them."""
    role = {"resourceType": "PractitionerRole", "id": "r2", "practitioner": {"reference": "Practitioner/2"}}
    own_role = role | {"id": "r1", "practitioner": {"reference": "Practitioner/1"}}
    await clinic.put(role, own_role)
    for to in ("Practitioner/2", "PractitionerRole/r2", "Patient/2", "Organization/1"):
        assert await refused(clinic, message("m1", to), PATIENT) == (403, {"W14.care-team"})
    await clinic.put(message("m1", "PractitionerRole/r1"), by=PATIENT)


async def test_nobody_writes_in_anothers_name_or_about_another(clinic: Hospital) -> None:
    """The sender is who writes; a patient writes about themselves; what is about one goes to no other."""
    for by in (PATIENT, DOCTOR):
        forged = message("m1", sender={"reference": "Practitioner/2"})
        assert await refused(clinic, forged, by) == (403, {"W14.sender"})
    about_another = message("m1", subject={"reference": "Patient/2"})
    assert await refused(clinic, about_another, PATIENT) == (403, {"W14.other-patient"})
    to_another = message("m1", "Patient/2", topic={"text": "Sport"})
    assert await refused(clinic, to_another, DOCTOR) == (403, {"W14.other-patient"})
    # Also where it has none of what makes it a message to be answered.
    for author in (DOCTOR, None):
        assert await refused(clinic, message("m1", "Patient/2"), author) == (403, {"W14.other-patient"})
    await clinic.put(message("m1", "Patient/1", topic={"text": "Sport"}), by=DOCTOR)


async def test_a_role_of_ones_own_is_a_sender_too(clinic: Hospital) -> None:
    """A practitioner writes as one of their roles, not as one of another."""
    role = {"resourceType": "PractitionerRole", "id": "r", "practitioner": {"reference": "Practitioner/1"}}
    await clinic.put(role)
    sent = message("m1", "Patient/1", sender={"reference": "PractitionerRole/r"})
    assert await refused(clinic, sent, STRANGER) == (403, {"W14.sender"})
    await clinic.put(sent, by=DOCTOR)


async def test_an_answer_stays_in_its_thread(clinic: Hospital) -> None:
    """It answers one message that is here, about the same, and not one of others."""
    await clinic.put(message("m1", topic={"text": "Sport"}), by=PATIENT)
    other = {"reference": "Patient/2"}
    thread = [{"system": "urn:fhir-hospital-server:threads", "value": "another"}]
    for wrong in (
        answer("m2", "unknown"),
        answer("m2", "m1", topic={"text": "Food"}),
        answer("m2", "m1", identifier=thread),
        answer("m2", "m1") | {"subject": other, "recipient": [{"reference": "Practitioner/2"}]},
        answer("m2", "m1") | {"inResponseTo": [{"reference": "Communication/m1"}] * 2},
    ):
        assert await refused(clinic, wrong, DOCTOR) == (422, {"W14.thread"})
    await clinic.put(answer("m2", "m1", topic={"text": "Sport"}), by=DOCTOR)
    others = message("o1", subject=other, sender={"reference": "Practitioner/2"})
    await clinic.put(others, by=STRANGER)
    meddling = message("m3", inResponseTo=[{"reference": "Communication/o1"}])
    assert (await refused(clinic, meddling, PATIENT))[0] == 403
    # A name of a thread that the patient invents for a first message is not kept.
    [first] = await clinic.put(message("m4", identifier=thread), by=PATIENT)
    assert first["identifier"][0]["value"] == "m4"


async def test_a_message_says_something_to_somebody(clinic: Hospital) -> None:
    """Without recipients or content it is refused."""
    for element in ("recipient", "payload"):
        wrong = {name: value for name, value in message("m1").items() if name != element}
        assert await refused(clinic, wrong, PATIENT) == (422, {"W14.incomplete"})


@pytest.mark.workflow("0-44")
async def test_what_was_sent_stays_as_it_is(clinic: Hospital) -> None:
    """No change, no deletion, by nobody; one that is being prepared may be changed."""
    [draft] = await clinic.put(message("d", status="preparation"), by=DOCTOR)
    draft |= {"payload": [{"contentString": "No"}], "status": "completed"}
    [sent] = await clinic.put(draft)
    for changed in (sent | {"payload": [{"contentString": "Yes"}]}, sent | {"status": "entered-in-error"}):
        status, rules = await refused(clinic, changed, None)
        assert status == 405
        assert "W14.immutable" in rules
    deletion = Write("DELETE", "Communication", "d")
    with pytest.raises(NotSupported):
        await ruled(clinic.context(), clinic.book).store.commit([deletion])


@pytest.mark.parametrize(
    ("before", "after"),
    [("in-progress", "preparation"), ("in-progress", "not-done")],
)
async def test_states_follow_each_other(clinic: Hospital, before: str, after: str) -> None:
    """What is being sent is not prepared again; it may be held."""
    [kept] = await clinic.put(message("m1", status=before))
    assert await refused(clinic, kept | {"status": after}, None) == (422, {"W14.state"})
    await clinic.put(kept | {"status": "on-hold"})


@pytest.mark.workflow("4-47")
async def test_a_patient_who_is_not_answered_becomes_a_task(clinic: Hospital, mailbox: MailBox) -> None:
    """After a day the doctor has a Task, once, and is told; the answer ends it."""
    await clinic.put(message("m1"), by=PATIENT)
    await clinic.work()
    clinic.now += timedelta(hours=23, minutes=59)
    assert await clinic.work() == 0
    clinic.now += timedelta(minutes=1)
    await clinic.work()
    [task] = [one["resource"] for one in await clinic.store.find("Task", {}, [], {"resource": 1}, 10)]
    assert task["status"] == "requested"
    assert task["owner"] == {"reference": "Practitioner/1"}
    assert task["focus"] == {"reference": "Communication/m1"}
    assert task["for"] == {"reference": "Patient/1"}
    assert mailbox.mails[-1][0] == "doctor1@example.org"
    assert "since 2027-03-01 12:00" in str(mailbox.mails[-1][1].get_payload()).replace("=\n", "")
    await clinic.put(answer("m2", "m1"), by=DOCTOR)
    [task] = [one["resource"] for one in await clinic.store.find("Task", {}, [], {"resource": 1}, 10)]
    assert task["status"] == "completed"


async def test_a_patient_who_is_answered_becomes_no_task(clinic: Hospital) -> None:
    """The answer takes back what waits for the time, also for what the patient wrote in between."""
    await clinic.put(message("m1"), by=PATIENT)
    await clinic.put(message("m2", inResponseTo=[{"reference": "Communication/m1"}]), by=PATIENT)
    await clinic.put(answer("m3", "m1"), by=DOCTOR)
    await clinic.work()
    clinic.now += timedelta(days=3)
    assert await clinic.work() == 0
