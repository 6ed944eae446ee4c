"""The evening at the billing office: what was done is charged once, invoiced, claimed and paid."""

from fhir_server.demo.day.trace import Trace
from fhir_server.workflows.made import concept


def settle(day: Trace) -> None:
    """Invoice all charges, take a part and then the rest, and file the receipts."""
    patient = day.known["patient"]["id"]
    accounts = day.search("BC", f"Account?subject=Patient/{patient}&status=active")
    day.check(len(accounts) == 1, f"the stay is charged to {len(accounts)} accounts and not to one")
    account = accounts[0]
    charges = day.search("BC", f"ChargeItem?account=Account/{account['id']}")
    day.tell("BC", "looks at what was done", f"{len(charges)} charges on Account/{account['id']}")
    day.check(len(charges) == 3, "bed-day, laboratory and medicine are not charged once each")
    invoice = day.call("BC", f"Account/{account['id']}/$invoice", issue=True)
    total = invoice["totalGross"]
    lines = len(invoice["lineItem"])
    day.tell("BC", "issues the invoice", f"{lines} lines, {total['value']} {total['currency']}")
    day.check(lines == len(charges), "a charge is missing on the invoice")
    reference = f"Invoice/{invoice['id']}"
    day.paper("BC", "invoice.pdf", f"related={reference}&status=current")
    stored = day.read("BC", reference)
    day.refused("BC", "PUT", f"/{reference}", {**stored, "totalGross": {**total, "value": 1}}, 422)
    day.tell("BC", "changes the issued invoice", "refused: it is corrected by a credit note")
    coverage = f"Coverage/{day.known['coverage']['id']}"
    claim = {
        "resourceType": "Claim",
        "identifier": [{"system": "urn:fhir-hospital-server:demo-day", "value": invoice["id"]}],
        "status": "active",
        "type": concept("http://terminology.hl7.org/CodeSystem/claim-type", "institutional"),
        "use": "claim",
        "patient": {"reference": f"Patient/{patient}"},
        "created": invoice["date"][:10],
        "provider": {"reference": day.house.people["DR"]},
        "priority": concept("http://terminology.hl7.org/CodeSystem/processpriority", "normal"),
        "insurance": [
            {
                "sequence": 1,
                "focal": True,
                "coverage": {"reference": coverage},
            }
        ],
        "item": [{"sequence": 1, "productOrService": {"text": "Hospital stay"}, "net": total}],
        "total": total,
    }
    response = day.send("BC", "POST", "/Claim/$submit", claim, status=200)
    day.check(response["resourceType"] == "ClaimResponse", "the claim has no ClaimResponse")
    day.tell("BC", "submits the claim", f"ClaimResponse/{response['id']}: {response['outcome']}")
    part = {"valueMoney": {"value": 20, "currency": total["currency"]}}
    day.call("BC", f"{reference}/$pay", method={"valueCode": "cash"}, amount=part, key="cash-1")
    day.call("BC", f"{reference}/$pay", method={"valueCode": "cash"}, amount=part, key="cash-1")
    day.tell("BC", "takes 20 in cash", "sent twice, counted once")
    day.call("BC", f"{reference}/$pay", method={"valueCode": "cash"}, key="cash-2")
    day.check(day.read("BC", reference)["status"] == "balanced", "the paid invoice is not balanced")
    day.tell("BC", "takes the rest", "the invoice is balanced")
    payments = day.search("BC", f"PaymentReconciliation?invoice={reference}")
    day.check(len(payments) == 2, f"there are {len(payments)} payments and not 2")
    for number, payment in enumerate(payments, 1):
        day.paper("BC", f"receipt-{number}.pdf", f"related=PaymentReconciliation/{payment['id']}")
    day.tell("BC", "hands out the receipts")
