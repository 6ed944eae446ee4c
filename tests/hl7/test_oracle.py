"""The same messages read by hl7apy: an independent reader of HL7 v2, and where it is wrong.

Its search for groups is switched off where segments are compared, as it drops those that its structures lack.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hl7apy.core import Segment as TheirSegment
from hl7apy.exceptions import ChildNotFound, InvalidName
from hl7apy.parser import parse_message

from hl7.parser import parse
from hl7.structure import Group, grouped
from tests.hl7.messages import ADT_A01, ORU_R01, message

# Version 2.5.1 has no PRT, which guides for 2.5.1 add; hl7apy refuses the whole message.
_REFUSED = {"MDHHS-OML-O21-1.hl7", "MDHHS-OML-O21-2.hl7", "ORU-R01-01.hl7"}
# It takes 20 to 40 ms for each message.
_EVERY = 8


def _plain(texts: Iterable[str]) -> list[list[str]]:
    """Return the components of each repetition but empty ones, in no order, as hl7apy loses it."""
    found = (sorted(part.rstrip("&") for part in text.replace(" ", "").split("^")) for text in texts)
    return [parts for parts in ([part for part in each if part] for each in found) if parts]


def _compare(data: bytes) -> None:
    ours = parse(data)
    theirs = parse_message("\r".join(segment.raw for segment in ours.segments) + "\r", find_groups=False)
    assert [child.name for child in theirs.children] == [segment.name for segment in ours.segments]
    for child, segment in zip(theirs.children, ours.segments, strict=True):
        for number, field in enumerate(segment.fields, 1):
            # It writes escape sequences of its own for those that it does not know.
            if field and number > 2 and "\\" not in field.raw:
                repetitions = _plain(repetition.raw for repetition in field.repetitions)
                assert _values(child, number) in (repetitions, None), (segment, number)


def _values(segment: Any, number: int) -> list[list[str]] | None:
    """Return the repetitions of a field, None if hl7apy's version does not have the field."""
    try:
        fields = getattr(segment, f"{segment.name}_{number}")
    except ChildNotFound:
        return None
    return _plain(field.to_er7() for field in fields)


@pytest.mark.parametrize("data", [ORU_R01, ADT_A01.replace(b"ZAL|1|whatever|we~do^not&know\r", b"")])
def test_fields_of_our_messages(data: bytes) -> None:
    """Both readers find the same in the same field."""
    _compare(data)


def test_fields_of_the_data_folder(shared_data: Path) -> None:
    """Both readers find the same in real messages."""
    files = [file for file in sorted((shared_data / "hl7v2").glob("*.hl7")) if file.name not in _REFUSED]
    for file in files[::_EVERY]:
        _compare(file.read_bytes())


def test_messages_that_only_we_read(shared_data: Path) -> None:
    """hl7apy refuses what is of another version than the message says; a segment more is no error here."""
    for name in _REFUSED:
        ours = parse((shared_data / "hl7v2" / name).read_bytes())
        assert ours.all("PRT")
        with pytest.raises(InvalidName):
            parse_message("\r".join(segment.raw for segment in ours.segments) + "\r", find_groups=False)


def _ours(group: Group) -> str:
    members = (_ours(member) if isinstance(member, Group) else member.name for member in group.members)
    return f"{group.name}({' '.join(members)})"


def _theirs(group: Any, structure: str) -> str:
    """Return hl7apy's tree in our form: a choice of segments is a group there."""
    members = []
    for child in group.children:
        if isinstance(child, TheirSegment):
            members.append(child.name)
        elif child.name.endswith("_SUPPGRP") and len(child.children) == 1:
            members.append(child.children[0].name)
        else:
            members.append(_theirs(child, structure))
    name = group.name.removeprefix(f"{structure}_")
    return f"{name}({' '.join(members)})"


