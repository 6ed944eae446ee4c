"""Which structure a message has, and which of its segments belong together (HL7 v2.5.1 §2.5.2)."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hl7 import structure_tables
from hl7.errors import UnsupportedMessage
from hl7.parser import parse
from hl7.structure import Group, grouped, structure, structure_of
from tests.hl7.messages import ADT_A01, ORU_R01, message
from tests.hl7.tables import contents, events, structures


def _tree(group: Group) -> str:
    """Return a tree in one line: `ADT_A39(MSH PATIENT(PID MRG))`."""
    members = " ".join(
        _tree(member) if isinstance(member, Group) else member.name for member in group.members
    )
    return f"{group.name}({members})"


def _message(code: str, segments: str) -> bytes:
    """Return a message of these segments; `ORC=NW` has NW in its first field."""
    rows = [name.replace("=", "|") + ("" if "=" in name else "|1") for name in segments.split()]
    return message(f"MSH|^~\\&|A|B|C|D|2024||{code}|1|P|2.5.1", *rows)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("ADT^A04", "ADT_A01"), ("ADT^A08", "ADT_A01"), ("ADT^A13", "ADT_A01"), ("ADT^A14", "ADT_A05"),
        ("ADT^A28", "ADT_A05"), ("ADT^A31", "ADT_A05"), ("ADT^A07", "ADT_A06"), ("ADT^A10", "ADT_A09"),
        ("ADT^A11", "ADT_A09"), ("ADT^A40", "ADT_A39"), ("ADT^A41", "ADT_A39"), ("ADT^A42", "ADT_A39"),
        ("ADT^A34", "ADT_A30"), ("ADT^A12", "ADT_A12"), ("SIU^S12", "SIU_S12"), ("SIU^S26", "SIU_S12"),
        ("MDM^T04", "MDM_T02"), ("MDM^T10", "MDM_T02"), ("MDM^T11", "MDM_T01"), ("QBP^Q22", "QBP_Q21"),
        ("RDE^O25", "RDE_O11"), ("ADT^A08^ADT_A08", "ADT_A01"), ("ADT^Z99^ADT_A01", "ADT_A01"),
        ("ACK", "ACK"), ("ACK^A01^ACK", "ACK"), ("ORU", "ORU_R01"), ("MFN^M05", "MFN_M05"),
    ],
)  # fmt: skip
@pytest.mark.failure_story("unknown-structure")
def test_structure_of_an_event(code: str, expected: str) -> None:
    """Senders leave out MSH-9.3, or write the event into it (table 0354; hl7apy#113)."""
    assert structure_of(parse(_message(code, "EVN")).header) == expected


@pytest.mark.parametrize(
    ("code", "error"),
    [("XXX^A01", "200"), ("ADT^Q99", "201"), ("ADT", "201"), ("", "200"), ("Z^Z^ZZZ_Z01", "200")],
)
def test_unknown_events(code: str, error: str) -> None:
    """They are refused as what they are."""
    with pytest.raises(UnsupportedMessage) as caught:
        structure_of(parse(_message(code, "EVN")).header)
    assert (caught.value.code, caught.value.answer) == (error, "AR")


@pytest.mark.parametrize(
    ("code", "segments", "expected"),
    [
        ("ADT^A40", "EVN PID MRG PID PD1 MRG PV1", "EVN PATIENT(PID MRG) PATIENT(PID PD1 MRG PV1)"),
        (
            "ORU^R01",
            "PID PV1 ORC OBR NTE OBX NTE OBX SPM OBX ORC OBR OBX",
            "PATIENT_RESULT(PATIENT(PID VISIT(PV1)) "
            "ORDER_OBSERVATION(ORC OBR NTE OBSERVATION(OBX NTE) OBSERVATION(OBX) SPECIMEN(SPM OBX)) "
            "ORDER_OBSERVATION(ORC OBR OBSERVATION(OBX)))",
        ),
        (
            "ORU^R01",
            "PID OBR OBX OBR OBX PID OBR OBX",
            "PATIENT_RESULT(PATIENT(PID) ORDER_OBSERVATION(OBR OBSERVATION(OBX)) "
            "ORDER_OBSERVATION(OBR OBSERVATION(OBX))) "
            "PATIENT_RESULT(PATIENT(PID) ORDER_OBSERVATION(OBR OBSERVATION(OBX)))",
        ),
        (
            "ORU^R01",
            "PID OBR OBX ORC OBR OBX",
            "PATIENT_RESULT(PATIENT(PID) ORDER_OBSERVATION(OBR OBSERVATION(OBX)) "
            "ORDER_OBSERVATION(ORC OBR OBSERVATION(OBX)))",
        ),
        (
            "OML^O21",
            "PID PV1 ORC=NW TQ1 OBR DG1 OBX SPM ORC=NW OBR SPM",
            "PATIENT(PID PATIENT_VISIT(PV1)) "
            "ORDER(ORC TIMING(TQ1) OBSERVATION_REQUEST(OBR DG1 OBSERVATION(OBX) SPECIMEN(SPM))) "
            "ORDER(ORC OBSERVATION_REQUEST(OBR SPECIMEN(SPM)))",
        ),
        (
            "OML^O21",
            "PID ORC=NW OBR PID ORC=PR OBR OBX ORC=PR OBR OBX ORC=NW OBR",
            "PATIENT(PID) ORDER(ORC OBSERVATION_REQUEST(OBR PRIOR_RESULT(PATIENT_PRIOR(PID) "
            "ORDER_PRIOR(ORC OBR OBSERVATION_PRIOR(OBX)) ORDER_PRIOR(ORC OBR OBSERVATION_PRIOR(OBX))))) "
            "ORDER(ORC OBSERVATION_REQUEST(OBR))",
        ),
        (
            "OML^O21",
            "PID ORC=NW OBR ORC=PR OBR OBX ORC=CA OBR",
            "PATIENT(PID) ORDER(ORC OBSERVATION_REQUEST(OBR PRIOR_RESULT("
            "ORDER_PRIOR(ORC OBR OBSERVATION_PRIOR(OBX))))) ORDER(ORC OBSERVATION_REQUEST(OBR))",
        ),
        (
            "OML^O21",
            "PID ORC=NW OBR PV1 ORC= OBR OBX",
            "PATIENT(PID) ORDER(ORC OBSERVATION_REQUEST(OBR PRIOR_RESULT(PATIENT_VISIT_PRIOR(PV1) "
            "ORDER_PRIOR(ORC OBR OBSERVATION_PRIOR(OBX)))))",
        ),
        (
            "OUL^R22",
            "PID SPM OBX SAC OBR ORC OBX OBR ORC SPM OBR OBX",
            "PATIENT(PID) SPECIMEN(SPM OBX CONTAINER(SAC) ORDER(OBR ORC RESULT(OBX)) ORDER(OBR ORC)) "
            "SPECIMEN(SPM ORDER(OBR RESULT(OBX)))",
        ),
        (
            "OUL^R22",
            "PID SPM ORC OBR OBX ORC OBR OBX",
            "PATIENT(PID) SPECIMEN(SPM ORDER(ORC OBR RESULT(OBX)) ORDER(ORC OBR RESULT(OBX)))",
        ),
        (
            "VXU^V04",
            "PID NK1 ORC RXA RXR OBX OBX ORC RXA",
            "PID NK1 ORDER(ORC RXA RXR OBSERVATION(OBX) OBSERVATION(OBX)) ORDER(ORC RXA)",
        ),
        ("VXU^V04", "PID RXA RXA OBX", "PID ORDER(RXA) ORDER(RXA OBSERVATION(OBX))"),
        (
            "RDE^O11",
            "PID ORC RXO RXR RXE TQ1 RXR ORC RXE RXR RXC",
            "PATIENT(PID) ORDER(ORC ORDER_DETAIL(RXO RXR) RXE TIMING_ENCODED(TQ1) RXR) "
            "ORDER(ORC RXE RXR RXC)",
        ),
        (
            "RDS^O13",
            "PID ORC RXE RXR RXD RXR ORC RXD",
            "PATIENT(PID) ORDER(ORC ENCODING(RXE RXR) RXD RXR) ORDER(ORC RXD)",
        ),
        (
            "SIU^S12",
            "SCH NTE PID PV1 RGS AIS NTE AIP AIL AIG AIP NTE RGS AIP",
            "SCH NTE PATIENT(PID PV1) RESOURCES(RGS SERVICE(AIS NTE) PERSONNEL_RESOURCE(AIP) "
            "LOCATION_RESOURCE(AIL) GENERAL_RESOURCE(AIG) PERSONNEL_RESOURCE(AIP NTE)) "
            "RESOURCES(RGS PERSONNEL_RESOURCE(AIP))",
        ),
        (
            "SIU^S12",
            "SCH PID AIP AIL",
            "SCH PATIENT(PID) RESOURCES(PERSONNEL_RESOURCE(AIP) LOCATION_RESOURCE(AIL))",
        ),
        (
            "BAR^P01",
            "EVN PID PV1 DG1 PR1 GT1 IN1 IN2 IN1",
            "EVN PID VISIT(PV1 DG1 PROCEDURE(PR1) GT1 INSURANCE(IN1 IN2) INSURANCE(IN1))",
        ),
        (
            "MDM^T02",
            "EVN PID PV1 ORC OBR TXA OBX OBX NTE",
            "EVN PID PV1 COMMON_ORDER(ORC OBR) TXA OBSERVATION(OBX) OBSERVATION(OBX NTE)",
        ),
        (
            "DFT^P03",
            "EVN PID PV1 FT1 PR1 FT1 DG1 GT1 IN1",
            "EVN PID PV1 FINANCIAL(FT1 FINANCIAL_PROCEDURE(PR1)) FINANCIAL(FT1) DG1 GT1 INSURANCE(IN1)",
        ),
        (
            "REF^I12",
            "RF1 PRD CTD PRD PID DG1 AL1 OBR OBX NTE PV1",
            "RF1 PROVIDER_CONTACT(PRD CTD) PROVIDER_CONTACT(PRD) PID DG1 AL1 "
            "OBSERVATION(OBR RESULTS_NOTES(OBX NTE)) PATIENT_VISIT(PV1)",
        ),
        ("MFN^M02", "MFI MFE STF PRA ORG MFE STF", "MFI MF_STAFF(MFE STF PRA ORG) MF_STAFF(MFE STF)"),
        (
            "MFN^M05",
            "MFI MFE LOC LCH LDP MFE LOC",
            "MFI MF_LOCATION(MFE LOC LCH MF_LOC_DEPT(LDP)) MF_LOCATION(MFE LOC)",
        ),
        ("QBP^Q22", "QPD RCP", "QPD RCP"),
        (
            "ORM^O01",
            "PID PV1 ORC OBR NTE OBX ORC RXO NTE",
            "PATIENT(PID PATIENT_VISIT(PV1)) ORDER(ORC ORDER_DETAIL(OBR NTE OBSERVATION(OBX))) "
            "ORDER(ORC ORDER_DETAIL(RXO NTE))",
        ),
        ("ORM^O01", "PID OBR OBR", "PATIENT(PID) ORDER(ORDER_DETAIL(OBR)) ORDER(ORDER_DETAIL(OBR))"),
        ("ORM^O01", "PID ORC NTE OBR", "PATIENT(PID) ORDER(ORC NTE ORDER_DETAIL(OBR))"),
        (
            "ADT^A01",
            "EVN PID ROL NK1 PV1 ROL IN1 IN2 ROL PR1 ROL NK1 OBX ZZ1 XYZ",
            "EVN PID ROL NK1 PV1 ROL INSURANCE(IN1 IN2 ROL) PROCEDURE(PR1 ROL) NK1 OBX ZZ1 XYZ",
        ),
        ("ADT^A01", "EVN PID PV1 IN1 ZIN IN1 ZIN", "EVN PID PV1 INSURANCE(IN1 ZIN) INSURANCE(IN1 ZIN)"),
        ("ADT^A01", "PID PV1 PV1 DG1", "PID PV1 PV1 DG1"),
        (
            "ORL^O22",
            "MSA PID ORC=OK OBR ORC=UA",
            "MSA RESPONSE(PATIENT(PID ORDER(ORC OBSERVATION_REQUEST(OBR)) ORDER(ORC)))",
        ),
        ("ORR^O02", "MSA PID ORC=OK OBR", "MSA RESPONSE(PATIENT(PID) ORDER(ORC OBR))"),
        ("RSP^K22", "MSA QAK QPD PID PID", "MSA QAK QPD QUERY_RESPONSE(PID) QUERY_RESPONSE(PID)"),
    ],
)
@pytest.mark.failure_story("order-groups")
def test_groups(code: str, segments: str, expected: str) -> None:
    """Groups repeat as they are sent, however little of them is there (LFH#413)."""
    read = parse(_message(code, segments))
    tree = grouped(read)
    assert _tree(tree) == f"{tree.name}(MSH {expected})"
    assert tree.segments == read.segments


def test_reading_a_group() -> None:
    """Segments and groups are found by their names, those of the group itself first."""
    tree = grouped(parse(ORU_R01))
    orders = tree.groups("PATIENT_RESULT")[0].groups("ORDER_OBSERVATION")
    assert [order.all("OBR")[0].get(2) for order in orders] == ["P1", "P2"]
    assert [len(order.groups("OBSERVATION")) for order in orders] == [2, 1]
    assert tree.first("PID") is None
    assert tree.group("NOTHING") is None
    assert [group.name for group in tree.walk()].count("OBSERVATION") == 3
    first = orders[0].group("OBSERVATION")
    assert first is not None
    assert [segment.name for segment in first.segments] == ["OBX", "NTE"]


def test_missing_segments() -> None:
    """A group tells what the structure requires of it."""
    assert grouped(parse(_message("ADT^A40", "PID PID MRG"))).missing == ("EVN",)
    first, second = grouped(parse(_message("ADT^A40", "PID PID MRG"))).groups("PATIENT")
    assert (first.missing, second.missing) == (("MRG",), ())


@pytest.mark.failure_story("segments-missing")
def test_z_segments_stay() -> None:
    """Nobody's segments are dropped (hl7apy#145, #89, #50)."""
    assert grouped(parse(ADT_A01)).segments[-1].name == "ZAL"


def test_messages_of_the_data_folder(shared_data: Path) -> None:
    """Each has a structure, and all its segments are in the tree."""
    for file in sorted((shared_data / "hl7v2").glob("*.hl7")):
        read = parse(file.read_bytes())
        assert grouped(read).segments == read.segments, file.name


@settings(deadline=None)
@given(
    name=st.sampled_from(
        ["ADT_A01", "ORU_R01", "OML_O21", "OUL_R22", "RDE_O11", "SIU_S12", "DFT_P03", "REF_I12"]
    ),
    segments=st.lists(
        st.sampled_from(
            [
                "PID",
                "PV1",
                "ORC",
                "OBR",
                "OBX",
                "NTE",
                "SPM",
                "RXE",
                "AIP",
                "FT1",
                "PR1",
                "IN1",
                "MRG",
                "ZZZ",
                "PRT",
            ]
        ),
        max_size=30,
    ),
)
def test_no_segment_is_ever_lost(name: str, segments: list[str]) -> None:
    """Whatever is sent in whatever order, each segment is in the tree once, and groups keep the order."""
    read = parse(_message("ADT^A01", " ".join(segments)))
    tree = grouped(read, name)
    assert tree.segments == read.segments


def test_many_segments() -> None:
    """Ten thousand results are grouped in time that grows with their number."""
    read = parse(_message("ORU^R01", "PID OBR " + "OBX NTE " * 10_000))
    (order,) = grouped(read).groups("PATIENT_RESULT")[0].groups("ORDER_OBSERVATION")
    assert len(order.groups("OBSERVATION")) == 10_000


def test_the_tables_are_what_their_script_makes() -> None:
    """The data files are made by `python -m tests.hl7.tables`, and by nobody's hand."""
    folder = structure_tables.TABLES
    assert {path.name: path.read_text() for path in folder.glob("*.toml")} == contents()


def test_each_event_has_a_structure() -> None:
    """Table 0354 names no structure that is not there."""
    assert set(events().values()) <= set(structures())
    for name in structures():
        assert structure(name).name == name
