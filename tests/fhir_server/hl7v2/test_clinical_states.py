"""Dispenses, accounts, referrals, specimens and documents: what a second message makes of the first one's."""

from dataclasses import replace

import pytest

from adapters.applying import Applied
from hl7.errors import HL7Error
from tests.fhir_server.hl7v2.records import ADT, LAB, Records, Resource, msh
from tests.fhir_server.hl7v2.test_orders import document, pid
from tests.fhir_server.hl7v2.test_results import obr, observations, obx, report

_DRUG = "00093-0058^Amoxicillin^NDC"


def _prescribed(records: Records, number: str) -> None:
    rxe = f"RXE||{_DRUG}|1||TAB^Tablet||^One a day||G|20|TAB^Tablet|1" + "|" * 15 + "J02^Pharyngitis^I10"
    orc = f"ORC|NW|R{number}^EHR|||||||20240105|||77^Arzt^Anna"
    records.send(msh("RDE^O11"), pid(number), orc, rxe, "RXR|PO^Oral^HL70162")


def _dispense(
    records: Records,
    number: str,
    count: str = "1",
    amount: str = "10",
    control: str = "RE",
    drug: str = _DRUG,
) -> Applied:
    rxe = f"RXE||{drug}|1||TAB^Tablet||^One a day||G|20|TAB^Tablet|1" + "|" * 15 + "J02^Pharyngitis^I10"
    rxd = f"RXD|{count}|{drug}|20240106100000|{amount}|TAB^Tablet||RX{number}||Take with water|90^Apo^Ada"
    orc = f"ORC|{control}|R{number}^EHR|||||||20240105|||77^Arzt^Anna"
    return records.send(msh("RDS^O13", control), pid(number), orc, rxe, "RXR|PO", rxd, "RXR|PO")


def _dispenses(records: Records, number: str) -> list[Resource]:
    request = records.one("MedicationRequest", f"R{number}")
    wanted = [{"reference": f"MedicationRequest/{request['id']}"}]
    return [one for one in records.all("MedicationDispense") if one["authorizingPrescription"] == wanted]


def test_what_was_dispensed(records: Records) -> None:
    """RDS makes what was handed out on the prescription, once; the next time it is another one."""
    _prescribed(records, "7001")
    request = records.one("MedicationRequest", "R7001")
    _dispense(records, "7001")
    [dispense] = _dispenses(records, "7001")
    assert (dispense["status"], str(dispense["quantity"]["value"])) == ("completed", "10")
    assert dispense["whenHandedOver"] == "2024-01-06T10:00:00+01:00"
    assert dispense["note"] == [{"text": "Take with water"}]
    assert records.version(records.one("MedicationRequest", "R7001")) == records.version(request)
    assert _dispense(records, "7001").status == "unchanged"
    _dispense(records, "7001", count="2")
    assert len(_dispenses(records, "7001")) == 2


def test_a_dispense_is_taken_back_and_not_changed(records: Records) -> None:
    """Another amount of the same is refused by the rule; ORC-1 OC makes the same one an error, once."""
    _prescribed(records, "7002")
    _dispense(records, "7002")
    [before] = _dispenses(records, "7002")
    with pytest.raises(HL7Error) as refused:
        _dispense(records, "7002", amount="12")
    assert getattr(refused.value, "rule", "") == "W6.dispensed"
    _dispense(records, "7002", control="OC")
    [after] = _dispenses(records, "7002")
    assert (after["id"], after["status"]) == (before["id"], "entered-in-error")
    assert records.version(after) == records.version(before) + 1
    assert str(after["quantity"]["value"]) == "10"
    assert _dispense(records, "7002", control="OC").status == "unchanged"
    assert records.one("MedicationRequest", "R7002")["status"] == "active"


def test_a_dispense_before_its_prescription(records: Records) -> None:
    """RDS brings a prescription that is not known along; what never was is not taken back (204)."""
    with pytest.raises(HL7Error) as refused:
        _dispense(records, "7003", control="CA")
    assert (refused.value.code, str(refused.value.location)) == ("204", "RXD^1")
    assert not records.has("MedicationRequest", "R7003")
    _dispense(records, "7003")
    assert records.one("MedicationRequest", "R7003")["status"] == "active"
    assert len(_dispenses(records, "7003")) == 1
    with pytest.raises(HL7Error) as missing:
        records.send(msh("RDS^O13"), pid("7003"), "ORC|RE|R7003^EHR", f"RXE||{_DRUG}|1||TAB")
    assert missing.value.code == "100"


def _billed(number: str, account: str = "") -> str:
    return pid(number) + "||||||||||" + (account or f"A{number}") + "^^^GENHOSP"


def _bar(records: Records, event: str, *segments: str) -> Applied:
    return records.send(msh(f"BAR^{event}", event), f"EVN|{event}|20240105", *segments)


