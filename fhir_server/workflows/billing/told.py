"""What people are told about money: never what it was for."""

from fhir_server.workflows.notices import NoticeKind

INVOICE_ISSUED = NoticeKind(
    "W8.invoice-issued",
    "A new invoice",
    "There is a new invoice for you. You find it, and can pay it, in the portal.",
    "There is a new invoice for you in the portal.",
    category="billing",
)
RECEIPT = NoticeKind(
    "W8.receipt",
    "Receipt for your payment",
    "Thank you: your payment of {amount} {currency} has arrived. The receipt is in the portal.",
    "Your payment of {amount} {currency} has arrived. The receipt is in the portal.",
    category="billing",
)
REFUNDED = NoticeKind(
    "W8.refunded",
    "Your refund",
    "{amount} {currency} is given back to you. The receipt is in the portal.",
    "{amount} {currency} is given back to you. The receipt is in the portal.",
    category="billing",
)
KINDS = (INVOICE_ISSUED, RECEIPT, REFUNDED)
