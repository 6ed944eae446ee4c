"""ORU: results, their corrections, and whose they are, through the rules and the database."""

import pytest

from adapters.applying import Applied
from hl7.errors import HL7Error
from tests.fhir_server.hl7v2.records import LAB, Records, Resource, msh


def pid(number: str, born: str = "19800203", name: str = "Muster^Mara") -> str:
    """Return a PID."""
    return f"PID|1||{number}^^^GENHOSP^MR||{name}||{born}|F"


def obr(filler: str, status: str = "F", issued: str = "20240105110000", code: str = "58410-2^CBC^LN") -> str:
    """Return an OBR, issued then, of a status."""
    return f"OBR|1|P{filler}^EHR|{filler}^LAB|{code}|||20240105100000|||||||||||||||{issued}||LAB|{status}"


def obx(place: int, value: str, status: str = "F", code: str = "718-7^Hemoglobin^LN", flag: str = "") -> str:
    """Return a numeric OBX."""
    return f"OBX|{place}|NM|{code}||{value}|g/dL^g/dL^UCUM|12-16|{flag}|||{status}|||20240105100000"


def report(
    records: Records, number: str, filler: str, *results: str, head: str = "", control: str = "R", **more: str
) -> Applied:
    """Send a report."""
    return records.send(
        msh("ORU^R01", control, application="LAB"),
        pid(number),
        head or obr(filler, **more),
        *results,
        channel=LAB,
    )


def observations(records: Records, filler: str) -> tuple[Resource, list[Resource]]:
    """Return the results of a report."""
    found = records.one("DiagnosticReport", filler)
    ids = [one["reference"].partition("/")[2] for one in found["result"]]
    return found, [one for wanted in ids for one in records.all("Observation") if one["id"] == wanted]


def test_report_with_results(records: Records) -> None:
    """An ORU of somebody new makes patient, order, report and results that refer to each other."""
    applied = report(records, "2001", "F2001", obx(1, "13.50"), obx(2, "4.1", code="789-8^Erys^LN"))
    assert applied.status == "applied"
    found, (first, second) = observations(records, "F2001")
    assert (found["status"], found["issued"]) == ("final", "2024-01-05T11:00:00+01:00")
    assert str(first["valueQuantity"]["value"]) == "13.50"
    assert first["category"][0]["coding"][0]["code"] == "laboratory"
    order = records.one("ServiceRequest", "F2001")
    assert found["basedOn"] == first["basedOn"] == [{"reference": f"ServiceRequest/{order['id']}"}]
    assert order["status"] == "completed"
    assert second["subject"] == found["subject"]


def test_correction_is_a_new_version(records: Records) -> None:
    """F and then C: the same Observation says what was corrected, and its history what was before."""
    report(records, "2002", "F2002", obx(1, "13.5", flag="H"))
    _, (before,) = observations(records, "F2002")
    report(records, "2002", "F2002", obx(1, "12.5", "C"), status="C", issued="20240105120000")
    found, (after,) = observations(records, "F2002")
    assert after["id"] == before["id"]
    assert (found["status"], after["status"]) == ("corrected", "corrected")
    assert records.version(after) == records.version(before) + 1
    assert str(after["valueQuantity"]["value"]) == "12.5"
    assert "interpretation" not in after


def test_final_that_says_something_else_is_a_correction(records: Records) -> None:
    """A second F with another value is taken as the correction that it is."""
    report(records, "2003", "F2003", obx(1, "13.5"))
    report(records, "2003", "F2003", obx(1, "11.5"), issued="20240105120000")
    _, (after,) = observations(records, "F2003")
    assert (after["status"], str(after["valueQuantity"]["value"])) == ("corrected", "11.5")


def test_preliminary_after_final_is_not_applied(records: Records) -> None:
    """P after F changes nothing, and the sender is warned."""
    report(records, "2004", "F2004", obx(1, "13.5"))
    late = report(records, "2004", "F2004", obx(1, "1.5", "P"), status="P")
    assert late.status == "ignored"
    assert late.warnings[0].severity == "W"
    _, (after,) = observations(records, "F2004")
    assert str(after["valueQuantity"]["value"]) == "13.5"


def test_older_report_is_not_applied(records: Records) -> None:
    """A report that was issued before the one that is known changes nothing."""
    report(records, "2005", "F2005", obx(1, "13.5"), issued="20240105120000")
    late = report(records, "2005", "F2005", obx(1, "9.9"), issued="20240105110000")
    assert late.status == "ignored"
    _, (after,) = observations(records, "F2005")
    assert str(after["valueQuantity"]["value"]) == "13.5"


def test_preliminary_then_final(records: Records) -> None:
    """P and then F is one result with two versions."""
    report(records, "2006", "F2006", obx(1, "13.0", "P"), status="P")
    report(records, "2006", "F2006", obx(1, "13.1"), issued="20240105120000")
    found, (after,) = observations(records, "F2006")
    assert (found["status"], after["status"]) == ("final", "final")
    assert records.version(after) == 2


def test_same_report_again_changes_nothing(records: Records) -> None:
    """The same content under a new MSH-10 makes no new version."""
    report(records, "2007", "F2007", obx(1, "13.5"))
    before = observations(records, "F2007")
    assert report(records, "2007", "F2007", obx(1, "13.5"), control="OTHER").status == "unchanged"
    assert observations(records, "F2007") == before


