"""Claims to insurers, and what they answer.

https://hl7.org/fhir/R4/claim.html, https://hl7.org/fhir/R4/claimresponse.html
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

from fhir_server.demo.chart import Chart, Visit
from fhir_server.demo.coverage import Policy
from fhir_server.demo.datatypes import Resource, concept, hl7, identifier, money, period, refer, stamp
from fhir_server.demo.departments import head_office
from fhir_server.demo.invoices import CENT

_INSTITUTIONAL = hl7("claim-type", "institutional", "Institutional")
_PROFESSIONAL = hl7("claim-type", "professional", "Professional")
_BENEFIT = hl7("adjudication", "benefit", "Benefit Amount")


def write(
    chart: Chart, visit: Visit, items: list[Resource], billed: datetime, policy: Policy, *, answered: bool
) -> None:
    """Write the claim for the charged `items` of `visit`; if it is `answered`, the insurer's answer too."""
    inpatient = visit.encounter["class"]["code"] == "IMP"
    common = {
        "status": "active",
        "type": concept(_INSTITUTIONAL if inpatient else _PROFESSIONAL),
        "use": "claim",
        "patient": chart.patient,
        "created": stamp(billed),
        "insurer": policy.payer,
    }
    elements = {
        "identifier": [identifier(None, "claim", f"CL-{chart.number:04d}-{len(chart.resources):04d}")],
        "billablePeriod": period(visit.start, visit.end),
        "provider": head_office(),
        "priority": concept(hl7("processpriority", "normal", "Normal")),
        "diagnosis": _diagnoses(visit),
        "insurance": [{"sequence": 1, "focal": True, "coverage": refer(policy.coverage)}],
        "item": [_item(number, item, visit) for number, item in enumerate(items, start=1)],
        "total": money(sum((item["priceOverride"]["value"] for item in items), Decimal(0))),
    }
    claim = chart.add("Claim", common | elements)
    if answered:
        chart.add("ClaimResponse", common | _settlement(claim))


def _diagnoses(visit: Visit) -> list[dict[str, Any]]:
    return [
        {"sequence": one["rank"], "diagnosisReference": one["condition"]}
        for one in visit.encounter.get("diagnosis", [])
    ]


def _item(number: int, item: Resource, visit: Visit) -> dict[str, Any]:
    pieces, net = item["quantity"]["value"], item["priceOverride"]
    return {
        "sequence": number,
        "productOrService": item["code"],
        "servicedPeriod": period(visit.start.date(), (visit.end or visit.start).date()),
        "quantity": {"value": pieces},
        "unitPrice": money((net["value"] / pieces).quantize(CENT)),
        "net": net,
        "encounter": [visit.reference],
    }


def _settlement(claim: Resource) -> dict[str, Any]:
    return {
        "requestor": head_office(),
        "request": refer(claim),
        "outcome": "complete",
        "disposition": "Claim settled as billed",
        "item": [
            {
                "itemSequence": item["sequence"],
                "adjudication": [{"category": concept(_BENEFIT), "amount": item["net"]}],
            }
            for item in claim["item"]
        ],
        "total": [{"category": concept(_BENEFIT), "amount": claim["total"]}],
    }
