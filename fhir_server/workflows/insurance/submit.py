"""Claim/$submit and CoverageEligibilityRequest/$submit, and a claim for an invoice.

https://hl7.org/fhir/R4/claim-operation-submit.html,
https://hl7.org/fhir/R4/coverageeligibilityrequest-operation-submit.html
"""

from typing import Any

from adapters.payers.payer import PayerUnavailable, Terms
from fhir_server.context import Context, Request, Response
from fhir_server.operations.inputs import inputs
from fhir_server.operations.operation import Operation
from fhir_server.store import instant
from fhir_server.store.ruling import Entry
from fhir_server.workflows.billing.invoice_operations import all_records, records_of, seen
from fhir_server.workflows.billing.invoicing import line_of
from fhir_server.workflows.billing.ledger import ISSUED
from fhir_server.workflows.billing.money import ZERO, money
from fhir_server.workflows.billing.papers import number_of
from fhir_server.workflows.billing.pricing import gross
from fhir_server.workflows.billing.references import short
from fhir_server.workflows.insurance import rules
from fhir_server.workflows.insurance.answering import (
    answer,
    member_of,
    payer_of,
    response_id,
    settled,
    told_by,
)
from fhir_server.workflows.insurance.coverages import insurer_of, is_in_force
from fhir_server.workflows.made import concept, key_id, made
from fhir_server.workflows.records import Records
from fhir_server.workflows.services import Services
from fhir_server.write_path import commit, new_resource
from resources.operation_outcome import InvalidContent, ServiceUnavailable, error

Resource = dict[str, Any]
_ACTIVE = "active"
CLAIM_NUMBER = "urn:fhir-hospital-server:claim"


async def submit_claim(request: Request, context: Context) -> Response:
    """Submit a Claim, or a Bundle whose first entry is one; answer with the ClaimResponse, or a Bundle of it.

    The same identifier again is refused with 409. An insurer that does not answer is asked again later, and
    the outcome is `queued` until then.
    """
    given = inputs(request, ("resource",), resource_name="resource", lenient=context.preferences.lenient)
    given.required("resource")
    sent = given.resource("resource") or {}
    claim = _claim_in(sent)
    response = await _submitted(claim, context)
    if sent["resourceType"] == "Claim":
        return Response(200, response)
    full_url = f"{context.base_url}/ClaimResponse/{response['id']}"
    entry = {"fullUrl": full_url, "resource": response}
    told = {"resourceType": "Bundle", "type": "collection", "timestamp": instant(context.now())}
    return Response(200, told | {"entry": [entry]})


def _claim_in(sent: Resource) -> Resource:
    """Return the claim that is submitted."""
    if sent["resourceType"] == "Claim":
        return sent
    entries = sent.get("entry") if sent["resourceType"] == "Bundle" else None
    first = (
        entries[0].get("resource")
        if isinstance(entries, list) and entries and isinstance(entries[0], dict)
        else None
    )
    if not isinstance(first, dict) or first.get("resourceType") != "Claim":
        raise InvalidContent(
            error("value", "What is submitted is a Claim, or a Bundle whose first entry is one")
        )
    return first


async def _submitted(claim: Resource, context: Context) -> Resource:
    """Store a claim, and have it answered."""
    write = new_resource("Claim", context.new_id(), claim)
    if claim.get("status") != _ACTIVE:
        raise rules.CLAIM_STATE.error("A claim that is submitted is active", "Claim.status")
    if not any("value" in one for one in claim.get("identifier", ())):
        raise rules.IDENTIFIER.error("It needs an identifier of yours", "Claim.identifier")
    [written] = await commit(context, [write])
    version = written.version
    assert version is not None  # noqa: S101 - a create always stores a version
    assert version.resource is not None  # noqa: S101
    return await answer(version.resource, context)


