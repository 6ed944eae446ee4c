"""The operations that write invoices and credits, and that tell what is owed.

https://hl7.org/fhir/R4/account.html, https://hl7.org/fhir/R4/invoice.html
"""

from dataclasses import replace
from typing import Any

from fhir_server.context import Context, Request, Response
from fhir_server.operations.inputs import inputs
from fhir_server.operations.operation import Operation
from fhir_server.operations.outputs import entry, parameters
from fhir_server.store import instant
from fhir_server.workflows.billing import rules
from fhir_server.workflows.billing.charge_items import is_credit
from fhir_server.workflows.billing.charging import reversal
from fhir_server.workflows.billing.invoicing import Line, credit_note, invoice, line_of, lines
from fhir_server.workflows.billing.ledger import ISSUED, live_lines, payments_of, sums
from fhir_server.workflows.billing.money import ZERO, money, value_of
from fhir_server.workflows.billing.references import short
from fhir_server.workflows.made import changed
from fhir_server.workflows.records import Records
from fhir_server.workflows.situation import Situation
from fhir_server.write_path import commit, new_resource, replacement
from resources.bundle import bundle
from resources.operation_outcome import InvalidContent, ResourceDeleted, ResourceNotFound, error

_MOST_LINES = 5_000
_MOST_CHARGES = 50_000


def situation_of(context: Context) -> Situation:
    """Return who asks, and when."""
    return Situation(context.now(), context.base_url, context.settings, context.new_id, context.principal)


def records_of(context: Context) -> Records:
    """Return what is stored as the caller of an operation may see it."""
    return Records(context.store, situation_of(context))


def all_records(context: Context) -> Records:
    """Return what is stored, for what has to be added up though the caller may not see all of it."""
    return Records(context.store.unguarded(), situation_of(context))


async def seen(resource_type: str, resource_id: str, context: Context) -> dict[str, Any]:
    """Return a resource that the caller may see; raise ResourceNotFound or ResourceDeleted."""
    version = await context.store.read(resource_type, resource_id)
    if version is None:
        raise ResourceNotFound(error("not-found", f"There is no {resource_type}/{resource_id}"))
    if version.resource is None:
        gone = error("deleted", f"{resource_type}/{resource_id} is deleted")
        raise ResourceDeleted(gone, version=version.number)
    return version.resource


async def write_invoice(request: Request, context: Context) -> Response:
    """Write the invoice for all charges of the account that are billable: one line for each.

    `issue` says whether it is issued at once (the default) or stays a draft. Answers 201 with the Invoice.
    """
    given = inputs(request, INVOICE.parameters, lenient=context.preferences.lenient)
    issue = given.boolean("issue", default=True)
    account = await seen("Account", request.path[1], context)
    records = records_of(context)
    reference = f"Account/{account['id']}"
    subject = next((short(one, context.base_url) for one in account.get("subject", ())), None)
    charges = await _billable(reference, subject, records)
    if not charges or subject is None:
        raise rules.NOTHING_TO_BILL.error("The account has no charges that are billable")
    coverages = [one for ref in account.get("coverage", ()) if (one := await records.read(ref["coverage"]))]
    found = await lines(charges, coverages, records)
    total = sum((part.amount for line in found for part in line.parts), ZERO)
    written = invoice(
        context.new_id(),
        found,
        subject,
        status="issued" if issue else "draft",
        date=instant(context.now()),
        account=reference,
        recipient={"reference": subject},
        issuer=account.get("owner"),
        type=credit_note() if total < 0 else None,
    )
    return await _created(written, context)


async def _billable(account: str, patient: str | None, records: Records) -> list[dict[str, Any]]:
    """Return the charges of an account that are to be billed, in the order in which they came about."""
    # R4 has no search parameter for the status of charges, of which an account may have many that are billed.
    status = {"resource.status": "billable"}
    found = await records.search("ChargeItem", ("account", account), limit=_MOST_CHARGES, also=status)
    standing = await live_lines(patient, records)
    free = [one for one in found if f"ChargeItem/{one['id']}" not in standing]
    if len(free) > _MOST_LINES:
        raise rules.NOTHING_TO_BILL.error(f"An invoice has {_MOST_LINES} lines at most; close the account")
    return sorted(free, key=lambda one: (one.get("enteredDate", ""), one["id"]))


async def _created(resource: dict[str, Any], context: Context, *before: Any) -> Response:
    """Store a new invoice after what it is written for; answer 201 with it."""
    write = replace(new_resource("Invoice", resource["id"], resource), follows=True)
    written = await commit(context, [*before, write])
    version = written[-1].version
    assert version is not None  # noqa: S101 - a create always stores a version
    location = f"Invoice/{version.id}"
    return Response(201, version.resource, version.number, version.updated, location)


