"""Orders, appointments, documents, charges, vaccinations, medicines and master files, through the rules."""

import pytest

from adapters.applying import Applied
from hl7.errors import HL7Error, UnsupportedMessage
from tests.fhir_server.hl7v2.records import LAB, Records, Resource, msh


def pid(number: str) -> str:
    """Return a PID."""
    return f"PID|1||{number}^^^GENHOSP^MR||Muster^Mara||19800203|F"


def order(
    records: Records, number: str, *segments: str, event: str = "OML^O21", control: str = "M"
) -> Applied:
    """Send an order."""
    return records.send(msh(event, control), pid(number), *segments)


def tasks(records: Records, code: str) -> list[Resource]:
    """Return the tasks of a code."""
    return [one for one in records.all("Task") if one["code"]["coding"][0]["code"] == code]


OBR = "OBR|1|{0}^EHR||58410-2^CBC^LN||||||||||||77^Arzt^Anna"


def test_order(records: Records) -> None:
    """An OML makes an active order with priority, specimen, reason and what has to be known."""
    applied = order(
        records, "5001", "ORC|NW|P5001^EHR||||||||20240105||77^Arzt^Anna", "TQ1|1||||||||S",
        OBR.format("P5001"), "DG1|1||D64.9^Anemia^I10", "OBX|1|ST|49541-6^Fasting^LN||yes||||||F",
        "SPM|1|S5001&EHR||BLD^Blood^HL70487|||||||||||||20240105080000",
    )  # fmt: skip
    assert [one.control for one in applied.answers] == ["OK"]
    found = records.one("ServiceRequest", "P5001")
    assert (found["status"], found["intent"], found["priority"]) == ("active", "order", "stat")
    assert {"specimen", "reasonReference", "supportingInfo", "requester"} <= found.keys()


@pytest.mark.failure_story("order-groups")
def test_several_orders(records: Records) -> None:
    """Each ORDER group is an order of its own, and not a result of before (LinuxForHealth's README)."""
    applied = order(
        records, "5002", "ORC|NW|P5002A^EHR", OBR.format("P5002A"), "ORC|NW|P5002B^EHR", OBR.format("P5002B")
    )
    assert [one.placer for one in applied.answers] == ["P5002A^EHR", "P5002B^EHR"]
    assert records.has("ServiceRequest", "P5002A")
    assert records.has("ServiceRequest", "P5002B")


def test_cancel_request_is_for_a_person(records: Records) -> None:
    """ORC-1 CA asks for a cancellation: the order stays active, and staff get one task."""
    order(records, "5003", "ORC|NW|P5003^EHR", OBR.format("P5003"))
    for control in ("1", "2"):
        order(records, "5003", "ORC|CA|P5003^EHR", OBR.format("P5003"), control=control)
    assert records.one("ServiceRequest", "P5003")["status"] == "active"
    assert len(tasks(records, "cancel-requested")) == 1


@pytest.mark.parametrize(("control", "status"), [("CR", "revoked"), ("OC", "revoked"), ("HR", "on-hold")])
def test_told_of_an_order(records: Records, control: str, status: str) -> None:
    """What the filler tells of an order was so: it is revoked, or held."""
    number = f"P5004{control}"
    order(records, "5004", f"ORC|NW|{number}^EHR", OBR.format(number))
    order(records, "5004", f"ORC|{control}|{number}^EHR", OBR.format(number))
    assert records.one("ServiceRequest", number)["status"] == status


def test_unable_to_cancel(records: Records) -> None:
    """ORC-1 UC: the order stays active, and somebody is told."""
    order(records, "5005", "ORC|NW|P5005^EHR", OBR.format("P5005"))
    order(records, "5005", "ORC|UC|P5005^EHR", OBR.format("P5005"))
    assert records.one("ServiceRequest", "P5005")["status"] == "active"
    assert len(tasks(records, "not-done")) == 1


def test_cancel_of_unknown_order_is_refused(records: Records) -> None:
    """A cancellation of an order that nobody knows is refused."""
    with pytest.raises(HL7Error) as refused:
        order(records, "5006", "ORC|CA|P5006^EHR", OBR.format("P5006"))
    assert refused.value.code == "204"


def test_result_before_its_order(records: Records) -> None:
    """A result that comes before its order is stored, and the late order is the one that it answers."""
    records.send(
        msh("ORU^R01", application="LAB"), pid("5007"),
        "OBR|1|P5007^EHR|F5007^LAB|58410-2^CBC^LN|||20240105100000"
        "|||||||||||||||20240105110000||LAB|P", "OBX|1|NM|718-7^Hb^LN||13|g/dL|||||P", channel=LAB,
    )  # fmt: skip
    order(records, "5007", "ORC|NW|P5007^EHR", OBR.format("P5007"))
    found = records.one("ServiceRequest", "P5007")
    report = records.one("DiagnosticReport", "F5007")
    assert report["basedOn"] == [{"reference": f"ServiceRequest/{found['id']}"}]
    assert found["requester"]["display"] == "Anna Arzt"


