"""The prescription on paper: a PDF for each time that it is put in force, which the patient is told of.

https://hl7.org/fhir/R4/documentreference.html, LOINC 57833-6: Prescription for medication
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from fhir_server.context import Context
from fhir_server.papers.filing import filed
from fhir_server.papers.links import code_of
from fhir_server.papers.paper import Column, Facts, Paper, Paragraph, Section, Table
from fhir_server.papers.rendering import render
from fhir_server.papers.words import name_of, record_number_of
from fhir_server.store.ruling import Entry
from fhir_server.workflows.consequences import Consequence
from fhir_server.workflows.made import changed, concept, has_code, key_id
from fhir_server.workflows.medication.looking_up import medication
from fhir_server.workflows.medication.looking_up import name_of as medicine_name_of
from fhir_server.workflows.medication.prescribing import LOINC, PRESCRIPTION
from fhir_server.workflows.notices import NoticeKind, notice
from fhir_server.workflows.pattern import Change, Watch
from fhir_server.workflows.records import Records
from fhir_server.workflows.services import Services
from fhir_server.workflows.situation import Situation
from fhir_server.write_path import commit, replacement, revision

Resource = Mapping[str, Any]

READY = NoticeKind(
    "W6.prescription-ready",
    "A prescription for you",
    "A prescription is ready for you. For some time you may open it here:\n{link}\n"
    "After that please sign in to see it.",
    "A prescription is ready for you. Please sign in to see it.",
)
_TITLE = "Prescription"
_KIND = concept(LOINC, PRESCRIPTION, "Prescription for medication")


async def make_paper(entry: Entry, context: Context, _services: Services) -> None:
    """Make the PDF of a prescription that was put in force, and withdraw those of before."""
    situation = Situation(context.now(), context.base_url, context.settings, context.new_id, is_system=True)
    records = Records(context.store, situation)
    request = await records.read(entry.subject)
    if request is None or request.get("status") not in ("active", "completed"):
        return
    document_id = key_id("document", _TITLE, entry.subject, request["meta"]["versionId"])
    paper = await _paper(request, records, await code_of(context, document_id))
    pdf = await asyncio.to_thread(render, paper)
    document, binary = filed(
        paper,
        pdf,
        about=request,
        kind=_KIND,
        subject=request["subject"],
        now=context.now(),
        encounter=request.get("encounter", {}).get("reference"),
    )
    earlier = await records.search("DocumentReference", ("related", entry.subject), ("status", "current"))
    ended = [
        revision(changed(one, status="superseded"))
        for one in earlier
        if one["id"] != document["id"] and has_code(one.get("type"), LOINC, PRESCRIPTION)
    ]
    writes = [replacement(one["resourceType"], one["id"], one) for one in (binary, document)]
    await commit(context, [*ended, *writes])


async def _paper(request: Resource, records: Records, code: str) -> Paper:
    patient = await records.read(request["subject"]) or {}
    doctor = await records.read(request.get("requester")) or {}
    if doctor.get("resourceType") == "PractitionerRole":
        doctor = await records.read(doctor.get("practitioner")) or {}
    encounter = await records.read(request.get("encounter")) or {}
    hospital = await records.read(encounter.get("serviceProvider")) or {}
    number = next((one["value"] for one in request.get("identifier", ()) if "value" in one), request["id"])
    return Paper(
        title=_TITLE,
        issuer=_issuer(hospital),
        number=number,
        version=request["meta"]["versionId"],
        date=str(request.get("authoredOn", ""))[:10],
        sections=(
            Section("", (_person(patient),)),
            Section("Medicine", (await _medicine(request, records),)),
            Section("How to take it", (Paragraph(_dosage(request)),)),
            *_notes(request),
        ),
        code=code,
        code_note=f"Whether this prescription is valid: {code}",
        signature=name_of(doctor),
    )


def _issuer(hospital: Resource) -> tuple[str, ...]:
    address: Resource = next(iter(hospital.get("address", ())), {})
    place = ", ".join((*address.get("line", ()), *([address["city"]] if "city" in address else ())))
    phone = next((one.get("value", "") for one in hospital.get("telecom", ())), "")
    return tuple(one for one in (str(hospital.get("name", "Hospital")), place, phone) if one)


def _person(patient: Resource) -> Facts:
    pairs = (
        ("Patient", name_of(patient)),
        ("Born", patient.get("birthDate", "")),
        ("Record", record_number_of(patient)),
        ("Gender", patient.get("gender", "")),
    )
    return Facts(tuple((name, value) for name, value in pairs if value))


async def _medicine(request: Resource, records: Records) -> Table:
    name = medicine_name_of(request, await medication(request, records))
    asked = request.get("dispenseRequest", {})
    quantity = asked.get("quantity", {})
    amount = f"{quantity.get('value', '')} {quantity.get('unit', quantity.get('code', ''))}".strip()
    columns = (Column("Medicine", 4), Column("Quantity", 1.5, "right"), Column("Refills", 1, "right"))
    return Table(columns, [(name, amount, str(asked.get("numberOfRepeatsAllowed", 0)))])


def _dosage(request: Resource) -> str:
    lines = [_line(one) for one in request.get("dosageInstruction", ())]
    return "\n".join(line for line in lines if line) or "As the doctor has said"


def _line(dosage: Resource) -> str:
    """Return a dosage as its text says it, else from its parts."""
    if "text" in dosage:
        return str(dosage["text"])
    parts = []
    for one in dosage.get("doseAndRate", ()):
        dose = one.get("doseQuantity", {})
        parts.append(f"{dose.get('value', '')} {dose.get('unit', dose.get('code', ''))}".strip())
    repeat = dosage.get("timing", {}).get("repeat", {})
    if "frequency" in repeat:
        parts.append(
            f"{repeat['frequency']} times in {repeat.get('period', 1)} {repeat.get('periodUnit', 'd')}"
        )
    if dosage.get("asNeededBoolean"):
        parts.append("as needed")
    instruction = dosage.get("patientInstruction")
    return ", ".join(one for one in (*parts, instruction) if one)


def _notes(request: Resource) -> Iterable[Section]:
    valid = request.get("dispenseRequest", {}).get("validityPeriod", {})
    said = " ".join(
        f"{name} {valid[key][:10]}" for name, key in (("from", "start"), ("until", "end")) if key in valid
    )
    lines = [f"Valid {said}"] if said else []
    if request.get("substitution", {}).get("allowedBoolean") is False:
        lines.append("Not to be substituted")
    if lines:
        yield Section("", (Paragraph("\n".join(lines)),))


def follows(change: Change, _facts: None, situation: Situation) -> Iterable[Consequence]:
    """Tell the patient when the paper is there."""
    document = change.after
    if document is None or change.before is not None or document.get("status") != "current":
        return
    patient = document.get("subject", {}).get("reference", "")
    is_ours = situation.is_system and has_code(document.get("type"), LOINC, PRESCRIPTION)
    if is_ours and patient.startswith("Patient/"):
        yield notice(READY, change.reference, patient, situation.now, data={"paper": change.reference})


WATCH = Watch(frozenset({"DocumentReference"}), follows=follows)
