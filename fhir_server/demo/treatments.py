"""What is done: procedures, and the care plans with goals that go on for months.

https://hl7.org/fhir/R4/procedure.html, https://hl7.org/fhir/R4/careplan.html
"""

from datetime import datetime, timedelta

from fhir_server.demo.chart import Chart, Visit
from fhir_server.demo.datatypes import Resource, concept, hl7, period, refer, snomed, stamp
from fhir_server.demo.tables import by_key

_SURGERY = "387713003"
# From admission to an operation.
_UNTIL_SURGERY = timedelta(hours=4)


def treat(chart: Chart, visit: Visit, start: datetime, reason: Resource | None) -> None:
    """Write the procedures of the chart's pathway: operations first, then the others one after the other."""
    for key in chart.pathway.procedures:
        begun = start + _UNTIL_SURGERY if _is_surgery(key) else start
        end = begun + duration(key)
        _procedure(chart, visit, key, begun, min(end, visit.end) if visit.end else end, reason)
        start = start if _is_surgery(key) else end


def duration(key: str) -> timedelta:
    """Return how long the procedure `key` takes."""
    return timedelta(minutes=int(by_key("procedures")[key]["minutes"]))


def _procedure(
    chart: Chart, visit: Visit, key: str, start: datetime, end: datetime, reason: Resource | None
) -> None:
    row = by_key("procedures")[key]
    going_on = end > chart.timeline.now
    elements = {
        "status": "in-progress" if going_on else "completed",
        "category": concept(snomed(row["category"], row["category_display"])),
        "code": concept(snomed(row["snomed"], row["display"])),
        "subject": chart.patient,
        "encounter": visit.reference,
        "performedPeriod": period(start, None if going_on else end),
        "recorder": visit.doctor.practitioner,
        "performer": [{"actor": visit.doctor.practitioner, "onBehalfOf": visit.department.organization}],
        "reasonReference": [refer(reason, reason["code"]["text"])] if reason else None,
    }
    chart.add("Procedure", elements)


def _is_surgery(key: str) -> bool:
    return by_key("procedures")[key]["category"] == _SURGERY


def is_operation(procedure: Resource) -> bool:
    """Return whether a Procedure is surgery."""
    return bool(procedure["category"]["coding"][0]["code"] == _SURGERY)


def plan_care(chart: Chart, visit: Visit, conditions: list[Resource]) -> None:
    """Write the pathway's care plan, if it has one, with its goal and what the patient does for it."""
    told = chart.pathway.plan
    if told is None:
        return
    goal = {
        "lifecycleStatus": "active",
        "achievementStatus": concept(hl7("goal-achievement", "in-progress", "In Progress")),
        "description": concept(text=told["goal"]),
        "subject": chart.patient,
        "startDate": stamp(visit.start.date()),
        "expressedBy": visit.doctor.practitioner,
        "addresses": [refer(condition) for condition in conditions],
    }
    activities = [
        {"detail": {"status": "in-progress", "description": text, "performer": [chart.patient]}}
        for text in told["activities"]
    ]
    elements = {
        "status": "active",
        "intent": "plan",
        "category": [concept(snomed(told["snomed"], told["display"]))],
        "title": told["display"],
        "subject": chart.patient,
        "encounter": visit.reference,
        "period": period(visit.start.date()),
        "created": stamp(visit.start),
        "author": visit.doctor.practitioner,
        "addresses": [refer(condition) for condition in conditions],
        "goal": [refer(chart.add("Goal", goal))],
        "activity": activities,
    }
    chart.add("CarePlan", elements)