async def credit(request: Request, context: Context) -> Response:
    """Write the credit note for lines of an invoice that was issued: `line` names them, without it all are.

    Each line is credited once. Answers 201 with the Invoice of the credit, whose total is less than nought.
    """
    given = inputs(request, CREDIT.parameters, lenient=context.preferences.lenient)
    reason = given.text("reason")
    if reason is None:
        raise InvalidContent(error("required", "The parameter reason is missing"))
    original = await seen("Invoice", request.path[1], context)
    if original.get("status") not in ISSUED:
        raise rules.ISSUED.error("Only what was issued is credited; change or cancel it", "Invoice.status")
    wanted = _wanted(given.all("line"), original)
    records = records_of(context)
    found: list[Line] = []
    writes: list[Any] = []
    for line in wanted:
        reference = short(line.get("chargeItemReference"), context.base_url)
        charge = await records.read(reference) if reference else None
        taken = line_of(original, reference, context.base_url) if reference else None
        if charge is None or taken is None:
            raise rules.CREDITED.error("A line without a charge is not credited", "Invoice.lineItem")
        gives = reversal(_priced(charge, line), records.situation)
        if gives is None:
            raise rules.CREDITED.error("A credit is not credited", "Invoice.lineItem")
        # One that an event which was an error left to be credited is taken for it.
        there = await records.read(f"ChargeItem/{gives['id']}")
        if there is None:
            writes.append(replacement("ChargeItem", gives["id"], gives, must_be_new=True))
        elif not is_credit(there) or short(there["partOf"][0], context.base_url) != reference:
            raise rules.CREDITED.error("Another charge is in the place of the credit", "Invoice.lineItem")
        found.append(taken.negated(f"ChargeItem/{gives['id']}"))
    written = invoice(
        context.new_id(),
        found,
        original["subject"]["reference"],
        status="issued",
        date=instant(context.now()),
        account=(original.get("account") or {}).get("reference"),
        recipient=original.get("recipient"),
        issuer=original.get("issuer"),
        type=credit_note(),
        note=[{"text": reason}],
    )
    return await _created(written, context, *writes)


def _priced(charge: dict[str, Any], line: dict[str, Any]) -> dict[str, Any]:
    """Return a charge with the base price that its line says."""
    bases = [one["amount"] for one in line.get("priceComponent", ()) if one["type"] == "base"]
    if not bases:
        return charge
    total = sum((value_of(one) for one in bases), ZERO)
    return changed(charge, priceOverride=money(total, bases[0]["currency"]), factorOverride=None)


def _wanted(numbers: tuple[Any, ...], original: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the lines of an invoice that have some sequence numbers, all without numbers."""
    by_number = {
        str(line.get("sequence", place)): {**line, "sequence": line.get("sequence", place)}
        for place, line in enumerate(original.get("lineItem", ()), start=1)
    }
    wanted = [str(one) for one in numbers] or list(by_number)
    unknown = [one for one in wanted if one not in by_number]
    if unknown or not wanted or len(set(wanted)) < len(wanted):
        raise InvalidContent(error("value", "The parameter line is the sequence number of a line, each once"))
    return [by_number[one] for one in wanted]


async def balance(request: Request, context: Context) -> Response:
    """Tell of an invoice its total, what insurers and others paid, what is coming, and what is left."""
    inputs(request, (), lenient=context.preferences.lenient)
    found = await seen("Invoice", request.path[1], context)
    payments = await payments_of(f"Invoice/{found['id']}", all_records(context))
    told = sums(f"Invoice/{found['id']}", payments, context.base_url)
    total = value_of(found.get("totalGross"))
    currency = found.get("totalGross", {}).get("currency", "")
    is_owed = found.get("status") in ISSUED
    amounts = {
        "total": total,
        "paid": told.paid,
        "payerShare": told.insurers,
        "patientShare": total - told.insurers,
        "pending": told.coming + told.going,
        "outstanding": total - told.paid if is_owed else total - total,
    }
    listed = [{"name": name, "valueMoney": money(one, currency)} for name, one in amounts.items()]
    return Response(200, parameters(listed))


async def payments(request: Request, context: Context) -> Response:
    """Answer 200 with a Bundle of the payments of an invoice that the caller may see."""
    inputs(request, (), lenient=context.preferences.lenient)
    found = await seen("Invoice", request.path[1], context)
    reference = f"Invoice/{found['id']}"
    listed = sorted(await payments_of(reference, all_records(context)), key=lambda one: one["created"])
    shown = [_only(one, reference, context.base_url) for one in listed]
    entries = [entry("match", one, context.base_url) for one in shown]
    return Response(200, bundle("searchset", entries, total=len(entries)))


def _only(payment: dict[str, Any], invoice_reference: str, base_url: str) -> dict[str, Any]:
    """Return a payment with what it says about one invoice: an insurer's is about other patients as well."""
    details = payment.get("detail", [])
    own = [one for one in details if short(one.get("request"), base_url) == invoice_reference]
    if len(own) == len(details):
        return payment
    total = sum((value_of(one.get("amount")) for one in own), ZERO)
    amount = {**payment["paymentAmount"], "value": total}
    return {**payment, "detail": own, "paymentAmount": amount}


def on(context: Context) -> Context:
    """Return the context of what the server does in its own name for the caller."""
    return replace(context, store=context.store.unguarded())


_DEFINITIONS = "metadata/OperationDefinition"
INVOICE = Operation(
    code="invoice",
    definition=f"{_DEFINITIONS}/invoice",
    handler=write_invoice,
    types=frozenset({"Account"}),
    parameters=("issue",),
    parameter_types={"issue": "boolean"},
    on_instance=True,
    affects_state=True,
    returns="Invoice",
)
CREDIT = Operation(
    code="credit",
    definition=f"{_DEFINITIONS}/credit",
    handler=credit,
    types=frozenset({"Invoice"}),
    parameters=("line", "reason"),
    parameter_types={"line": "positiveInt"},
    on_instance=True,
    affects_state=True,
    returns="Invoice",
)
BALANCE = Operation(
    code="balance",
    definition=f"{_DEFINITIONS}/balance",
    handler=balance,
    types=frozenset({"Invoice"}),
    on_instance=True,
)
PAYMENTS_OF = Operation(
    code="payments",
    definition=f"{_DEFINITIONS}/payments",
    handler=payments,
    types=frozenset({"Invoice"}),
    on_instance=True,
    returns="Bundle",
)
