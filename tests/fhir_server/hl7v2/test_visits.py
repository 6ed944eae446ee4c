"""ADT: patients and their visits, through the rules and the database."""

import pytest

from adapters.applying import Applied
from hl7.errors import HL7Error
from tests.fhir_server.hl7v2.records import ADT, VISIT, Records, Resource, msh


def pid(
    number: str, name: str = "Muster^Mara", born: str = "19800203", sex: str = "F", rest: str = ""
) -> str:
    """Return a PID."""
    return f"PID|1||{number}^^^GENHOSP^MR||{name}||{born}|{sex}|{rest}"


def evn(event: str, time: str) -> str:
    """Return an EVN."""
    return f"EVN|{event}|{time}"


def pv1(
    visit: str, place: str = "W1^101^2^GH", kind: str = "I", rest: str = "", attender: str = "77^Arzt^Anna"
) -> str:
    """Return a PV1 with a visit number; `rest` is what comes after PV1-19."""
    return f"PV1|1|{kind}|{place}||||{attender}||||||||||||{visit}^^^VISITS{rest}"


def admit(records: Records, number: str, visit: str, place: str, time: str = "20240105100000") -> Applied:
    """Admit a patient."""
    return records.send(msh("ADT^A01", visit), evn("A01", time), pid(number), pv1(visit, place))


def bed(records: Records, name: str) -> Resource:
    """Return the bed of a name."""
    (found,) = [
        one for one in records.all("Location") if one["identifier"][0]["value"].endswith(f"bd={name}")
    ]
    return found


def test_admission_makes_patient_encounter_and_place(records: Records) -> None:
    """An A01 of somebody new makes the patient, the visit, the bed and the doctor, with a Provenance."""
    applied = admit(records, "1001", "V1001", "W1^101^B1001^GH")
    assert applied.status == "applied"
    encounter = records.one("Encounter", "V1001")
    assert encounter["status"] == "in-progress"
    assert encounter["class"]["code"] == "IMP"
    assert encounter["period"]["start"] == "2024-01-05T10:00:00+01:00"
    patient = records.one("Patient", "1001")
    assert encounter["subject"]["reference"] == f"Patient/{patient['id']}"
    assert patient["meta"]["source"] == "urn:hl7v2:ADT:V1001"
    assert bed(records, "B1001")["operationalStatus"]["code"] == "O"
    provenances = [
        one
        for one in records.all("Provenance")
        if any(f"Patient/{patient['id']}/" in target["reference"] for target in one["target"])
    ]
    assert (
        provenances[0]["entity"][0]["what"]["identifier"]["system"] == "urn:fhir-hospital-server:hl7v2-inbox"
    )


def test_same_content_under_new_control_id_changes_nothing(records: Records) -> None:
    """The same admission under another MSH-10 makes no new version of anything."""
    admit(records, "1002", "V1002", "W1^101^B1002^GH")
    before = records.one("Patient", "1002"), records.one("Encounter", "V1002")
    again = records.send(
        msh("ADT^A01", "OTHER"), evn("A01", "20240105100000"), pid("1002"), pv1("V1002", "W1^101^B1002^GH")
    )
    assert again.status == "unchanged"
    assert (records.one("Patient", "1002"), records.one("Encounter", "V1002")) == before


def test_same_number_of_another_authority_is_another_person(records: Records) -> None:
    """A number is somebody's only together with who gave it."""
    admit(records, "1003", "V1003", "W1^101^B1003^GH")
    records.send(
        msh("ADT^A28", "X"), evn("A28", "20240105"),
        "PID|1||1003^^^LABNO^PI||Anders^Arno||19700101|M",
    )  # fmt: skip
    with_number = [
        one
        for one in records.all("Patient")
        if any(each.get("value") == "1003" for each in one["identifier"])
    ]
    assert len(with_number) == 2


def test_unknown_authority_goes_to_quarantine(records: Records) -> None:
    """A number of nobody knows whom is refused, if the channel wants so."""
    with pytest.raises(HL7Error) as refused:
        records.send(msh("ADT^A28"), evn("A28", "20240105"), "PID|1||1^^^WHO^MR||A^B||19700101|M")
    assert (refused.value.code, str(refused.value.location)) == ("204", "PID^1^3^1^4")


