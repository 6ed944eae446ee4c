"""Putting invoices and receipts on paper, once each, for the patient to download.

https://hl7.org/fhir/R4/documentreference.html, https://hl7.org/fhir/R4/binary.html
"""

import asyncio
import base64
from typing import Any

from fhir_server.context import Context
from fhir_server.papers.paper import Paper
from fhir_server.papers.rendering import render
from fhir_server.store import instant
from fhir_server.store.ruling import Entry
from fhir_server.workflows.billing.invoice_operations import records_of
from fhir_server.workflows.billing.ledger import ISSUED, amounts, charges_on
from fhir_server.workflows.billing.making import method_of
from fhir_server.workflows.billing.papers import invoice_paper, receipt_paper
from fhir_server.workflows.billing.references import paper_id, short
from fhir_server.workflows.made import concept, key_id, made
from fhir_server.workflows.records import Records
from fhir_server.workflows.services import Services
from fhir_server.write_path import commit, replacement

Resource = dict[str, Any]
_TYPE = "urn:fhir-hospital-server:paper"


async def put_invoice_on_paper(entry: Entry, context: Context, _services: Services) -> None:
    """Make the PDF of an invoice that was issued."""
    records = records_of(context)
    invoice = await records.read(entry.subject)
    if invoice is None or invoice.get("status") not in ISSUED:
        return
    patient = await records.read(invoice.get("subject"))
    if patient is None:
        return
    charges = {}
    for reference in charges_on(invoice, context.base_url):
        charge = await records.read(reference)
        if charge is not None:
            charges[reference] = charge
    paper = invoice_paper(invoice, charges, patient, await _issuer(invoice.get("issuer"), records))
    await _keep(entry.subject, paper, "invoice", f"Patient/{patient['id']}", context)


async def put_receipt_on_paper(entry: Entry, context: Context, _services: Services) -> None:
    """Make the PDF of the receipt of a payment; one that is for several patients has none."""
    records = records_of(context)
    payment = await records.read(entry.subject)
    if payment is None or payment.get("status") != "active":
        return
    invoices = {target: await records.read(target) for target in amounts(payment, context.base_url)}
    found = {target: one for target, one in invoices.items() if one is not None}
    patients = {short(one.get("subject"), context.base_url) for one in found.values()}
    patient = await records.read(patients.pop()) if len(patients) == 1 else None
    if patient is None:
        return
    issuer = await _issuer(next(iter(found.values())).get("issuer"), records)
    paper = receipt_paper(payment, found, patient, issuer, method_of(payment) or "transfer")
    await _keep(entry.subject, paper, "receipt", f"Patient/{patient['id']}", context)


async def _issuer(reference: Any, records: Records) -> str:
    organization = await records.read(reference) if reference else None
    return str((organization or {}).get("name", "Billing office"))


async def _keep(about: str, paper: Paper, kind: str, patient: str, context: Context) -> None:
    """Store a paper with the DocumentReference by which the patient finds it."""
    data = await asyncio.to_thread(render, paper)
    binary_id, document_id = key_id("paper", about), paper_id(about)
    binary = made(
        "Binary",
        id=binary_id,
        meta={"tag": [{"system": _TYPE, "code": "billing"}]},  # by which the billing office finds it
        contentType="application/pdf",
        securityContext={"reference": patient},
        data=base64.b64encode(data).decode(),
    )
    attachment = {
        "contentType": "application/pdf",
        "url": f"Binary/{binary_id}",
        "title": paper.title,
        "creation": instant(context.now()),
    }
    document = made(
        "DocumentReference",
        id=document_id,
        status="current",
        type=concept(_TYPE, kind, paper.title),
        subject={"reference": patient},
        date=instant(context.now()),
        content=[{"attachment": attachment}],
        context={"related": [{"reference": about}]},
    )
    writes = [replacement(one["resourceType"], one["id"], one) for one in (binary, document)]
    await commit(context, writes)
