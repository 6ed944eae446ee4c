"""A40: one record goes into another one, and what comes late for the old number."""

from dataclasses import replace

import pytest

from adapters.applying import Applied
from adapters.channels import Channel
from hl7.errors import HL7Error
from tests.fhir_server.hl7v2.records import ADT, LAB, Records, msh
from tests.fhir_server.hl7v2.test_results import obr, obx, report


def pid(number: str) -> str:
    """Return a PID."""
    return f"PID|1||{number}^^^GENHOSP^MR||Muster^Mara||19800203|F"


def mrg(number: str) -> str:
    """Return an MRG."""
    return f"MRG|{number}^^^GENHOSP^MR"


def merge(records: Records, *pairs: tuple[str, str], channel: Channel = ADT) -> Applied:
    """Merge the second record of each pair into the first."""
    segments = [one for survivor, loser in pairs for one in (pid(survivor), mrg(loser))]
    return records.send(msh("ADT^A40"), "EVN|A40|20240110100000", *segments, channel=channel)


def register(records: Records, *numbers: str) -> None:
    """Register people."""
    for number in numbers:
        records.send(msh("ADT^A28"), "EVN|A28|20240101", pid(number))


def test_merge(records: Records) -> None:
    """The loser is out of use and linked, the survivor has both numbers and all that was written."""
    register(records, "3001", "3002")
    report(records, "3002", "F3002", obx(1, "13.5"))
    loser = records.one("Patient", "3002")
    assert merge(records, ("3001", "3002")).status == "applied"
    survivor = records.one("Patient", "3002")
    assert {one["value"]: one.get("use") for one in survivor["identifier"]} == {"3001": None, "3002": "old"}
    gone = next(one for one in records.all("Patient") if one["id"] == loser["id"])
    assert gone["active"] is False
    assert gone["link"] == [{"other": {"reference": f"Patient/{survivor['id']}"}, "type": "replaced-by"}]
    assert records.one("DiagnosticReport", "F3002")["subject"]["reference"] == f"Patient/{survivor['id']}"


def test_merge_again_changes_nothing(records: Records) -> None:
    """The same merge sent twice is done once."""
    register(records, "3003", "3004")
    merge(records, ("3003", "3004"))
    before = records.all("Patient")
    assert merge(records, ("3003", "3004")).status == "unchanged"
    assert records.all("Patient") == before


@pytest.mark.failure_story("inverse-merge")
def test_inverse_merge_is_refused(records: Records) -> None:
    """The merge sent the other way round is refused (dcm4chee-arc-light#4589)."""
    register(records, "3005", "3006")
    merge(records, ("3005", "3006"))
    with pytest.raises(HL7Error) as refused:
        merge(records, ("3006", "3005"))
    assert (refused.value.code, str(refused.value.location)) == ("204", "MRG^1^1")


def test_late_message_goes_to_the_survivor(records: Records) -> None:
    """A result that comes late for the loser's number is the survivor's."""
    register(records, "3007", "3008")
    merge(records, ("3007", "3008"))
    survivor = records.one("Patient", "3007")
    report(records, "3008", "F3008", obx(1, "13.5"))
    assert records.one("DiagnosticReport", "F3008")["subject"]["reference"] == f"Patient/{survivor['id']}"


def test_pairs_are_merged_all_or_none(records: Records) -> None:
    """If one pair of a message cannot be merged, none is."""
    register(records, "3009", "3010", "3011")
    channel = replace(ADT, unknown_loser="refuse")
    with pytest.raises(HL7Error) as refused:
        merge(records, ("3009", "3010"), ("3009", "3999"), channel=channel)
    assert str(refused.value.location) == "MRG^2^1"
    assert all(not one.get("link") for one in records.all("Patient") if "3009" in str(one.get("identifier")))


def test_pairs_are_merged_together(records: Records) -> None:
    """Several records go into one by one message."""
    register(records, "3012", "3013", "3014")
    merge(records, ("3012", "3013"), ("3012", "3014"))
    survivor = records.one("Patient", "3012")
    assert {one["value"] for one in survivor["identifier"]} == {"3012", "3013", "3014"}
    assert len(survivor["link"]) == 2


def test_unknown_loser_leaves_a_tombstone(records: Records) -> None:
    """A record that was never known is made as one that is no more, and its number is the survivor's."""
    register(records, "3015")
    merge(records, ("3015", "3016"))
    survivor = records.one("Patient", "3016")
    assert {one["value"] for one in survivor["identifier"]} == {"3015", "3016"}
    assert merge(records, ("3015", "3016")).status == "unchanged"


def test_lab_result_of_unknown_person(records: Records) -> None:
    """A result of somebody whom nobody registered makes their record."""
    records.send(msh("ORU^R01", application="LAB"), pid("3017"), obr("F3017"), obx(1, "1"), channel=LAB)
    assert records.has("Patient", "3017")