def sch(event: str, start: str = "20300105100000", status: str = "Booked") -> tuple[str, ...]:
    """Return the segments of an appointment."""
    end = start[:8] + "103000"
    return (
        msh(f"SIU^{event}"), f"SCH|A6001^EHR|B6001^SCHED|||||||||^^^{start}^{end}||||||||||||||{status}",
        "NTE|1||Come fasting", pid("6001"), "RGS|1", "AIS|1||394580004^Genetics^SCT", "AIP|1||79^Plan^Paula",
    )  # fmt: skip


def test_appointment(records: Records) -> None:
    """S12 books, S13 moves, S15 cancels the same appointment."""
    records.send(*sch("S12"))
    found = records.one("Appointment", "A6001")
    assert (found["status"], found["start"]) == ("booked", "2030-01-05T10:00:00+01:00")
    assert found["comment"] == "Come fasting"
    records.send(*sch("S13", "20300106100000"))
    assert records.one("Appointment", "A6001")["start"] == "2030-01-06T10:00:00+01:00"
    records.send(*sch("S15", "20300106100000", "Cancelled"))
    assert records.one("Appointment", "A6001")["status"] == "cancelled"


def document(records: Records, event: str, number: str, *more: str, parent: str = "") -> Applied:
    """Send a document."""
    txa = (
        f"TXA|1|DS^Discharge summary^HL70270|TX||20240105100000||||80^Autor^Ada|||{number}^MDM|{parent}||||AU"
    )
    return records.send(msh(f"MDM^{event}"), pid("7001"), txa, *more)


def test_documents(records: Records) -> None:
    """A document is added to, replaced and cancelled; the text is one attachment."""
    document(records, "T02", "D1", "OBX|1|TX|||First\\.br\\line||||||F", "OBX|2|TX|||Second||||||F")
    document(records, "T06", "D2", "OBX|1|TX|||More||||||F", parent="D1^MDM")
    document(records, "T10", "D3", "OBX|1|TX|||New||||||F", parent="D1^MDM")
    found = {one["masterIdentifier"]["value"]: one for one in records.all("DocumentReference")}
    assert found["D1"]["status"] == "superseded"
    assert [found[one]["relatesTo"][0]["code"] for one in ("D2", "D3")] == ["appends", "replaces"]
    assert found["D3"]["relatesTo"][0]["target"]["reference"] == f"DocumentReference/{found['D1']['id']}"
    document(records, "T11", "D2")
    assert {one["masterIdentifier"]["value"]: one for one in records.all("DocumentReference")}["D2"][
        "status"
    ] == "entered-in-error"


def charge(records: Records, kind: str, number: str = "T8001") -> Applied:
    """Send a charge."""
    ft1 = f"FT1|1|{number}^BILL||20240105|20240105|{kind}|71045^X-ray^C4|||2|100&USD|50&USD"
    return records.send(msh("DFT^P03"), pid("8001"), ft1)


def test_charge_and_its_reversal(records: Records) -> None:
    """A charge is billable once, and a reversal takes exactly it back."""
    charge(records, "CG")
    assert charge(records, "CG").status == "unchanged"
    found = records.one("ChargeItem", "T8001")
    assert (found["status"], str(found["quantity"]["value"])) == ("billable", "2")
    assert str(found["priceOverride"]["value"]) == "100"
    charge(records, "CD")
    assert records.one("ChargeItem", "T8001")["status"] == "entered-in-error"


@pytest.mark.parametrize(("kind", "code"), [("CD", "204"), ("AJ", "103")])
def test_charges_that_are_refused(records: Records, kind: str, code: str) -> None:
    """A reversal of no charge, and an adjustment, are refused whole."""
    with pytest.raises(HL7Error) as refused:
        charge(records, kind, "T8002")
    assert refused.value.code == code


def test_vaccination(records: Records) -> None:
    """A vaccination is known by the filler's number; a deletion withdraws it."""
    rxa = (
        "RXA|0|1|20240105||115^Tdap^CVX|0.5|mL^mL^UCUM|||81^Impf^Ina|||||L1|20260101|PMC^Sanofi^MVX|||CP|{0}"
    )
    for action, status in (("A", "completed"), ("D", "entered-in-error")):
        records.send(
            msh("VXU^V04"), pid("9001"), "ORC|RE||V9001^EHR", rxa.format(action), "RXR|IM^Im^HL70162"
        )
        found = records.one("Immunization", "V9001")
        assert found["status"] == status
    assert found["lotNumber"] == "L1"