def test_an_account_begins_and_ends(records: Records) -> None:
    """P01 opens it with diagnoses and insurance, P01 once more changes the same, P02 closes it."""
    insurance = "IN1|1|P1^Plan|K1^^^GENHOSP|Kasse^^1"
    _bar(records, "P01", _billed("7101"), "DG1|1||D64.9^Anemia^I10", insurance)
    opened = records.one("Account", "A7101")
    patient = records.one("Patient", "7101")
    assert (opened["status"], records.version(opened)) == ("active", 1)
    assert opened["subject"] == [{"reference": f"Patient/{patient['id']}"}]
    assert len(opened["coverage"]) == 1
    assert _bar(records, "P01", _billed("7101"), "DG1|1||D64.9^Anemia^I10", insurance).status == "unchanged"
    _bar(records, "P01", _billed("7101"), insurance, insurance.replace("1|P1", "2|P2"))
    changed = records.one("Account", "A7101")
    assert (changed["id"], records.version(changed)) == (opened["id"], 2)
    assert [one["priority"] for one in changed["coverage"]] == [1, 2]
    _bar(records, "P02", _billed("7101"))
    closed = records.one("Account", "A7101")
    assert (closed["id"], closed["status"], records.version(closed)) == (opened["id"], "inactive", 3)


def test_several_accounts_end_together(records: Records) -> None:
    """P02 closes the account of each PID, or none if one has no number."""
    _bar(records, "P01", _billed("7102"))
    _bar(records, "P01", _billed("7103"))
    with pytest.raises(HL7Error) as refused:
        _bar(records, "P02", _billed("7102"), pid("7103"))
    assert (refused.value.code, str(refused.value.location)) == ("101", "PID^2^18")
    assert records.one("Account", "A7102")["status"] == "active"
    _bar(records, "P02", _billed("7102"), _billed("7103"))
    assert {records.one("Account", f"A{one}")["status"] for one in ("7102", "7103")} == {"inactive"}


@pytest.mark.parametrize("event", ["P01", "P02"])
def test_an_account_without_a_number_is_refused(records: Records, event: str) -> None:
    """It could not be found again (101)."""
    with pytest.raises(HL7Error) as refused:
        _bar(records, event, pid("7104"))
    assert (refused.value.code, str(refused.value.location)) == ("101", "PID^1^18")


def _refer(records: Records, number: str, status: str = "P", reason: str = "K63.3^Ulcer^I10") -> Applied:
    rf1 = f"RF1|{status}^X^HL70283|R^Routine^HL70280|||O|N{number}^REF|20240105|||{reason}"
    providers = "PRD|RP|Powell^Robert|||||P1^NPI", "PRD|RT|McWilliams^Paul|||||P2^NPI"
    return records.send(msh("REF^I12", status), rf1, *providers, pid(number), f"DG1|1||{reason}")


def test_a_referral(records: Records) -> None:
    """REF makes a request with who refers, to whom and why; a rejection revokes the same one."""
    _refer(records, "7201")
    asked = records.one("ServiceRequest", "N7201")
    assert (asked["status"], asked["intent"], asked["priority"]) == ("active", "order", "routine")
    assert (asked["requester"]["display"], asked["performer"][0]["display"]) == (
        "Robert Powell", "Paul McWilliams"
    )  # fmt: skip
    assert len(asked["reasonReference"]) == 1
    assert _refer(records, "7201").status == "unchanged"
    _refer(records, "7201", status="R")
    revoked = records.one("ServiceRequest", "N7201")
    assert (revoked["id"], revoked["status"]) == (asked["id"], "revoked")
    late = _refer(records, "7201", status="A")
    assert [(one.code, one.severity) for one in late.warnings if one.code == "207"] == [("207", "W")]
    assert records.one("ServiceRequest", "N7201")["status"] == "revoked"


def test_a_referral_without_a_number_is_refused(records: Records) -> None:
    """RF1-6 is what it is found by (101)."""
    with pytest.raises(HL7Error) as refused:
        records.send(msh("REF^I12"), "RF1|P|R|||O", pid("7202"))
    assert (refused.value.code, str(refused.value.location)) == ("101", "RF1^1^6")


def _sampled(records: Records, number: str, *groups: str, control: str = "U") -> Applied:
    segments = [one for group in groups for one in group.split("\r")]
    return records.send(msh("OUL^R22", control, application="LAB"), pid(number), *segments, channel=LAB)


def _group(sample: str, filler: str, value: str = "13", status: str = "F") -> str:
    spm = f"SPM|1|{sample}&LAB^{sample}&LAB||BLD^Blood^HL70487"
    obr = (
        f"OBR|1||{filler}^LAB|718-7^Hemoglobin^LN|||20240105100000|||||||||||||||20240105110000||LAB|{status}"
    )
    return "\r".join([spm, obr, f"OBX|1|NM|718-7^Hemoglobin^LN||{value}|g/dL^g/dL^UCUM|||||{status}"])


