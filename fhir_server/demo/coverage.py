"""How patients are insured. https://hl7.org/fhir/R4/coverage.html"""

from dataclasses import dataclass
from typing import Any

from fhir_server.demo.chart import ADULT, SENIOR, Chart
from fhir_server.demo.datatypes import Code, Resource, concept, hl7, identifier, period, refer
from fhir_server.demo.departments import CHILDREN_PLAN, MUTUAL, PUBLIC_PLAN, SONORAN, Partner

_SELF_PAY = hl7("coverage-selfpay", "pay", "Pay")
_PUBLIC = hl7("v3-ActCode", "PUBLICPOL", "public healthcare")
_PRIVATE = hl7("v3-ActCode", "HIP", "health insurance plan policy")
_SUBSIDISED = hl7("v3-ActCode", "SUBSIDIZ", "subsidized health program")


@dataclass(frozen=True, slots=True)
class Policy:
    """A patient's Coverage, who insures them (None: they pay themselves), and who gets the bill."""

    coverage: Resource
    insurer: Partner | None
    payer: dict[str, str]


def insure(chart: Chart) -> Policy:
    """Write the Coverage of a patient; children are insured through the parent who came along."""
    insurer, kind = _plan(chart)
    parents = [one for one in chart.resources if one["resourceType"] == "RelatedPerson"]
    holder = refer(parents[0], parents[0]["name"][0]["text"]) if parents else chart.patient
    payer = insurer.reference if insurer else holder
    member = f"M{chart.number:05d}-{chart.random.randint(10, 99)}"
    since = max(chart.birth, chart.timeline.day(-chart.random.randint(400, 1500)))
    relationship = ("child", "Child") if parents else ("self", "Self")
    elements = {
        "identifier": [identifier(hl7("v2-0203", "MB", "Member Number"), "member", member)]
        if insurer
        else None,
        "status": "cancelled" if chart.died else "active",
        "type": concept(kind),
        "policyHolder": holder,
        "subscriber": holder,
        "subscriberId": member if insurer else None,
        "beneficiary": chart.patient,
        "relationship": concept(hl7("subscriber-relationship", *relationship)),
        "period": period(since, chart.died.date() if chart.died else None),
        "payor": [payer],
        "class": _classes(chart) if insurer else None,
    }
    return Policy(chart.add("Coverage", elements), insurer, payer)


def _plan(chart: Chart) -> tuple[Partner | None, Code]:
    """Return who insures the patient, None for nobody, and by which kind of policy."""
    if chart.age < ADULT and chart.chance(0.6):
        return CHILDREN_PLAN, _SUBSIDISED
    if chart.age >= SENIOR or chart.chance(0.15):
        return PUBLIC_PLAN, _PUBLIC
    if chart.chance(0.08):
        return None, _SELF_PAY
    return chart.random.choice((MUTUAL, SONORAN)), _PRIVATE


def _classes(chart: Chart) -> list[dict[str, Any]]:
    plan = chart.random.choice(("bronze", "silver", "gold"))
    kind = concept(hl7("coverage-class", "plan", "Plan"))
    return [{"type": kind, "value": plan, "name": f"{plan.title()} plan"}]
