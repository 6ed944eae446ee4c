"""Two things that a message tells under one number stay two, or the message is refused: none is lost."""

import pytest

from hl7.errors import HL7Error
from tests.adapters.to_fhir.mapped import mapped, resources

_MSH = "MSH|^~\\&|LAB|GENHOSP|||20240105120000||{}|1|P|2.5.1"
_PID = "PID|1||1^^^GENHOSP^MR||Muster^Mara"
_ORC = "ORC|{}|P1^EHR|F1^EHR"
_OBR = "OBR|1|||{}^Test^LN"
_RXE = "RXE||{}^Medicine^NDC|1||TAB"
_RXD = "RXD|1|{}^Medicine^NDC|20240105|10||D1"
_DISPENSE = (_ORC, _RXE, _RXD)
_RXA = "RXA|0|1|{}||{}^Vaccine^CVX|999"
_FT1 = "FT1|1|C1|||20240105|CG|{}^Visit^C4"


@pytest.mark.parametrize(
    ("event", "segments", "kind", "place"),
    [
        (
            "OML^O21",
            [_ORC.format("NW"), _OBR.format("1-1"), _ORC.format("NW"), _OBR.format("2-2")],
            "ServiceRequest",
            "ORC^2",
        ),
        (
            "RDE^O11",
            [_ORC.format("NW"), _RXE.format("1"), _ORC.format("NW"), _RXE.format("2")],
            "MedicationRequest",
            "ORC^2",
        ),
        (
            "RDS^O13",
            [*(form.format("1") for form in _DISPENSE), *(form.format("2") for form in _DISPENSE)],
            "MedicationRequest",
            "ORC^2",
        ),
        (
            "RDS^O13",
            [_ORC.format("RE"), _RXE.format("1"), _RXD.format("1"), _RXD.format("1")],
            "MedicationDispense",
            "RXD^2",
        ),
        (
            "VXU^V04",
            [
                _ORC.format("RE"),
                _RXA.format("20240101", "1"),
                _ORC.format("RE"),
                _RXA.format("20240102", "1"),
            ],
            "Immunization",
            "ORC^2",
        ),
        ("DFT^P03", [_FT1.format("1"), _FT1.format("2")], "ChargeItem", "FT1^2"),
    ],
)
@pytest.mark.failure_story("equal-keys")
def test_two_things_under_one_number(event: str, segments: list[str], kind: str, place: str) -> None:
    """The second one would overwrite the first, or be left out: 205 (MS ImportantPoints §5)."""
    with pytest.raises(HL7Error, match=kind) as refused:
        mapped(_MSH.format(event), _PID, *segments)
    assert (refused.value.code, str(refused.value.location)) == ("205", place)


def test_two_medicines_that_were_dispensed_on_one_prescription() -> None:
    """They differ in what they are, even if the pharmacy gave both the same number."""
    found = resources(
        mapped(
            _MSH.format("RDS^O13"),
            _PID,
            _ORC.format("RE"),
            _RXE.format("1"),
            _RXD.format("1"),
            _RXD.format("2"),
        )
    )
    told = [one["medicationCodeableConcept"]["coding"][0]["code"] for one in found["MedicationDispense"]]
    assert sorted(told) == ["1", "2"]


def test_two_charges_without_a_number() -> None:
    """They differ in FT1-1, if in nothing else."""
    segments = [
        _FT1.format("1").replace("C1", ""),
        _FT1.format("1").replace("C1", "").replace("FT1|1", "FT1|2"),
    ]
    assert len(resources(mapped(_MSH.format("DFT^P03"), _PID, *segments))["ChargeItem"]) == 2