def test_transfer_and_its_cancellation(records: Records) -> None:
    """A02 moves the patient and leaves the bed to be cleaned; A12 takes exactly that back."""
    admit(records, "1004", "V1004", "W1^101^B1004^GH")
    before = records.one("Encounter", "V1004")
    records.send(
        msh("ADT^A02", "t"), evn("A02", "20240106080000"), pid("1004"), pv1("V1004", "W2^201^B2004^GH")
    )
    places = {
        one["location"]["display"]: one["status"] for one in records.one("Encounter", "V1004")["location"]
    }
    assert places == {"B1004, 101, W1, GH": "completed", "B2004, 201, W2, GH": "active"}
    assert bed(records, "B1004")["operationalStatus"]["code"] == "H"
    assert bed(records, "B2004")["operationalStatus"]["code"] == "O"
    records.send(
        msh("ADT^A12", "c"), evn("A12", "20240106090000"), pid("1004"), pv1("V1004", "W1^101^B1004^GH")
    )
    after = records.one("Encounter", "V1004")
    assert after["location"] == before["location"]
    assert bed(records, "B1004")["operationalStatus"]["code"] == "O"
    assert bed(records, "B2004")["operationalStatus"]["code"] == "H"


def test_discharge_and_its_cancellation(records: Records) -> None:
    """A03 ends the visit and leaves the bed; A13 lets it go on in the same bed."""
    admit(records, "1005", "V1005", "W1^101^B1005^GH")
    before = records.one("Encounter", "V1005")
    discharge = pv1("V1005", "W1^101^B1005^GH", rest="|" * 17 + "01" + "|" * 9 + "20240107110000")
    records.send(msh("ADT^A03", "d"), evn("A03", "20240107110000"), pid("1005"), discharge)
    ended = records.one("Encounter", "V1005")
    assert ended["status"] == "finished"
    assert ended["period"]["end"] == "2024-01-07T11:00:00+01:00"
    assert bed(records, "B1005")["operationalStatus"]["code"] == "H"
    records.send(
        msh("ADT^A13", "u"), evn("A13", "20240107120000"), pid("1005"), pv1("V1005", "W1^101^B1005^GH")
    )
    after = records.one("Encounter", "V1005")
    assert (after["status"], after["period"]) == ("in-progress", before["period"])
    assert after["location"] == before["location"]
    assert bed(records, "B1005")["operationalStatus"]["code"] == "O"


def test_cancelled_admission(records: Records) -> None:
    """A11 cancels the visit and gives up the bed."""
    admit(records, "1006", "V1006", "W1^101^B1006^GH")
    records.send(
        msh("ADT^A11", "c"), evn("A11", "20240105110000"), pid("1006"), pv1("V1006", "W1^101^B1006^GH")
    )
    assert records.one("Encounter", "V1006")["status"] == "cancelled"
    assert bed(records, "B1006")["operationalStatus"]["code"] == "H"


def test_bed_of_another_patient_is_refused(records: Records) -> None:
    """One bed is for one patient: the rule's id is told, and nothing is stored."""
    admit(records, "1007", "V1007", "W1^101^B1007^GH")
    with pytest.raises(HL7Error) as refused:
        admit(records, "1008", "V1008", "W1^101^B1007^GH")
    assert refused.value.answer == "AE"
    assert getattr(refused.value, "rule", "") == "W5.bed-taken"
    assert not records.has("Patient", "1008")


def test_older_event_does_not_overwrite_newer(records: Records) -> None:
    """An A08 of before the last one is put on record, and changes neither the person nor the visit."""
    admit(records, "1009", "V1009", "W1^101^B1009^GH")
    records.send(
        msh("ADT^A08", "n"),
        evn("A08", "20240106120000"),
        pid("1009", "Neu^Mara"),
        pv1("V1009", "W1^101^B1009^GH"),
    )
    late = records.send(
        msh("ADT^A08", "o"),
        evn("A08", "20240106110000"),
        pid("1009", "Alt^Mara"),
        pv1("V1009", "W1^101^B1009^GH"),
    )
    assert late.status == "ignored"
    assert [one.severity for one in late.warnings] == ["W"]
    assert records.one("Patient", "1009")["name"][0]["family"] == "Neu"


