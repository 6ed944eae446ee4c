"""What speaks against a prescription: allergies, the same medicine twice, and interactions.

Whoever prescribes all the same says why: by a DetectedIssue with a mitigation, which the prescription names.
https://hl7.org/fhir/R4/detectedissue.html, https://hl7.org/fhir/R4/allergyintolerance.html
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_server.store import instant
from fhir_server.workflows.made import concept, has_code, key_id, made
from fhir_server.workflows.medication.looking_up import IN_FORCE, is_order, medication, substance_of, target
from fhir_server.workflows.medication.medicines import Substance, medicines
from fhir_server.workflows.medication.rules import ALLERGY, DUPLICATE, INTERACTION
from fhir_server.workflows.pattern import Rule, Violation
from fhir_server.workflows.records import Records
from fhir_server.workflows.situation import Situation

Resource = Mapping[str, Any]

_ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_KINDS = {
    "ALGY": (ALLERGY, "Allergy Alert", "The patient is allergic to it"),
    "DUPTHPY": (DUPLICATE, "Duplicate Therapy Alert", "The patient has a prescription of it already"),
    "DRG": (INTERACTION, "Drug Interaction Alert", "It does harm together with another medicine"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that speaks against a prescription: its kind, what it is about, and how grave it is."""

    kind: str
    other: str
    severity: str
    says: str = ""

    @property
    def rule(self) -> Rule:
        """The rule that it breaks."""
        return _KINDS[self.kind][0]


async def findings(request: Resource, of: Substance, records: Records) -> list[Finding]:
    """Return what speaks against a prescription that is to be active; nobody prescribes to them meanwhile."""
    base_url = records.situation.base_url
    patient = target(request.get("subject"), base_url)
    if patient is None or not patient.startswith("Patient/"):
        return []
    await records.lock(f"W6/{patient}")
    found = [one async for one in _allergies(patient, of, records)]
    replaced = target(request.get("priorPrescription"), base_url)
    own = {f"MedicationRequest/{request.get('id')}", replaced}
    table = medicines(records.situation.settings.interactions)
    others = await records.search("MedicationRequest", ("subject", patient), ("status", ",".join(IN_FORCE)))
    for other in others:
        reference = f"MedicationRequest/{other['id']}"
        if reference in own or not is_order(other):
            continue
        beside = substance_of(other, await medication(other, records), records)
        if table.are_same(of, beside):
            found.append(Finding("DUPTHPY", reference, "moderate"))
        elif harm := table.harm(of, beside):
            found.append(Finding("DRG", reference, harm.severity, harm.says))
    return found


async def _allergies(patient: str, of: Substance, records: Records) -> Any:
    table = medicines(records.situation.settings.interactions)
    for allergy in await records.search("AllergyIntolerance", ("patient", patient)):
        if not _is_active(allergy):
            continue
        reactions = [one["substance"] for one in allergy.get("reaction", ()) if "substance" in one]
        to = table.substance(allergy.get("code", {}), *reactions)
        if table.is_allergic(to, of):
            severity = "high" if allergy.get("criticality") != "low" else "moderate"
            yield Finding("ALGY", f"AllergyIntolerance/{allergy['id']}", severity)


def _is_active(allergy: Resource) -> bool:
    clinical = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
    verification = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"
    is_over = has_code(allergy.get("clinicalStatus"), clinical, "inactive", "resolved")
    return not is_over and not has_code(
        allergy.get("verificationStatus"), verification, "refuted", "entered-in-error"
    )


async def overrides(request: Resource, records: Records) -> list[Resource]:
    """Return the DetectedIssues by which a prescription says why it is right all the same."""
    contained = {f"#{one.get('id')}": one for one in request.get("contained", ())}
    found = []
    for reference in request.get("detectedIssue", ()):
        issue = contained.get(reference.get("reference", "")) or await records.read(reference)
        if issue is not None and issue.get("resourceType") == "DetectedIssue" and _says_why(issue):
            found.append(issue)
    return found


def _says_why(issue: Resource) -> bool:
    actions = [one.get("action", {}) for one in issue.get("mitigation", ())]
    is_there = issue.get("status") not in ("entered-in-error", "cancelled")
    return is_there and any(one.get("text") or one.get("coding") for one in actions)


def is_overridden(finding: Finding, issues: Sequence[Resource], request: Resource, base_url: str) -> bool:
    """Tell whether a doctor has said why a finding does not count."""
    patient = target(request.get("subject"), base_url)
    for issue in issues:
        about = {target(one, base_url) for one in issue.get("implicated", ())}
        is_of_patient = target(issue.get("patient"), base_url) in (None, patient)
        if is_of_patient and finding.other in about and has_code(issue.get("code"), _ACT, finding.kind):
            return True
    return False


def violations(
    found: Iterable[Finding], issues: Sequence[Resource], request: Resource, base_url: str
) -> Iterable[Violation]:
    """Yield what nobody has said why it does not count."""
    for one in found:
        if one.severity != "low" and not is_overridden(one, issues, request, base_url):
            what = f": {one.says}" if one.says else ""
            how = f"a DetectedIssue with code {one.kind}, the mitigation, and {one.other} as implicated"
            message = f"{_KINDS[one.kind][2]}{what}. Whoever prescribes it all the same adds {how}"
            yield one.rule.broken(message, "MedicationRequest.detectedIssue")


def detected(
    finding: Finding, reference: str, request: Resource, issues: Sequence[Resource], situation: Situation
) -> dict[str, Any]:
    """Return the DetectedIssue that a finding leaves in the record, with what was said to it."""
    said = next((one for one in issues if is_overridden(finding, [one], request, situation.base_url)), {})
    return made(
        "DetectedIssue",
        id=key_id("W6.detected", reference, finding.kind, finding.other),
        status="final",
        code=concept(_ACT, finding.kind, _KINDS[finding.kind][1]),
        severity=finding.severity,
        patient=request["subject"],
        identifiedDateTime=instant(situation.now),
        implicated=[{"reference": reference}, {"reference": finding.other}],
        detail=finding.says or None,
        mitigation=said.get("mitigation"),
    )
