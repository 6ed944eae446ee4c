"""Notices by e-mail and text message: to whom, by what, when, in which words, and once."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fhir_server.store.agenda import LeaseLost
from fhir_server.workflows.messages import delivery
from fhir_server.workflows.messages.record import CATEGORIES, communication_id
from fhir_server.workflows.notices import NoticeKind
from fhir_server.workflows.rulebook import ruled
from fhir_server.workflows.services import Services, services_of
from tests.fhir_server.workflows.messages.conftest import (
    ALERT,
    BOOKED,
    NOON,
    REMINDER,
    Hospital,
    MailBox,
    patient,
    practitioner,
    told,
    without_mail,
)

pytestmark = pytest.mark.anyio

Resource = dict[str, Any]


@pytest.mark.workflow("4-08", "3-33", "0-39", "0-44", "4-23", "0-07")
async def test_a_notice_is_sent_and_kept(hospital: Hospital, mailbox: MailBox) -> None:
    """Both sides get one e-mail each, and the log has what was sent to whom."""
    await hospital.put(patient(), practitioner())
    await hospital.plan(told(), told(recipient="Practitioner/1"))
    await hospital.work()
    assert sorted(address for address, _ in mailbox.mails) == ["doctor1@example.org", "patient1@example.org"]
    _, mail = next(one for one in mailbox.mails if one[0].startswith("patient"))
    assert mail["Subject"] == "Booked: 2027-03-02 08:30"
    assert str(mail.get_payload()).strip() == "See Ward 3 at 2027-03-02 08:30."
    assert mail["From"] == "hospital@example.org"
    found = {one["recipient"][0]["reference"]: one for one in await hospital.communications()}
    kept = found["Patient/1"]
    assert mail["Message-ID"] == f"<{kept['id']}@example.org>"
    assert kept["status"] == "completed"
    assert kept["sent"] == "2027-03-01T12:00:00.000Z"
    assert kept["medium"][0]["text"] == "EMAIL"
    assert kept["about"] == [{"reference": "Appointment/9"}]
    assert kept["subject"] == {"reference": "Patient/1"}
    assert kept["reasonCode"][0]["coding"][0]["code"] == "WT.booked"
    assert "subject" not in found["Practitioner/1"]  # lest a patient reads what staff are told


@pytest.mark.workflow("0-20")
async def test_the_same_is_told_once(hospital: Hospital, mailbox: MailBox) -> None:
    """Another notice of the same kind, resource, recipient and occasion sends nothing."""
    await hospital.put(patient())
    await hospital.plan(told())
    await hospital.work()
    # As if the entry had been forgotten meanwhile, and were made again.
    await hospital.store._database["agenda"].delete_many({})
    await hospital.plan(told())
    assert await hospital.work() == 1
    assert len(mailbox.mails) == 1
    assert [one["meta"]["versionId"] for one in await hospital.communications()] == ["2"]


@pytest.mark.workflow("4-09", "3-51")
async def test_a_reminder_waits_for_its_time(hospital: Hospital, mailbox: MailBox) -> None:
    """It is sent when it is due, and not before."""
    await hospital.put(patient())
    await hospital.plan(told(REMINDER, at=NOON + timedelta(hours=2)))
    assert await hospital.work() == 0
    hospital.now += timedelta(hours=2)
    await hospital.work()
    assert len(mailbox.mails) == 1


MAIL, SMS = {"system": "email", "value": "a@b.org"}, {"system": "sms", "value": "+1 (555) 01-23"}
OTHER = {"system": "email", "value": "c@d.org"}


@pytest.mark.parametrize(
    ("telecom", "medium", "to"),
    [
        ([MAIL | {"rank": 2}, SMS | {"rank": 1}], "SMS", "+15550123"),
        ([{"system": "phone", "use": "mobile", "value": "+15550123"}, MAIL], "EMAIL", "a@b.org"),
        ([MAIL | {"use": "old"}, OTHER], "EMAIL", "c@d.org"),
        ([MAIL | {"period": {"end": "2027-02"}}, OTHER], "EMAIL", "c@d.org"),
        ([MAIL | {"period": {"start": "2028"}}, SMS], "SMS", "+15550123"),
        ([MAIL | {"value": "a@b.org\r\nBcc: x@y.org"}, SMS], "SMS", "+15550123"),
        ([MAIL | {"value": "a@nowhere.example"}, SMS], "SMS", "+15550123"),
        ([MAIL | {"period": {"end": "2027-03-01"}}], "EMAIL", "a@b.org"),
    ],
)
async def test_the_medium_is_the_recipients(
    hospital: Hospital, mailbox: MailBox, telecom: list[Resource], medium: str, to: str
) -> None:
    """Rank, use and period of what is on file choose; what does not take it is left for the next."""
    await hospital.put(patient(telecom=telecom))
    await hospital.plan(told())
    await hospital.work()
    [kept] = await hospital.communications()
    assert (kept["status"], kept["medium"][0]["text"]) == ("completed", medium)
    if medium == "EMAIL":
        assert [address for address, _ in mailbox.mails] == [to]
    else:
        [request] = hospital.texts
        body = {"to": to, "text": "Booked: 2027-03-02 08:30", "reference": kept["id"]}
        assert json.loads(request.content) == body
        assert request.headers["authorization"] == "Bearer a token"
        assert request.headers["idempotency-key"] == kept["id"]


@pytest.mark.workflow("0-07")
@pytest.mark.parametrize(
    ("elements", "status", "text"),
    [
        ({"telecom": []}, "not-done", "no usable e-mail address or mobile number on file"),
        ({"telecom": [{"system": "fax", "value": "1234567"}]}, "not-done", "no usable"),
        ({"deceasedBoolean": True}, "not-done", "not there any more"),
        ({"active": False}, "not-done", "not there any more"),
        ({"telecom": [{"system": "email", "value": "a@nowhere.example"}]}, "stopped", "was accepted"),
    ],
)
async def test_what_cannot_be_sent_is_kept_with_the_reason(
    hospital: Hospital, mailbox: MailBox, elements: Resource, status: str, text: str
) -> None:
    """The log has a Communication that was not done, and nothing is sent or tried again."""
    if not elements.get("telecom", True):
        await hospital.put({"resourceType": "Patient", "id": "1"})
    else:
        await hospital.put(patient(**elements))
    await hospital.plan(told())
    assert await hospital.work() == 1
    [kept] = await hospital.communications()
    assert kept["status"] == status
    assert text in kept["statusReason"]["text"]
    assert "sent" not in kept
    assert mailbox.mails == []
    hospital.now += timedelta(days=2)
    assert await hospital.work() == 0


async def test_nobody_is_told_by_nothing(hospital: Hospital) -> None:
    """Without a mail server the notice is kept, with the reason; so it is for somebody who is not here."""
    await hospital.put(patient())
    without_mail(hospital)
    await hospital.plan(told(), told(recipient="Patient/unknown"))
    await hospital.work()
    reasons = {
        one["recipient"][0]["reference"]: one["statusReason"]["text"]
        for one in await hospital.communications()
    }
    assert reasons["Patient/1"].startswith("nothing is set up")
    assert reasons["Patient/unknown"].startswith("the recipient is not there")


async def test_roles_and_relatives_are_reached(hospital: Hospital, mailbox: MailBox) -> None:
    """A role has its own address, or that of the person; a relative has one too."""
    role = {"resourceType": "PractitionerRole", "id": "r", "practitioner": {"reference": "Practitioner/1"}}
    relative = {
        "resourceType": "RelatedPerson",
        "id": "m",
        "patient": {"reference": "Patient/1"},
        "telecom": [{"system": "email", "value": "mother@example.org"}],
    }
    await hospital.put(patient(), practitioner(), role, relative)
    await hospital.plan(told(recipient="PractitionerRole/r"), told(recipient="RelatedPerson/m"))
    await hospital.work()
    assert {address for address, _ in mailbox.mails} == {"doctor1@example.org", "mother@example.org"}


def opting_out(*codes: str, status: str = "active") -> Resource:
    """Return the consent by which the patient opts out of categories of messages."""
    all_ = {"coding": [{"system": "urn:fhir-hospital-server:messages", "code": "all"}]}
    categories = [
        all_ if code == "all" else {"coding": [{"system": CATEGORIES, "code": code}]} for code in codes
    ]
    act = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
    return {
        "resourceType": "Consent",
        "id": "c",
        "status": status,
        "scope": {
            "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}
            ]
        },
        "category": categories,
        "patient": {"reference": "Patient/1"},
        "policyRule": {"coding": [{"system": act, "code": "OPTOUT"}]},
    }


@pytest.mark.workflow("4-49")
@pytest.mark.parametrize(
    ("consent", "sent"),
    [
        (opting_out("reminder"), {"WT.booked", "WT.alert"}),
        (opting_out("notification"), {"WT.reminder", "WT.alert"}),
        (opting_out("all"), {"WT.alert"}),
        (opting_out("all", status="inactive"), {"WT.booked", "WT.reminder", "WT.alert"}),
    ],
)
async def test_patients_opt_out(
    hospital: Hospital, mailbox: MailBox, consent: Resource, sent: set[str]
) -> None:
    """What a patient does not want is not sent, which is on record; what is urgent is."""
    await hospital.put(patient(), consent)
    await hospital.plan(told(BOOKED), told(REMINDER), told(ALERT))
    await hospital.work()
    kept = {one["reasonCode"][0]["coding"][0]["code"]: one for one in await hospital.communications()}
    assert {kind for kind, one in kept.items() if one["status"] == "completed"} == sent
    for kind in kept.keys() - sent:
        assert kept[kind]["status"] == "not-done"
        assert kept[kind]["statusReason"]["coding"][0]["code"] == "patient-objection"
    assert len(mailbox.mails) == len(sent)


async def test_patients_are_left_in_peace(hospital: Hospital, mailbox: MailBox) -> None:
    """In quiet hours, by the clock of the hospital, only what is urgent comes; staff are told in any case."""
    changed = {"quiet_hours": "21:00-07:30", "time_zone": "Europe/Berlin"}
    hospital.settings = hospital.settings.model_copy(update=changed)
    hospital.now = NOON.replace(hour=23)  # midnight in Berlin
    await hospital.put(patient(), practitioner())
    await hospital.plan(
        told(at=hospital.now), told(ALERT, at=hospital.now), told(recipient="Practitioner/1", at=hospital.now)
    )
    await hospital.work()
    assert sorted(str(mail["Subject"]) for _, mail in mailbox.mails) == ["Booked: 2027-03-02 09:30", "Now"]
    hospital.now = NOON.replace(day=2, hour=6, minute=29)
    assert await hospital.work() == 0
    hospital.now += timedelta(minutes=1)
    assert await hospital.work() == 1
    assert len(mailbox.mails) == 3
    assert {entry["attempts"] for entry in (await hospital.entries()).values()} == {1}


async def test_nobody_is_flooded(hospital: Hospital, mailbox: MailBox) -> None:
    """After so many messages in an hour the next ones wait; urgent ones do not."""
    hospital.settings = hospital.settings.model_copy(update={"messages_per_hour": 3})
    await hospital.put(patient())
    await hospital.plan(*(told(occasion=str(number)) for number in range(5)))
    await hospital.work()
    assert len(mailbox.mails) == 3
    await hospital.plan(told(ALERT))
    await hospital.work()
    assert len(mailbox.mails) == 4
    hospital.now += timedelta(hours=1, minutes=1)
    await hospital.work()
    assert len(mailbox.mails) == 6


async def test_a_hospital_has_its_own_words(hospital: Hospital, mailbox: MailBox, tmp_path: Path) -> None:
    """A patient reads the language that they prefer, if there are texts in it."""
    path = tmp_path / "texts.toml"
    path.write_text('[de."WT.booked"]\nsubject = "Gebucht"\ntext = "Am {start}"\nshort = "Am {start}"\n')
    hospital.settings = hospital.settings.model_copy(update={"message_texts": path})
    speaks = [
        {"language": {"coding": [{"code": "fr"}]}},
        {"language": {"coding": [{"code": "de-AT"}]}, "preferred": True},
    ]
    await hospital.put(patient(communication=speaks))
    await hospital.plan(told(), told(REMINDER))
    await hospital.work()
    assert {str(mail["Subject"]) for _, mail in mailbox.mails} == {"Gebucht", "Soon"}
    assert {one["language"] for one in await hospital.communications()} == {"de", "en"}


async def test_a_mail_server_that_is_ill_is_tried_again(hospital: Hospital, mailbox: MailBox) -> None:
    """The message is in progress meanwhile, and is sent once the server is well."""
    mailbox.is_ill = True
    await hospital.put(patient())
    await hospital.plan(told())
    assert await hospital.work() == 1
    [kept] = await hospital.communications()
    assert kept["status"] == "in-progress"
    [entry] = (await hospital.entries()).values()
    assert (entry["state"], entry["failure"]) == ("waiting", "SMTPDataError")
    mailbox.is_ill = False
    assert await hospital.work() == 0  # it waits a little
    hospital.now += timedelta(seconds=20)
    assert await hospital.work() == 1
    assert len(mailbox.mails) == 1
    [kept] = await hospital.communications()
    assert kept["status"] == "completed"


async def test_a_gateway_that_is_ill_is_tried_again(hospital: Hospital) -> None:
    """A gateway that stumbles is asked again at once, one that stays ill later, with the same key."""
    hospital.gateway_answers = [503, 500, 503]
    await hospital.put(patient(telecom=[{"system": "sms", "value": "+15550123"}]))
    await hospital.plan(told())
    await hospital.work()
    hospital.now += timedelta(seconds=20)
    await hospital.work()
    assert len(hospital.texts) == 4
    assert len({request.headers["idempotency-key"] for request in hospital.texts}) == 1
    [kept] = await hospital.communications()
    assert kept["status"] == "completed"


async def test_a_process_that_goes_down_leaves_the_message_to_another(
    hospital: Hospital, mailbox: MailBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was sent, but that was not stored: whoever takes over sends it under the same Message-ID."""
    await hospital.put(patient())
    await hospital.plan(told())
    keep = delivery._keep

    async def down(context: Any, message: Resource) -> None:
        if message["status"] == "completed":
            raise ConnectionError
        await keep(context, message)

    monkeypatch.setattr(delivery, "_keep", down)
    await hospital.work()
    monkeypatch.setattr(delivery, "_keep", keep)
    hospital.now += timedelta(minutes=2)
    await hospital.work()
    [kept] = await hospital.communications()
    assert kept["status"] == "completed"
    assert mailbox.ids == [f"<{communication_id(told().entry.key)}@example.org>"] * 2


