"""Papers that a notice is about: in the record by reference, in the mail by a link."""

from dataclasses import replace
from typing import Any

import pytest

from tests.fhir_server.workflows.messages.conftest import (
    START,
    Hospital,
    MailBox,
    patient,
    told,
)

pytestmark = pytest.mark.anyio

Resource = dict[str, Any]


async def test_a_paper_is_in_the_record_and_not_its_link(hospital: Hospital) -> None:
    """Who reads the Communication finds the DocumentReference, and no link that opens it for anybody."""
    await hospital.put(patient())
    await hospital.plan(told(data={"start": START, "paper": "DocumentReference/5"}))
    await hospital.work()
    [kept] = await hospital.communications()
    assert kept["payload"][1] == {"contentReference": {"reference": "DocumentReference/5"}}
    assert "http" not in kept["payload"][0]["contentString"]


async def test_a_link_to_a_paper_is_in_the_mail_alone(hospital: Hospital, mailbox: MailBox) -> None:
    """Who has the link can open the paper: it goes to the recipient, and stays in no record."""

    async def link(_context: Any, paper: str, recipient: str) -> str:
        assert recipient == "Patient/1"
        return f"https://hospital.example/papers/{paper.partition('/')[2]}?signature=abc"

    hospital.services = replace(hospital.services, link=link)
    await hospital.put(patient())
    await hospital.plan(told(data={"start": START, "paper": "DocumentReference/5"}))
    await hospital.work()
    [(_, mail)] = mailbox.mails
    text = mail.get_payload(decode=True)
    assert isinstance(text, bytes)
    assert b"https://hospital.example/papers/5?signature=abc" in text
    assert "signature" not in str(await hospital.communications())
