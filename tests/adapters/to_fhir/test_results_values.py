"""OBX-5 by OBX-2, repetitions and statuses, and the groups of a message."""

from typing import Any

import pytest

from hl7.errors import HL7Error
from tests.adapters.to_fhir.mapped import mapped, problems, resources

MSH = "MSH|^~\\&|LAB|GENHOSP|||20240105120000||ORU^R01|1|P|2.5.1"
PID = "PID|1||1^^^GENHOSP^MR||Muster^Mara||19800203|F"
OBR = "OBR|1|P1^EHR|F1^LAB|58410-2^CBC^LN|||20240105100000|||||||||||||||20240105110000||LAB|F"


def result(kind: str, value: str, status: str = "F", units: str = "") -> dict[str, Any]:
    """Return the Observation of an OBX."""
    found = mapped(MSH, PID, OBR, f"OBX|1|{kind}|1-8^Test^LN||{value}|{units}|||||{status}")
    assert problems(found) == []
    return resources(found)["Observation"][0]


@pytest.mark.parametrize(
    ("kind", "value", "element"),
    [
        ("NM", "1.50", "valueQuantity"),
        ("SN", ">^100", "valueQuantity"),
        ("SN", "^1^-^5", "valueRange"),
        ("SN", "^1^:^128", "valueRatio"),
        ("SN", "<>^1", "valueString"),
        ("SN", "^2^+", "valueString"),
        ("CWE", "A^B^LN", "valueCodeableConcept"),
        ("ST", "text ^ with & signs", "valueString"),
        ("DT", "20240105", "valueDateTime"),
        ("TM", "1030", "valueTime"),
        ("NR", "1^5", "valueRange"),
        ("DR", "20240101^20240102", "valuePeriod"),
        ("NA", "1^2^3", "valueSampledData"),
    ],
)
def test_values(kind: str, value: str, element: str) -> None:
    """Each type of OBX-5 has its element."""
    assert element in result(kind, value)


def test_text_keeps_delimiters() -> None:
    """A text with signs that are delimiters elsewhere stays whole (nHapi#570)."""
    assert result("TX", "pH 7.1 ^ 7.4 & more")["valueString"] == "pH 7.1 ^ 7.4 & more"


def test_repetitions_are_components() -> None:
    """Several values of one OBX are components of one Observation."""
    assert [one["valueQuantity"]["value"] for one in result("NM", "60~120")["component"]] == [60, 120]


@pytest.mark.parametrize(
    ("status", "becomes"),
    [
        ("F", "final"), ("P", "preliminary"), ("C", "corrected"), ("A", "amended"), ("W", "entered-in-error"),
        ("D", "entered-in-error"), ("X", "cancelled"), ("I", "registered"), ("R", "preliminary"),
        ("S", "preliminary"), ("U", "final"), ("V", "final"), ("B", "final"), ("N", "registered"),
    ],
)  # fmt: skip
def test_statuses(status: str, becomes: str) -> None:
    """OBX-11 by the guide, and by our own table where it is silent."""
    assert result("NM", "1", status)["status"] == becomes


def test_deleted_value_is_hidden() -> None:
    """OBX-11 D: what was deleted is not shown."""
    assert "valueQuantity" not in result("NM", "1", "D")


def test_description_of_an_order_is_no_result() -> None:
    """OBX-11 O: there is no result, so that there is no Observation."""
    found = resources(mapped(MSH, PID, OBR, "OBX|1|NM|1-8^T^LN||1||||||O"))
    assert "Observation" not in found


@pytest.mark.parametrize("value", ["abc", "1,5", "--1"])
def test_number_that_is_none(value: str) -> None:
    """What should be a number and is none is refused at its place."""
    with pytest.raises(HL7Error) as refused:
        result("NM", value)
    assert (refused.value.code, str(refused.value.location)) == ("102", "OBX^1^5^1")


def test_message_without_patient() -> None:
    """A result of nobody is refused."""
    with pytest.raises(HL7Error) as refused:
        mapped(MSH, OBR)
    assert (refused.value.code, str(refused.value.location)) == ("100", "PID^1")


def test_specimen_before_its_orders() -> None:
    """OUL^R22: the orders behind an SPM are of that specimen."""
    found = resources(
        mapped(
            MSH.replace("ORU^R01", "OUL^R22"), PID, "SPM|1|^S1&LAB||BLD", OBR, "ORC|RE|P1^EHR|F1^LAB",
            "OBX|1|NM|1-8^T^LN||1||||||F", "SPM|2|^S2&LAB||UR", OBR.replace("F1", "F2"),
            "OBX|1|NM|1-8^T^LN||2||||||F",
        )
    )  # fmt: skip
    specimens = [one["specimen"][0]["reference"] for one in found["DiagnosticReport"]]
    assert len(set(specimens)) == 2