async def test_what_is_taken_back_while_it_waits_is_not_sent(hospital: Hospital, mailbox: MailBox) -> None:
    """A process that took the entry before it was struck out stores and sends nothing."""
    await hospital.put(patient())
    await hospital.plan(told())
    hospital.services = replace(hospital.services, texts=None)
    taken = await hospital.store.agenda.take(hospital.now, 60, "a lease")
    assert taken is not None
    await hospital.store._database["agenda"].update_many({}, {"$set": {"state": "struck"}})
    acting = ruled(hospital.context(), hospital.book, done=[(taken.entry.key, "a lease")])
    with pytest.raises(LeaseLost):
        await delivery.notify(taken.entry, acting, hospital.services)
    assert mailbox.mails == []
    assert await hospital.communications() == []


async def test_categories_of_our_own_have_a_system_of_our_own(hospital: Hospital) -> None:
    """HL7's list of categories has no bills; who opts out of them names our code."""
    bill = NoticeKind("WT.bill", "A bill", "A bill", "A bill", category="billing")
    delivery._kinds()["WT.bill"] = bill  # type: ignore[index]
    own = "urn:fhir-hospital-server:message-categories"
    consent = opting_out("reminder")
    consent["category"] = [{"coding": [{"system": own, "code": "billing"}]}]
    await hospital.put(patient(), consent)
    await hospital.plan(told(bill), told(BOOKED))
    await hospital.work()
    kept = {
        one["category"][0]["coding"][0]["system"]: one["status"] for one in await hospital.communications()
    }
    assert kept == {own: "not-done", CATEGORIES: "completed"}


def test_a_hospital_without_anything_has_no_services(settings: Any, tmp_path: Path) -> None:
    """Nothing is set: nothing is there to send with; a folder takes the place of both."""
    assert replace(services_of(settings), link=None) == Services()
    both = services_of(settings.model_copy(update={"mail_dir": tmp_path}))
    assert both.mailer is not None
    assert both.texts is not None
