"""The prescription as PDF: found by the patient, opened by the link in the e-mail, checked by its code."""

import io
import re
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from tests.fhir_server.workflows.medication.ward import Ward, until
from tests.fhir_server.workflows.orders.laboratory import refer

Resource = dict[str, Any]


def _mail(outbox: Path, address: str) -> str | None:
    for file in outbox.rglob("[!.]*"):  # not what is still being written
        if file.is_file() and address in (text := file.read_text(errors="replace")):
            return text
    return None


@pytest.mark.workflow("0-07", "0-12", "0-33", "0-36")
def test_a_prescription_is_on_paper_and_opened_by_a_link(ward: Ward, outbox: Path) -> None:
    """The PDF says what is prescribed; the link in the e-mail opens it, and one that was changed does not."""
    address = "zoe@example.org"
    patient = ward.patient(telecom=[{"system": "email", "value": address}])
    request = ward.prescribed(patient)
    [document] = until(lambda: ward.papers(request, "DR"))
    content = ward.clients["DR"].get(f"/{document['content'][0]['attachment']['url']}").content
    text = "".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)
    for part in ("Prescription", "Zoë Ashworth", "amoxicillin tablet", "1 tablet 3 times a day", "21 tablet"):
        assert part in text
    mail = until(lambda: _mail(outbox, address))
    assert "amoxicillin" not in mail
    path = re.search(r"/documents/\S+", mail.replace("=\n", ""))
    assert path is not None
    answer = ward.outside(path[0])
    assert (answer.status_code, answer.content) == (200, content)
    assert ward.outside(path[0][:-1] + ("A" if path[0][-1] != "A" else "B")).status_code == 404
    code = re.search(r"/verify/[\w.-]+~[\w-]{22}", text.replace("\n", ""))
    assert code is not None
    assert ward.outside(code[0]).json()["state"] == "valid"
    assert len(ward.papers(request)) == 1
    ward.changed("DR", request, status="stopped")
    assert ward.outside(code[0]).json()["state"] == "superseded"
    assert ward.outside(path[0]).status_code == 404


@pytest.mark.workflow("0-07")
def test_without_an_address_it_is_noted_that_nothing_was_sent(ward: Ward, patient: str) -> None:
    """The paper is there all the same."""
    request = ward.prescribed(patient)
    [document] = until(lambda: ward.papers(request))
    search = f"Communication?recipient={patient}&status=not-done"
    [told] = until(lambda: ward.found("SY", search))
    assert told["about"] == [refer(document)]


@pytest.mark.workflow("0-33", "4-13")
def test_patients_find_their_own(ward: Ward) -> None:
    """Prescription and paper; nobody else's."""
    request = ward.prescribed("Patient/p")
    until(lambda: ward.papers(request))
    assert [one["id"] for one in ward.found("PT", "MedicationRequest?status=active")] == [request["id"]]
    assert len(ward.found("PT", "DocumentReference?type=57833-6")) == 1
