"""QBP^Q22: which patients fit, and what comes of answers to our own messages."""

from collections.abc import Iterator

import pytest

from fhir_server.settings import Settings
from hl7.errors import HL7Error
from hl7.parser import parse
from tests.fhir_server.hl7v2.records import Records, hospital, msh


@pytest.fixture(scope="module")
def records(settings: Settings) -> Iterator[Records]:
    """The records of a hospital with two people."""
    with hospital(settings) as found:
        for number, name in (("1", "Muster^Mara"), ("2", "Muster^Max")):
            found.send(
                msh("ADT^A28"), "EVN|A28|20240101", f"PID|1||{number}^^^GENHOSP^MR||{name}||19800203|F"
            )
        yield found


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        ("@PID.5.1^Muster", ["1", "2"]),
        ("@PID.5.1^Muster~@PID.5.2^Max", ["2"]),
        ("@PID.3.1^1~@PID.3.4^GENHOSP", ["1"]),
        ("@PID.3.1^1~@PID.3.4^OTHER", []),
        ("@PID.7^19800203~@PID.8^F", ["1", "2"]),
    ],
)
def test_candidates(records: Records, asked: str, numbers: list[str]) -> None:
    """All that is asked for has to fit; the answer has QAK, the query, and a PID for each."""
    applied = records.send(msh("QBP^Q22^QBP_Q21", "Q"), f"QPD|Q22^Find^HL7|TAG|{asked}", "RCP|I")
    assert applied.response is not None
    answer = parse(applied.response)
    assert (answer.header.trigger_event, answer.all("MSA")[0].get(2)) == ("K22", "Q")
    assert answer.all("QAK")[0].get(2) == ("OK" if numbers else "NF")
    assert sorted(one.get(3) for one in answer.all("PID")) == numbers
    assert all(one.get(3, 4) == "GENHOSP" for one in answer.all("PID"))


@pytest.mark.parametrize(("asked", "code"), [("", "101"), ("@PID.19^1", "103"), ("@PID.7^x", "102")])
def test_queries_that_are_refused(records: Records, asked: str, code: str) -> None:
    """A query that asks for nothing, or for what nobody may ask, is refused."""
    with pytest.raises(HL7Error) as refused:
        records.send(msh("QBP^Q22^QBP_Q21"), f"QPD|Q22^Find^HL7|TAG|{asked}")
    assert refused.value.code == code


def test_answers_to_our_messages_change_nothing(records: Records) -> None:
    """An ACK that comes in makes no resource."""
    assert records.send(msh("ACK"), "MSA|AA|X").status == "ignored"
