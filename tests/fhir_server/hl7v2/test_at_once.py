"""Messages that are applied at the same time, and name the same people and places for the first time."""

import asyncio
from collections import Counter

from adapters.applying import Applied
from tests.fhir_server.hl7v2.records import ADT, LAB, Records, message, msh
from tests.fhir_server.hl7v2.test_results import obr, obx


def test_same_doctor_and_ward_for_the_first_time(records: Records) -> None:
    """Eight patients are admitted at once to a new ward by a new doctor: there is one of each."""

    async def admit(number: int) -> Applied:
        sent = message(
            msh("ADT^A01", f"A{number}"), "EVN|A01|20240105",
            f"PID|1||77{number}^^^GENHOSP^MR||Viele^Nr{number}||1980020{number}|F",
            f"PV1|1|I|WX^9^B{number}^GH||||777^Neu^Nora||||||||||||VX{number}^^^VISITS",
        )  # fmt: skip
        return await records._send(sent, ADT)

    async def all_at_once() -> list[Applied]:
        return list(await asyncio.gather(*(admit(number) for number in range(1, 9))))

    assert {one.status for one in records.run(all_at_once())} == {"applied"}
    names = Counter(one["identifier"][0]["value"] for one in records.all("Location"))
    assert set(names.values()) == {1}
    doctors = [one for one in records.all("Practitioner") if one["identifier"][0]["value"] == "777"]
    assert len(doctors) == 1
    assert len([one for one in records.all("Encounter") if one["status"] == "in-progress"]) == 8


def test_same_new_patient_by_two_messages(records: Records) -> None:
    """Two results of somebody new that come at once make one patient."""

    async def send(number: int) -> Applied:
        sent = message(
            msh("ORU^R01", f"R{number}", application="LAB"),
            "PID|1||8800^^^GENHOSP^MR||Neu^Nele||19800203|F", obr(f"FX{number}"), obx(1, "1"),
        )  # fmt: skip
        return await records._send(sent, LAB)

    async def both() -> None:
        await asyncio.gather(*(send(number) for number in range(4)))

    records.run(both())
    patients = [one for one in records.all("Patient") if one["identifier"][0]["value"] == "8800"]
    assert len(patients) == 1
    subjects = [one["subject"]["reference"] for one in records.all("DiagnosticReport")]
    assert subjects == [f"Patient/{patients[0]['id']}"] * 4