def test_prescription(records: Records) -> None:
    """RDE makes the prescription: what, how, how much, and why."""
    rxe = "RXE||00093-0058^Amoxicillin^NDC|1||TAB^Tablet||^One tablet twice a day||G|20|TAB^Tablet|1"
    rxe += "|" * 15 + "J02^Pharyngitis^I10"
    orc = "ORC|NW|R9101^EHR|||||||20240105|||77^Arzt^Anna"
    records.send(msh("RDE^O11"), pid("9101"), orc, rxe, "RXR|PO^Oral^HL70162")
    found = records.one("MedicationRequest", "R9101")
    assert (found["status"], found["dosageInstruction"][0]["text"]) == ("active", "One tablet twice a day")


RXE = "RXE||{0}^Medicine^NDC|1||TAB^Tablet||^One a day||G|20|TAB^Tablet|1|{1}"


def test_who_prescribes_is_told_best_by_a_number(records: Records) -> None:
    """A name alone (RXE-13) does not hide the number that the order had as it was asked for (RXO-14)."""
    rxo = "RXO|1-1^Medicine^NDC|||" + "|" * 9 + "|77^Arzt^Anna"
    records.send(msh("RDE^O11"), pid("9102"), "ORC|NW|R9102^EHR", rxo, RXE.format("1-1", "^Arzt^Anna"))
    assert "reference" in records.one("MedicationRequest", "R9102")["requester"]


def test_charges_without_a_number(records: Records) -> None:
    """FT1-2 is often empty: such a charge is known by all that it says, and cannot be taken back."""
    ft1 = "FT1|{0}|||20240105|20240105|{1}|99213^Visit^C4|||1"
    for control_id in ("D1", "D2"):
        applied = records.send(
            msh("DFT^P03", control_id), pid("8101"), ft1.format(1, "CG"), ft1.format(2, "CG")
        )
        assert [(one.code, str(one.location)) for one in applied.warnings] == [
            ("101", "FT1^1^2"), ("101", "FT1^2^2")
        ]  # fmt: skip
    mine = [one for one in records.all("ChargeItem") if "identifier" not in one]
    assert [one["status"] for one in mine] == ["billable"] * 2
    with pytest.raises(HL7Error) as refused:
        records.send(msh("DFT^P03"), pid("8101"), ft1.format(1, "CD"))
    assert (refused.value.code, str(refused.value.location)) == ("101", "FT1^1^2")


def test_several_new_orders_behind_one_control(records: Records) -> None:
    """Older systems send one ORC for all tests of a new order; each has its own number in OBR-2."""
    order(records, "5301", "ORC|NW", OBR.format("P5301"), OBR.format("P5302"), event="ORM^O01")
    found = [records.one("ServiceRequest", number)["status"] for number in ("P5301", "P5302")]
    assert found == ["active", "active"]


@pytest.mark.parametrize(
    ("segments", "code", "place"),
    [
        ((OBR.format("P5201"),), "100", "ORC^1"),
        (("ORC|NW|P5202^EHR", "ODS|P||1^Soup"), "100", "ODS^1"),
        (("ORC|NW|P5203^EHR", "RQD|1|1^Hip"), "100", "RQD^1"),
        (("ORC|NW|P5204^EHR", "OBR|1|P5204^EHR"), "101", "OBR^1^4"),
        (("ORC|SC", "OBR|1|||58410-2^CBC^LN"), "101", "ORC^1^2"),
        (("ORC|CA|P5205^EHR", OBR.format("P5205"), OBR.format("P5206")), "100", "OBR^2"),
    ],
)
def test_orders_that_are_not_taken(
    records: Records, segments: tuple[str, ...], code: str, place: str
) -> None:
    """An order without ORC, number or code, and one of meals or supplies."""
    with pytest.raises(HL7Error) as refused:
        order(records, "5201", *segments, event="ORM^O01")
    assert (refused.value.code, str(refused.value.location)) == (code, place)


def test_staff_and_places(records: Records) -> None:
    """MFN keeps staff and places, and lets who left be inactive."""
    stf = "STF||901^^^GENHOSP|Neu^Nora||F"
    records.send(msh("MFN^M02"), "MFI|STF|||UPD", "MFE|MAD|||901", stf)
    assert records.one("Practitioner", "901")["active"] is True
    records.send(msh("MFN^M02"), "MFI|STF|||UPD", "MFE|MDC|||901", stf)
    assert records.one("Practitioner", "901")["active"] is False
    records.send(msh("MFN^M05"), "MFI|LOC|||UPD", "MFE|MAD|||W7", "LOC|W7^701^1^GH|Bed at the window|C")
    bed = [one for one in records.all("Location") if one.get("description") == "Bed at the window"]
    assert bed[0]["physicalType"]["coding"][0]["code"] == "bd"


def test_unmapped_messages_are_refused(records: Records) -> None:
    """What is not mapped is refused as unsupported, and never done by halves."""
    for event, code in (("ADT^A60", "201"), ("PPR^PC1", "200")):
        with pytest.raises(UnsupportedMessage) as refused:
            records.send(msh(event), pid("1"))
        assert (refused.value.code, refused.value.answer) == (code, "AR")
