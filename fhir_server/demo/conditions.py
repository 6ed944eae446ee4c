"""What patients suffer from, and what they do not bear.

https://hl7.org/fhir/R4/condition.html, https://hl7.org/fhir/R4/allergyintolerance.html
"""

from datetime import timedelta

from fhir_server.demo.chart import Chart, Visit
from fhir_server.demo.clinical import find_diagnosis
from fhir_server.demo.datatypes import Code, Resource, concept, hl7, refer, snomed, stamp
from fhir_server.demo.tables import rows

_NO_KNOWN_ALLERGY = snomed("716186003", "No known allergy")


def _state(system: str, code: str, display: str) -> dict[str, object]:
    return concept(hl7(system, code, display))


def note_problem(chart: Chart, key: str, visit: Visit) -> Resource:
    """Write a lasting illness to the problem list; found at some time before `visit` by its doctor."""
    illness = find_diagnosis(key)
    longest = min(chart.age_days // 2, 3650)
    found = visit.start - timedelta(days=chart.random.randint(longest // 8, longest))
    elements = {
        "clinicalStatus": _state("condition-clinical", "active", "Active"),
        "verificationStatus": _state("condition-ver-status", "confirmed", "Confirmed"),
        "category": [_state("condition-category", "problem-list-item", "Problem List Item")],
        "code": concept(illness.finding, illness.icd),
        "subject": chart.patient,
        "onsetDateTime": stamp(found.date()),
        "recordedDate": stamp(found.date()),
        "recorder": visit.doctor.practitioner,
    }
    return chart.add("Condition", elements)


def diagnose(chart: Chart, key: str, visit: Visit) -> Resource:
    """Write an illness that passes, found during `visit`; over a fortnight after the visit's end."""
    illness = find_diagnosis(key)
    over = visit.end + timedelta(days=14) if visit.end else None
    is_over = bool(over and over < chart.timeline.now)
    state = ("resolved", "Resolved") if is_over else ("active", "Active")
    elements = {
        "clinicalStatus": _state("condition-clinical", *state),
        "verificationStatus": _state("condition-ver-status", "confirmed", "Confirmed"),
        "category": [_state("condition-category", "encounter-diagnosis", "Encounter Diagnosis")],
        "code": concept(illness.finding, illness.icd),
        "subject": chart.patient,
        "encounter": visit.reference,
        "onsetDateTime": stamp((visit.start - timedelta(days=1)).date()),
        "abatementDateTime": stamp(over.date()) if over and is_over else None,
        "recordedDate": stamp(visit.start + timedelta(minutes=10)),
        "recorder": visit.doctor.practitioner,
    }
    return chart.add("Condition", elements)


def suffer(chart: Chart, visit: Visit) -> list[Resource]:
    """Write all illnesses of the chart's pathway; the first is the reason for `visit`."""
    return [
        note_problem(chart, key, visit) if find_diagnosis(key).chronic else diagnose(chart, key, visit)
        for key in chart.pathway.diagnoses
    ]


def attach(visit: Visit, conditions: list[Resource]) -> None:
    """Enter `conditions` into the Encounter, as what it was about."""
    if not conditions:
        return
    reason = conditions[0]["code"]
    ended = visit.end is not None
    use = hl7("diagnosis-role", *(("DD", "Discharge diagnosis") if ended else ("AD", "Admission diagnosis")))
    comorbid = hl7("diagnosis-role", "CM", "Comorbidity diagnosis")
    visit.encounter["reasonCode"] = [reason]
    visit.encounter["diagnosis"] = [
        {
            "condition": refer(condition, condition["code"]["text"]),
            "use": concept(use if rank == 1 else comorbid),
            "rank": rank,
        }
        for rank, condition in enumerate(conditions, start=1)
    ]


def ask_for_allergies(chart: Chart, visit: Visit) -> None:
    """Write an allergy (never to what the pathway prescribes), that there is none, or nothing."""
    if chart.chance(0.3):
        possible = [row for row in rows("allergies") if row["key"] not in chart.pathway.medicines]
        _allergy(chart, visit, chart.random.choice(possible))
    elif chart.chance(0.4):
        _record(chart, visit, {"code": concept(_NO_KNOWN_ALLERGY)})


def _allergy(chart: Chart, visit: Visit, row: dict[str, str]) -> None:
    reaction = {
        "manifestation": [concept(snomed(row["manifestation"], row["manifestation_display"]))],
        "severity": row["severity"],
    }
    elements: dict[str, object] = {
        "type": "allergy",
        "category": [row["category"]],
        "criticality": "high" if row["severity"] == "severe" else "low",
        "code": concept(snomed(row["snomed"], row["display"])),
        "reaction": [reaction],
    }
    _record(chart, visit, elements)


def _record(chart: Chart, visit: Visit, elements: dict[str, object]) -> None:
    active: Code = hl7("allergyintolerance-clinical", "active", "Active")
    confirmed = hl7("allergyintolerance-verification", "confirmed", "Confirmed")
    said = {
        "clinicalStatus": concept(active),
        "verificationStatus": concept(confirmed),
        "patient": chart.patient,
        "recordedDate": stamp(visit.start + timedelta(minutes=10)),
        "recorder": visit.doctor.practitioner,
    }
    chart.add("AllergyIntolerance", said | elements)