def test_result_of_wrong_patient_is_withdrawn(records: Records) -> None:
    """OBX-11 W: the result was of somebody else, and is entered in error."""
    report(records, "2008", "F2008", obx(1, "13.5"))
    report(records, "2008", "F2008", obx(1, "13.5", "W"), status="C", issued="20240105120000")
    _, (after,) = observations(records, "F2008")
    assert after["status"] == "entered-in-error"


@pytest.mark.parametrize(
    "other",
    [pid("2009", "19700101"), "PID|1||2009^^^GENHOSP^MR||Muster^Mara||19800203|M", pid("2009", name="X^Y")],
)
def test_wrong_patient_guard(records: Records, other: str) -> None:
    """A result under a number whose person has another birth date, sex or name is refused."""
    report(records, "2009", "F2009", obx(1, "13.5"))
    with pytest.raises(HL7Error) as refused:
        records.send(msh("ORU^R01", application="LAB"), other, obr("F2009X"), obx(1, "1.0"), channel=LAB)
    assert (refused.value.code, refused.value.answer) == ("204", "AE")
    assert not records.has("DiagnosticReport", "F2009X")


def test_numbers_of_two_patients(records: Records) -> None:
    """A message with numbers of two patients is refused, and staff get a task."""
    for number, name in (("2010", "Eins^Eva"), ("2011", "Zwei^Zoe")):
        records.send(msh("ADT^A28"), "EVN|A28|20240101", pid(number, name=name))
    both = "PID|1||2010^^^GENHOSP^MR~2011^^^GENHOSP^MR||Eins^Eva||19800203|F"
    with pytest.raises(HL7Error) as refused:
        records.send(msh("ORU^R01", application="LAB"), both, obr("F2010"), obx(1, "1"), channel=LAB)
    assert refused.value.code == "204"
    tasks = [one for one in records.all("Task") if one["code"]["coding"][0]["code"] == "potential-duplicate"]
    assert len(tasks) == 1


def test_lines_of_text_are_one_result(records: Records) -> None:
    """Several OBX of one code and sub-id that are text are the lines of one result."""
    line = "OBX|{0}|TX|22637-3^Report^LN|1|{1}||||||F"
    report(records, "2012", "F2012", line.format(1, "First line"), line.format(2, "Second line"))
    _, (only,) = observations(records, "F2012")
    assert only["valueString"] == "First line\nSecond line"


def test_several_orders_of_one_message(records: Records) -> None:
    """Each ORC and OBR of a message is an order of its own with the results behind it."""
    records.send(
        msh("ORU^R01", application="LAB"), pid("2013"),
        "ORC|RE|P2013A^EHR|F2013A^LAB", obr("F2013A"), obx(1, "13.5"),
        "ORC|RE|P2013B^EHR|F2013B^LAB", obr("F2013B", code="2345-7^Glucose^LN"),
        obx(1, "99", code="2345-7^Glucose^LN"),
        channel=LAB,
    )  # fmt: skip
    assert [len(observations(records, one)[1]) for one in ("F2013A", "F2013B")] == [1, 1]


def test_report_with_document(records: Records) -> None:
    """A PDF within a report goes with the report."""
    document = "OBX|2|ED|11502-2^Report^LN||^application^pdf^Base64^JVBERi0xLjQ=||||||F"
    report(records, "2014", "F2014", obx(1, "13.5"), document)
    found, results = observations(records, "F2014")
    assert found["presentedForm"] == [
        {"contentType": "application/pdf", "data": "JVBERi0xLjQ=", "title": "Report"}
    ]
    assert len(results) == 1


def test_result_of_revoked_order_is_taken_and_marked(records: Records) -> None:
    """A result for an order that was revoked is stored without it, marked, and its sender warned."""
    report(records, "2015", "F2015", obx(1, "13.5", "P"), status="P")
    order = records.one("ServiceRequest", "F2015")
    records.put({**order, "status": "revoked"})
    late = report(
        records, "2015", "F2015B", obx(1, "14"),
        head="OBR|1|PF2015^EHR|F2015B^LAB|24323-8^CMP^LN|||20240105100000|||||||||||||||20240105110000||LAB|F",
    )  # fmt: skip
    assert any("order" in one.text for one in late.warnings)
    found, _ = observations(records, "F2015B")
    assert "basedOn" not in found
    assert found["meta"]["tag"][0]["code"] == "order-not-active"


@pytest.mark.failure_story("time-without-zone")
def test_time_without_zone_has_that_of_the_message_or_channel(records: Records) -> None:
    """MSH-7's offset holds for the message, and the channel's zone where it has none."""
    records.send(
        msh("ORU^R01", application="LAB", time="20240105120000+0500"), pid("2016"), obr("F2016"), obx(1, "1"),
        channel=LAB,
    )  # fmt: skip
    assert observations(records, "F2016")[0]["issued"] == "2024-01-05T11:00:00+05:00"


def test_report_of_no_such_order_is_refused(records: Records) -> None:
    """OBR-25 Y or Z says that there is no such order or patient: this is no report."""
    with pytest.raises(HL7Error) as refused:
        report(records, "2017", "F2017", obx(1, "1"), status="Z")
    assert (refused.value.code, str(refused.value.location)) == ("103", "OBR^1^25^1")