async def claim_invoice(request: Request, context: Context) -> Response:
    """Submit the claim for an invoice to the insurer of its patient; answer 200 with the ClaimResponse.

    `use` is claim (the default) or preauthorization; `coverage` says by which coverage, if there are several.
    """
    given = inputs(request, CLAIM_INVOICE.parameters, lenient=context.preferences.lenient)
    use = given.text("use") or "claim"
    preauthorization = given.text("preAuthRef")
    invoice = await seen("Invoice", request.path[1], context)
    records = records_of(context)
    coverage = await _coverage(invoice, given.one("coverage"), records)
    if invoice.get("status") not in ISSUED:
        raise rules.CLAIMED_INVOICE.error("Only an invoice that is issued is claimed", "Invoice.status")
    items = await _items(invoice, records)
    currency = invoice["totalGross"]["currency"]
    claim = made(
        "Claim",
        id=context.new_id(),
        identifier=[{"system": CLAIM_NUMBER, "value": f"{number_of(invoice)}-{use}"}],
        status=_ACTIVE,
        type=concept("http://terminology.hl7.org/CodeSystem/claim-type", "institutional"),
        use=use,
        patient=invoice["subject"],
        created=instant(context.now()),
        insurer={"reference": insurer_of(coverage, context.base_url)},
        provider=invoice.get("issuer") or {"display": "Hospital"},
        priority=concept("http://terminology.hl7.org/CodeSystem/processpriority", "normal"),
        supportingInfo=[
            {
                "sequence": 1,
                "category": {"text": "Invoice"},
                "valueReference": {"reference": f"Invoice/{invoice['id']}"},
            }
        ],
        insurance=[
            {
                "sequence": 1,
                "focal": True,
                "coverage": {"reference": f"Coverage/{coverage['id']}"},
                **({"preAuthRef": [preauthorization]} if preauthorization else {}),
            }
        ],
        item=[{**one, "net": money(one["net"], currency)} for one in items],
        total=money(sum((one["net"] for one in items), ZERO), currency),
    )
    return Response(200, await _submitted(claim, context))


async def _coverage(invoice: Resource, told: Any, records: Records) -> Resource:
    """Return the coverage by which an invoice is claimed; raise the refusal of `NOT_INSURED` without one."""
    base_url = records.situation.base_url
    if told is not None:
        found = [one] if (one := await records.read(told)) is not None else []
    else:
        patient = short(invoice.get("subject"), base_url) or ""
        found = await records.search("Coverage", ("beneficiary", patient), ("status", "active"))
    day = records.situation.now.date().isoformat()
    fit = [one for one in found if insurer_of(one, base_url) and (told is not None or is_in_force(one, day))]
    if not fit:
        raise rules.NOT_INSURED.error("Nobody insures the patient now", "Claim.insurance.coverage")
    return min(fit, key=lambda one: (one.get("order", 1), one["id"]))


async def _items(invoice: Resource, records: Records) -> list[Resource]:
    """Return the items of a claim for an invoice, with the same sequence numbers, and with taxes."""
    items = []
    for place, line in enumerate(invoice.get("lineItem", ()), start=1):
        reference = short(line.get("chargeItemReference"), records.situation.base_url) or ""
        charge = await records.read(reference) or {}
        found = line_of(invoice, reference, records.situation.base_url)
        item = {
            "sequence": line.get("sequence", place),
            "productOrService": charge.get("code")
            or line.get("chargeItemCodeableConcept")
            or {"text": "service"},
            "net": gross(found.parts) if found else ZERO,
        }
        told = charge.get("occurrencePeriod", {}).get("start") or charge.get("occurrenceDateTime")
        items.append(item | ({"servicedDate": told[:10]} if told else {}))
    return items


