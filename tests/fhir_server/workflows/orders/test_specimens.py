"""Specimens: accession numbers, states, and labels. https://hl7.org/fhir/R4/specimen.html"""

import base64
from io import BytesIO

import pytest
from pypdf import PdfReader

from fhir_server.workflows.orders.label import drawn
from tests.fhir_server.workflows.orders.laboratory import Laboratory, Resource, refer, rules

_SYSTEM = "urn:fhir-hospital-server:accession"


def _specimen(**elements: object) -> Resource:
    return {"resourceType": "Specimen", "subject": {"reference": "Patient/p"}, **elements}


def test_each_specimen_has_a_number_of_its_own(laboratory: Laboratory) -> None:
    """The server gives it, keeps it if a client leaves it out, and takes that of another laboratory."""
    made = [laboratory.made("LB", _specimen()) for _ in range(3)]
    assert {one["accessionIdentifier"]["system"] for one in made} == {_SYSTEM}
    assert len({one["accessionIdentifier"]["value"] for one in made}) == 3
    without = {key: value for key, value in made[0].items() if key not in ("meta", "accessionIdentifier")}
    assert laboratory.put("LB", without).json()["accessionIdentifier"] == made[0]["accessionIdentifier"]
    theirs = {"system": "urn:other", "value": "7"}
    assert laboratory.made("LB", _specimen(accessionIdentifier=theirs))["accessionIdentifier"] == theirs


def test_a_number_is_for_one_specimen(laboratory: Laboratory) -> None:
    """Nobody writes it onto another one, nor another one over it."""
    made = laboratory.made("LB", _specimen())
    refused = laboratory.post("LB", _specimen(accessionIdentifier=made["accessionIdentifier"]))
    assert (refused.status_code, rules(refused)) == (409, {"W7.accession-taken"})
    refused = laboratory.patch("LB", made, "accessionIdentifier", {"system": _SYSTEM, "value": "99-999999"})
    assert (refused.status_code, rules(refused)) == (422, {"W7.accession"})


def test_nothing_new_is_measured_in_an_unsatisfactory_specimen(laboratory: Laboratory) -> None:
    """It does not become good again either."""
    made = laboratory.made("LB", _specimen(status="available"))
    laboratory.made("LB", laboratory.result(specimen=refer(made)))
    laboratory.changed("LB", made, status="unsatisfactory")
    refused = laboratory.post("LB", laboratory.result(specimen=refer(made)))
    assert (refused.status_code, rules(refused)) == (422, {"W7.unsatisfactory"})
    refused = laboratory.patch("LB", made, "status", "available")
    assert (refused.status_code, rules(refused)) == (422, {"W7.specimen-state"})


@pytest.mark.workflow("0-14")
def test_a_label_has_number_and_patient(laboratory: Laboratory) -> None:
    """A PDF of one small page, for those who see the specimen."""
    made = laboratory.made("LB", _specimen(type={"text": "Serum"}))
    answer = laboratory.clients["LB"].get(f"/Specimen/{made['id']}/$label")
    assert answer.status_code == 200, answer.text
    pdf = PdfReader(BytesIO(base64.b64decode(answer.json()["data"])))
    [page] = pdf.pages
    text = page.extract_text()
    for part in (made["accessionIdentifier"]["value"], "Ashworth", "1980-02-03", "Serum"):
        assert part in text
    assert float(page.mediabox.width) < 180
    assert laboratory.clients["PH"].get(f"/Specimen/{made['id']}/$label").status_code == 403


def test_a_long_number_still_fits_the_label() -> None:
    """The bars become narrower, and stay on the page."""
    specimen = {"id": "x", "accessionIdentifier": {"value": "A" * 40}}
    assert drawn(specimen, {}).startswith(b"%PDF")
