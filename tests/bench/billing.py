"""How long an invoice of many lines takes, from the charges to the totals."""

import time
from collections.abc import Iterator
from typing import Any

import httpx

LINES = 500
_BUNDLE = 100
Resource = dict[str, Any]


def invoice_seconds(port: int) -> float:
    """Return the seconds of `Account/$invoice` for an account with `LINES` charges."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}/fhir", timeout=120) as client:
        patient = {"resourceType": "Patient", "name": [{"family": "Bench"}], "birthDate": "1980-01-01"}
        answer = client.post("/Patient", json=patient).raise_for_status()
        subject = {"reference": f"Patient/{answer.json()['id']}"}
        account = {"resourceType": "Account", "status": "active", "subject": [subject]}
        answer = client.post("/Account", json=account).raise_for_status()
        reference = f"Account/{answer.json()['id']}"
        for bundle in _bundles(subject, reference):
            client.post("", json=bundle).raise_for_status()
        before = time.perf_counter()
        answer = client.post(f"/{reference}/$invoice", json={"resourceType": "Parameters"}).raise_for_status()
        seconds = time.perf_counter() - before
    invoice = answer.json()
    assert len(invoice["lineItem"]) == LINES
    return seconds


def _bundles(subject: Resource, account: str) -> Iterator[Resource]:
    charge = {
        "resourceType": "ChargeItem",
        "status": "billable",
        "code": {"text": "bench"},
        "subject": subject,
        "account": [{"reference": account}],
        "priceOverride": {"value": 12.34, "currency": "USD"},
    }
    entry = {"request": {"method": "POST", "url": "ChargeItem"}, "resource": charge}
    for _ in range(0, LINES, _BUNDLE):
        yield {"resourceType": "Bundle", "type": "transaction", "entry": [entry] * _BUNDLE}