def test_update_before_admission(records: Records) -> None:
    """An A08 before its A01 makes patient and visit; the late A01 does not take it back."""
    records.send(
        msh("ADT^A08", "a"), evn("A08", "20240106120000"), pid("1010"), pv1("V1010", "W1^101^B1010^GH")
    )
    assert records.one("Encounter", "V1010")["status"] == "in-progress"
    late = admit(records, "1010", "V1010", "W1^101^B1010^GH")
    assert late.status == "ignored"


def test_null_deletes_and_empty_leaves(records: Records) -> None:
    """A `""` deletes what it stands for, and an empty field leaves what is there."""
    rest = "||||+49 30 1|+49 30 2||M"
    records.send(msh("ADT^A28", "a"), evn("A28", "20240105"), pid("1011", rest=rest))
    records.send(msh("ADT^A31", "b"), evn("A31", "20240106"), pid("1011", rest='||||""'))
    patient = records.one("Patient", "1011")
    assert [one["value"] for one in patient["telecom"]] == ["+49 30 2"]
    assert "maritalStatus" in patient


def test_class_change(records: Records) -> None:
    """A06 makes an inpatient of an outpatient, with the class of before in the history."""
    records.send(msh("ADT^A04", "a"), evn("A04", "20240105080000"), pid("1012"), pv1("V1012", "W9", kind="O"))
    assert records.one("Encounter", "V1012")["status"] == "arrived"
    records.send(
        msh("ADT^A06", "b"), evn("A06", "20240105120000"), pid("1012"), pv1("V1012", "W1^101^B1012^GH")
    )
    encounter = records.one("Encounter", "V1012")
    assert (encounter["status"], encounter["class"]["code"]) == ("in-progress", "IMP")
    assert encounter["classHistory"][0]["class"]["code"] == "AMB"


def test_outpatient_leaves(records: Records) -> None:
    """A04 and then A03: an outpatient is not admitted in between."""
    records.send(msh("ADT^A04", "a"), evn("A04", "20240105080000"), pid("1013"), pv1("V1013", "W9", kind="O"))
    records.send(msh("ADT^A03", "b"), evn("A03", "20240105090000"), pid("1013"), pv1("V1013", "W9", kind="O"))
    assert records.one("Encounter", "V1013")["status"] == "finished"


def test_another_attender(records: Records) -> None:
    """A08 with another attending doctor ends the time of the one before."""
    admit(records, "1014", "V1014", "W1^101^B1014^GH")
    records.send(
        msh("ADT^A08", "n"), evn("A08", "20240106120000"), pid("1014"),
        pv1("V1014", "W1^101^B1014^GH", attender="78^Neu^Nils"),
    )  # fmt: skip
    ended = [one.get("period") for one in records.one("Encounter", "V1014")["participant"]]
    assert ended == [{"end": "2024-01-06T12:00:00+01:00"}, None]


def test_visit_of_another_patient_is_refused(records: Records) -> None:
    """A visit number that is another patient's is refused."""
    admit(records, "1015", "V1015", "W1^101^B1015^GH")
    with pytest.raises(HL7Error) as refused:
        records.send(
            msh("ADT^A08"), evn("A08", "20240106"), pid("1016", "Anders^Arno", "19700101", "M"), pv1("V1015")
        )
    assert (refused.value.code, str(refused.value.location)) == ("204", "PV1^1^19")


def test_patient_without_birth_date_is_refused_by_the_rule(records: Records) -> None:
    """A person whose birth date is not known is registered with a temporary name only."""
    with pytest.raises(HL7Error) as refused:
        records.send(msh("ADT^A28"), evn("A28", "20240106"), pid("1017", born=""))
    assert (refused.value.code, getattr(refused.value, "rule", "")) == ("101", "W1.incomplete")


def test_preview_changes_nothing(records: Records) -> None:
    """A preview tells what would change, and stores nothing."""
    found = records.preview(msh("ADT^A28"), evn("A28", "20240106"), pid("1018"))
    assert [one.reference.partition("/")[0] for one in found] == ["Patient"]
    assert not records.has("Patient", "1018")


def test_systems_of_numbers(records: Records) -> None:
    """Numbers have the systems that the channel names for their authorities."""
    admit(records, "1019", "V1019", "W1^101^B1019^GH")
    (number,) = records.one("Encounter", "V1019")["identifier"]
    assert number["system"] == VISIT == ADT.authorities["VISITS"]