@pytest.mark.parametrize(
    ("structure", "segments"),
    [
        ("ADT_A01", "EVN PID PD1 NK1 PV1 PV2 ROL OBX AL1 DG1 PR1 ROL GT1 IN1 IN2 IN1"),
        ("ADT_A39", "EVN PID MRG PID PD1 MRG PV1"),
        ("ORU_R01", "PID PV1 ORC OBR NTE OBX NTE OBX SPM OBX ORC OBR OBX"),
        ("ORU_R01", "PID OBR OBX OBR"),
        ("OML_O21", "PID PV1 ORC TQ1 OBR DG1 OBX SPM SAC"),
        ("OUL_R22", "PID PV1 SPM OBX SAC OBR ORC OBR SPM OBR"),
        ("RDE_O11", "PID ORC RXO RXR RXE RXR OBX ORC TQ1 RXE RXR RXC"),
        ("RDS_O13", "PID ORC RXE TQ1 RXR RXD RXR ORC RXD RXR"),
        ("SIU_S12", "SCH NTE PID PV1 RGS AIS NTE AIG AIL AIP NTE RGS AIP"),
        ("BAR_P01", "EVN PID PV1 DG1 PR1 GT1 IN1 IN2 IN1"),
        ("DFT_P03", "EVN PID PV1 FT1 PR1 FT1 DG1 GT1 IN1"),
        ("REF_I12", "RF1 PRD CTD PRD PID DG1 AL1 OBR OBX NTE PV1"),
        ("MFN_M02", "MFI MFE STF PRA ORG MFE STF"),
        ("MFN_M05", "MFI MFE LOC LCH LDP MFE LOC LDP"),
        ("ORM_O01", "PID PV1 ORC OBR NTE OBX ORC RXO NTE"),
        ("ORR_O02", "MSA PID ORC OBR ORC OBR"),
        ("QBP_Q11", "QPD RCP"),
        ("VXU_V04", "PID NK1 ORC RXA RXR OBX OBX ORC RXA"),
    ],
)
def test_groups(structure: str, segments: str) -> None:
    """Where a message is as the standard wants it, both readers make the same groups."""
    code, _, event = structure.partition("_")
    rows = [f"{name}|1" for name in segments.split()]
    data = message(f"MSH|^~\\&|A|B|C|D|2024||{code}^{event}^{structure}|1|P|2.5.1", *rows)
    theirs = parse_message(data.decode(), find_groups=True)
    assert _ours(grouped(parse(data), structure)) == _theirs(theirs, structure)


@pytest.mark.parametrize(
    ("structure", "segments", "ours", "theirs"),
    [
        # Two orders in one OML are two orders (LFH#413).
        ("OML_O21", "PID ORC=NW OBR OBX ORC=NW OBR", "ORDER(ORC", "PRIOR_RESULT("),
        # A second patient has results of his own.
        (
            "ORU_R01",
            "PID OBR OBX PID OBR OBX",
            "PATIENT_RESULT(PATIENT(PID)",
            "OBSERVATION(OBX)) PATIENT(PID)",
        ),
        # The times of what was encoded are not those of what was asked for.
        ("RDE_O11", "PID ORC RXE TQ1 RXR", "RXE TIMING_ENCODED(TQ1)", "RXE TIMING(TQ1)"),
    ],
)
def test_where_hl7apy_has_other_groups(structure: str, segments: str, ours: str, theirs: str) -> None:
    """It looks for the first place with the name, and does not see what a repetition is of."""
    code, _, event = structure.partition("_")
    rows = [name.replace("=", "|") + ("" if "=" in name else "|1") for name in segments.split()]
    data = message(f"MSH|^~\\&|A|B|C|D|2024||{code}^{event}^{structure}|1|P|2.5.1", *rows)
    our_tree = _ours(grouped(parse(data)))
    their_tree = _theirs(parse_message(data.decode(), find_groups=True), structure)
    assert ours in our_tree
    assert theirs not in our_tree
    assert theirs in their_tree


def test_where_hl7apy_drops_segments() -> None:
    """A segment that the structure lacks stays; hl7apy loses it without a word (hl7apy#145, #89, #50)."""
    rows = ["PID|1", "ORC|NW", "TQ1|1", "OBR|1"]
    data = message("MSH|^~\\&|A|B|C|D|2024||ORM^O01^ORM_O01|1|P|2.5.1", *rows)
    assert "TQ1" in _ours(grouped(parse(data)))
    assert "TQ1" not in parse_message(data.decode(), find_groups=True).to_er7()


def test_where_hl7apy_moves_components() -> None:
    """Behind the last component that a version has, empty ones are lost, and the next takes their place."""
    data = message("MSH|^~\\&|A|B|C|D|2024||ORU^R01^ORU_R01|1|P|2.5.1", "OBR|1|||1^a^L^2^b^L^^^text")
    assert parse(data).segments[1].get(4, 9) == "text"
    assert "L^text" in parse_message(data.decode(), find_groups=False).to_er7()
