"""W8: charges, invoices and payments."""

from fhir_server.workflows.billing import charge_items, invoices, payments
from fhir_server.workflows.billing.apply_operation import APPLY
from fhir_server.workflows.billing.charging import EVENTS
from fhir_server.workflows.billing.invoice_operations import BALANCE, CREDIT, INVOICE, PAYMENTS_OF
from fhir_server.workflows.billing.paper_actions import put_invoice_on_paper, put_receipt_on_paper
from fhir_server.workflows.billing.pay_operation import PAY
from fhir_server.workflows.billing.pending import give_up
from fhir_server.workflows.billing.refund_operation import REFUND
from fhir_server.workflows.billing.rules import RULES
from fhir_server.workflows.billing.told import KINDS
from fhir_server.workflows.pattern import Pattern

PATTERN = Pattern(
    id="W8",
    title="Charges, invoices and payments",
    rules=RULES,
    states=(charge_items.STATES, invoices.STATES, payments.STATES),
    watches=(EVENTS, charge_items.CHARGES, invoices.INVOICES, payments.PAYMENTS),
    actions={
        "W8.invoice-paper": put_invoice_on_paper,
        "W8.receipt-paper": put_receipt_on_paper,
        "W8.payment-over": give_up,
    },
    operations=(APPLY, INVOICE, CREDIT, BALANCE, PAYMENTS_OF, PAY, REFUND),
    creates=frozenset({"Account", "ChargeItem", "Invoice", "PaymentNotice"}),
    notices=KINDS,
)
