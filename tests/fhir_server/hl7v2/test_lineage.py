"""$lineage: from an element back to the message, the segment, the field and the rule."""

from adapters.channels import Channels
from fhir_server.hl7v2.lineage import Origin, lineage
from tests.fhir_server.hl7v2.records import ADT, LAB, Records, msh
from tests.fhir_server.hl7v2.test_results import obr, obx, report


def origins(records: Records, resource_type: str, resource_id: str, path: str) -> list[Origin]:
    """Return where an element comes from."""

    async def ask() -> list[Origin]:
        version = await records.store.read(resource_type, resource_id)
        assert version is not None
        return await lineage(version, path, records.context(), Channels((ADT, LAB)))

    return records.run(ask())


def pid(name: str, sex: str = "F") -> str:
    """Return a PID."""
    return f"PID|1||4001^^^GENHOSP^MR||{name}||19800203|{sex}|||||+49 30 1"


def test_element_of_a_message(records: Records) -> None:
    """Each element tells of the message that gave it its present value, not of later ones that repeat it."""
    records.send(msh("ADT^A28", "FIRST"), "EVN|A28|20240101", pid("Muster^Mara"))
    records.send(msh("ADT^A31", "SECOND"), "EVN|A31|20240102", pid("Neu^Mara"))
    patient = records.one("Patient", "4001")
    (family,) = origins(records, "Patient", patient["id"], "name.family")
    assert (family.control_id, str(family.location), family.row) == (
        "SECOND",
        "PID^1^5^1^1^1",
        "FN[HumanName] 1",
    )
    (born,) = origins(records, "Patient", patient["id"], "birthDate")
    assert (born.control_id, str(born.location), born.row) == ("FIRST", "PID^1^7^1", "PID[Patient] 7")
    (phone,) = origins(records, "Patient", patient["id"], "Patient.telecom[0].value")
    assert (phone.control_id, phone.version) == ("FIRST", 1)


def test_element_that_somebody_wrote(records: Records) -> None:
    """What no message wrote has no message."""
    patient = records.one("Patient", "4001")
    records.put({**patient, "contact": [{"name": {"family": "Freund"}}]})
    (contact,) = origins(records, "Patient", patient["id"], "contact")
    assert (contact.message, contact.version) == ("", 3)


def test_value_of_a_result(records: Records) -> None:
    """A result's value leads to its OBX-5."""
    report(records, "4002", "F4002", obx(1, "13.5"), obx(2, "4.1", code="789-8^Erys^LN"))
    found = records.one("DiagnosticReport", "F4002")
    second = found["result"][1]["reference"].partition("/")[2]
    (value,) = origins(records, "Observation", second, "valueQuantity.value")
    assert str(value.location).startswith("OBX^2^5")
    assert value.row == "OBX[Observation] 5"
    assert obr("x")