def test_results_by_specimen(records: Records) -> None:
    """In OUL each SPM begins a group: its reports are of it, and a later message corrects the same ones."""
    _sampled(records, "7301", _group("S71", "F71", "13"), _group("S72", "F72", "14"))
    reports = [records.one("DiagnosticReport", one) for one in ("F71", "F72")]
    samples = {one["id"]: one for one in records.all("Specimen")}
    numbers = [
        [samples[each["reference"].partition("/")[2]]["identifier"][0]["value"] for each in one["specimen"]]
        for one in reports
    ]
    assert numbers == [["S71"], ["S72"]]
    assert [one["status"] for one in reports] == ["final", "final"]
    _sampled(records, "7301", _group("S71", "F71", "12.5", "C"), control="U2")
    corrected, (result,) = observations(records, "F71")
    assert (corrected["id"], corrected["status"]) == (reports[0]["id"], "corrected")
    assert (result["status"], str(result["valueQuantity"]["value"])) == ("corrected", "12.5")
    assert records.version(result) == 2
    assert records.version(records.one("DiagnosticReport", "F72")) == 1
    assert len([one for one in records.all("Specimen") if one["identifier"][0]["value"] == "S71"]) == 1
    again = _sampled(records, "7301", _group("S71", "F71", "12.5", "C"), control="U3")
    assert again.status == "unchanged"
    with pytest.raises(HL7Error) as refused:
        _sampled(records, "7301", "SPM|1|S73&LAB||BLD")
    assert refused.value.code == "100"


def _document(records: Records, number: str) -> Resource:
    (found,) = [one for one in records.all("DocumentReference") if one["masterIdentifier"]["value"] == number]
    return found


@pytest.mark.parametrize("event", ["T04", "T08"])
def test_a_document_is_changed(records: Records, event: str) -> None:
    """T04 (status) and T08 (edit) make a new version of the document; the same once more makes none."""
    number = f"D{event}"
    document(records, "T02", number, "OBX|1|TX|||First||||||F")
    first = _document(records, number)
    document(records, event, number, "OBX|1|TX|||Second||||||F")
    second = _document(records, number)
    assert (second["id"], second["status"]) == (first["id"], "current")
    assert records.version(second) == records.version(first) + 1
    assert len(second["content"]) == 1
    assert second["content"] != first["content"]
    assert document(records, event, number, "OBX|1|TX|||Second||||||F").status == "unchanged"
    document(records, "T11", number)
    gone = _document(records, number)
    assert (gone["id"], gone["status"]) == (first["id"], "entered-in-error")


def test_documents_that_are_refused(records: Records) -> None:
    """One without a number (101), or without content (100)."""
    with pytest.raises(HL7Error) as unnamed:
        records.send(msh("MDM^T02"), pid("7001"), "TXA|1|DS", "OBX|1|TX|||Text||||||F")
    assert (unnamed.value.code, str(unnamed.value.location)) == ("101", "TXA^1^12")
    with pytest.raises(HL7Error) as empty:
        document(records, "T08", "D99")
    assert empty.value.code == "100"


@pytest.mark.parametrize(
    ("is_snapshot", "status", "withdrawn"),
    [(True, "F", "entered-in-error"), (True, "P", "cancelled"), (False, "F", "")],
)
def test_a_result_that_is_missing_later(
    records: Records, status: str, withdrawn: str, *, is_snapshot: bool
) -> None:
    """By the channel's policy a report lists all its results, or only those that it speaks of.

    One that is missing is withdrawn if it lists all: what was final was an error, what was not is cancelled.
    """
    filler, number = f"F8{is_snapshot:d}{status}", f"8{is_snapshot:d}{ord(status)}"
    channel = replace(ADT, name="snap", sending_application="LAB", snapshot=is_snapshot)

    def send(issued: str, *results: str) -> Applied:
        start = msh("ORU^R01", issued, application="LAB"), pid(number), obr(filler, status, issued)
        return records.send(*start, *results, channel=channel)

    both = obx(1, "13", status), obx(2, "4.5", status, "6690-2^Leukocytes^LN")
    send("20240105110000", *both)
    _, (first, second) = observations(records, filler)
    send("20240105120000", both[0])
    found = {one["id"]: one for one in records.all("Observation")}
    assert found[first["id"]]["status"] == first["status"]
    assert found[second["id"]]["status"] == (withdrawn or second["status"])
    assert records.version(found[second["id"]]) == (2 if withdrawn else 1)
    assert str(found[second["id"]]["valueQuantity"]["value"]) == "4.5"
    after = records.one("DiagnosticReport", filler)
    assert len(after["result"]) == (1 if withdrawn else 2)
    assert after["status"] == {"F": "corrected" if withdrawn else "final", "P": "preliminary"}[status]
    assert send("20240105120000", both[0]).status == "unchanged"


def test_a_channel_reports_by_default_what_it_speaks_of(records: Records) -> None:
    """Without the policy nothing is withdrawn."""
    report(records, "8990", "F8990", obx(1, "13"), obx(2, "4.5", code="6690-2^Leukocytes^LN"))
    report(records, "8990", "F8990", obx(1, "14"), issued="20240105120000", control="R2")
    _, results = observations(records, "F8990")
    assert [one["status"] for one in results] == ["corrected", "final"]