async def submit_request(request: Request, context: Context) -> Response:
    """Ask whether and how a patient is insured; answer 200 with the CoverageEligibilityResponse."""
    given = inputs(request, ("resource",), resource_name="resource", lenient=context.preferences.lenient)
    given.required("resource")
    sent = given.resource("resource") or {}
    if sent["resourceType"] != "CoverageEligibilityRequest":
        raise InvalidContent(error("value", "What is submitted is a CoverageEligibilityRequest"))
    write = new_resource("CoverageEligibilityRequest", context.new_id(), sent)
    if sent.get("status") != _ACTIVE:
        raise rules.CLAIM_STATE.error(
            "A request that is submitted is active", "CoverageEligibilityRequest.status"
        )
    [written] = await commit(context, [write])
    version = written.version
    assert version is not None  # noqa: S101 - a create always stores a version
    assert version.resource is not None  # noqa: S101
    asked = version.resource
    records = all_records(context)
    insurance = []
    insurer = None
    for one in asked.get("insurance", ()):
        coverage = await records.read(one["coverage"])
        if coverage is None:
            continue
        insurer = insurer or insurer_of(coverage, context.base_url)
        try:
            terms = await told_by(payer_of(context.settings).terms(await member_of(coverage, records)))
        except PayerUnavailable as failure:
            message = "The insurer does not answer; ask again later"
            raise ServiceUnavailable(error("transient", message)) from failure
        insurance.append(_insurance(one, terms))
    response = made(
        "CoverageEligibilityResponse",
        id=key_id("eligibility", asked["id"]),
        status=_ACTIVE,
        purpose=asked["purpose"],
        patient=asked["patient"],
        created=instant(context.now()),
        request={"reference": f"CoverageEligibilityRequest/{asked['id']}"},
        outcome="complete",
        insurer={"reference": insurer} if insurer else asked["insurer"],
        insurance=insurance,
    )
    [answered] = await commit(
        context, [new_resource("CoverageEligibilityResponse", response["id"], response)]
    )
    stored = answered.version
    assert stored is not None  # noqa: S101 - a create always stores a version
    return Response(200, stored.resource)


def _insurance(told: Resource, terms: Terms) -> Resource:
    """Return what a plan pays, as a part of the answer."""
    system = "http://terminology.hl7.org/CodeSystem/benefit-type"
    benefits = [
        {"type": concept(system, "copay"), "allowedMoney": {"value": terms.copay}},
        {
            "type": concept(system, "deductible"),
            "allowedMoney": {"value": terms.deductible},
            "usedMoney": {"value": terms.deductible - terms.deductible_left},
        },
        {"type": concept(system, "benefit"), "allowedString": f"{terms.share * 100:.0f} %"},
    ]
    item: Resource = {"benefit": benefits}
    if terms.needs_preauthorization:
        item["authorizationRequired"] = True
        item["authorizationSupporting"] = [{"text": one} for one in sorted(terms.needs_preauthorization)]
    return {"coverage": told["coverage"], "inforce": True, "item": [item]}


async def ask_again(entry: Entry, context: Context, _services: Services) -> None:
    """Ask an insurer who did not answer; raise PayerUnavailable if there is no answer again."""
    records = records_of(context)
    claim = await records.read(entry.subject)
    there = await records.read(f"ClaimResponse/{response_id(entry.subject)}")
    if claim is None or claim.get("status") != _ACTIVE or there is None or there["outcome"] != "queued":
        return
    await settled(claim, context)


_DEFINITIONS = "http://hl7.org/fhir/OperationDefinition"
SUBMIT_CLAIM = Operation(
    code="submit",
    definition=f"{_DEFINITIONS}/Claim-submit",
    handler=submit_claim,
    types=frozenset({"Claim"}),
    parameters=("resource",),
    on_type=True,
    affects_state=True,
    takes_resource=True,
    returns="ClaimResponse",
)
SUBMIT_REQUEST = Operation(
    code="submit",
    definition=f"{_DEFINITIONS}/CoverageEligibilityRequest-submit",
    handler=submit_request,
    types=frozenset({"CoverageEligibilityRequest"}),
    parameters=("resource",),
    on_type=True,
    affects_state=True,
    takes_resource=True,
    returns="CoverageEligibilityResponse",
)
CLAIM_INVOICE = Operation(
    code="claim",
    definition="metadata/OperationDefinition/claim",
    handler=claim_invoice,
    types=frozenset({"Invoice"}),
    parameters=("use", "coverage", "preAuthRef"),
    parameter_types={"use": "code", "coverage": "Reference"},
    on_instance=True,
    affects_state=True,
    returns="ClaimResponse",
)
