"""What things cost, and what a visit is charged for. https://hl7.org/fhir/R4/chargeitem.html"""

from datetime import timedelta
from decimal import Decimal

from fhir_server.demo import claims, invoices
from fhir_server.demo.chart import Chart, Visit
from fhir_server.demo.coverage import Policy
from fhir_server.demo.datatypes import (
    HOSPITAL,
    Code,
    Resource,
    concept,
    hl7,
    identifier,
    local,
    money,
    period,
    refer,
    resource,
    stamp,
)
from fhir_server.demo.departments import head_office
from fhir_server.demo.hospital import Hospital
from fhir_server.demo.staff import BILLING
from fhir_server.demo.tables import by_key, rows
from fhir_server.demo.treatments import is_operation

_VISITS = {"AMB": "consultation", "EMER": "emergency-visit", "IMP": "bed-day"}
# How long after a visit the bill is written.
_UNTIL_BILLED = timedelta(days=2)


def prices() -> list[Resource]:
    """Return the price list: https://hl7.org/fhir/R4/chargeitemdefinition.html"""
    return [_price(row) for row in rows("prices")]


def _price(row: dict[str, str]) -> Resource:
    base = {"type": "base", "amount": money(Decimal(row["price"]))}
    elements = {
        "url": _price_url(row["key"]),
        "status": "active",
        "title": row["display"],
        "code": concept(_service(row["key"])),
        "propertyGroup": [{"priceComponent": [base]}],
    }
    return resource("ChargeItemDefinition", f"price-{row['key']}", elements)


def _price_url(key: str) -> str:
    return f"{HOSPITAL}/ChargeItemDefinition/price-{key}"


def _service(key: str) -> Code:
    return local("charge", key, by_key("prices")[key]["display"])


def bill(chart: Chart, hospital: Hospital, visit: Visit, policy: Policy) -> None:
    """Write everything that the billing office makes of `visit`; nothing while it goes on."""
    if visit.end is None:
        return
    account = _account(chart, visit, policy)
    visit.encounter["account"] = [refer(account)]
    clerk = chart.random.choice(hospital.staff.of("billing", BILLING)).practitioner
    items = [
        _charge(chart, visit, account, key, number, clerk) for key, number in _services(chart, visit).items()
    ]
    billed = visit.end + _UNTIL_BILLED
    if billed > chart.timeline.now:
        return  # too fresh: the items stay billable
    for item in items:
        item["status"] = "billed"
    paid = chart.chance(0.6)
    invoices.write(chart, account, items, billed, policy, paid=paid)
    if policy.insurer:
        claims.write(chart, visit, items, billed, policy, answered=paid)


def _services(chart: Chart, visit: Visit) -> dict[str, int]:
    """Return what `visit` is charged for, and how often, from what is written about it in the chart."""
    about = [one for one in chart.resources if one.get("encounter", one.get("context")) == visit.reference]
    kinds = [one["resourceType"] for one in about]
    operations = sum(one["resourceType"] == "Procedure" and is_operation(one) for one in about)
    panels = sum(one["resourceType"] == "DiagnosticReport" and "specimen" in one for one in about)
    stay = _VISITS[visit.encounter["class"]["code"]]
    days = ((visit.end or visit.start) - visit.start).days + 1 if stay == "bed-day" else 1
    if visit.department.key == "intensive-care":
        stay = "intensive-bed-day"
    found = {
        stay: days,
        "laboratory-panel": panels,
        "imaging": kinds.count("DiagnosticReport") - panels,
        "operation": operations,
        "procedure": kinds.count("Procedure") - operations,
        "medicine-pack": kinds.count("MedicationDispense"),
    }
    return {key: number for key, number in found.items() if number}


def _account(chart: Chart, visit: Visit, policy: Policy) -> Resource:
    elements = {
        "identifier": [identifier(None, "account", f"AC-{visit.encounter['id'].upper()}")],
        "status": "active",
        "type": concept(hl7("v3-ActCode", "PBILLACCT", "patient billing account")),
        "name": f"{chart.name}, {visit.department.name}",
        "subject": [chart.patient],
        "servicePeriod": period(visit.start, visit.end),
        "coverage": [{"coverage": refer(policy.coverage), "priority": 1}],
        "owner": head_office(),
    }
    return chart.add("Account", elements)


def _charge(
    chart: Chart, visit: Visit, account: Resource, key: str, number: int, clerk: dict[str, str]
) -> Resource:
    elements = {
        "definitionUri": [_price_url(key)],
        "status": "billable",
        "code": concept(_service(key)),
        "subject": chart.patient,
        "context": visit.reference,
        "occurrencePeriod": period(visit.start, visit.end),
        "performingOrganization": visit.department.organization,
        "quantity": {"value": number},
        "priceOverride": money(Decimal(by_key("prices")[key]["price"]) * number),
        "enterer": clerk,
        "enteredDate": stamp(visit.end or visit.start),
        "account": [refer(account)],
    }
    return chart.add("ChargeItem", elements)
