"""The rules of charges, invoices and payments."""

from fhir_server.workflows.pattern import Rule

CHARGE_STATE = Rule(
    "W8.charge-state",
    "A charge goes from planned to billable to billed, or ends as not billable, aborted or entered in error.",
)
CHARGED_TWICE = Rule("W8.charged-twice", "What was done is charged once by each code.", 409, "duplicate")
CHARGE_BILLED = Rule(
    "W8.charge-billed",
    "A charge is billed by the invoice on which it stands, and stays as it is meanwhile.",
)
INVOICE_STATE = Rule(
    "W8.invoice-state",
    "An invoice goes from draft to issued to balanced, or is cancelled; a refund makes it issued again. Only "
    "operations write one that is issued from the beginning.",
)
DOUBLE_BILL = Rule(
    "W8.double-bill", "A charge stands on one invoice that is not cancelled.", 409, "duplicate"
)
NOT_BILLABLE = Rule(
    "W8.not-billable", "On an invoice stand billable charges of its patient, and nothing else."
)
TOTALS = Rule(
    "W8.totals",
    "The net total is the sum of the lines without tax, the gross total that with tax, to the cent.",
)
ISSUED = Rule(
    "W8.issued-invoice",
    "An invoice that was issued stays as it is, but for its status: it is cancelled and written anew.",
)
CANCEL_REASON = Rule("W8.cancel-reason", "An invoice is cancelled with a reason.", 422, "required")
CANCEL_PAID = Rule("W8.cancel-paid", "An invoice on which something is paid is not cancelled, but credited.")
BALANCE = Rule("W8.balance", "An invoice is balanced if, and only if, its payments are its gross total.")
PAYMENT_STATE = Rule(
    "W8.payment-state", "A payment goes from draft to active, or is cancelled or entered in error."
)
PAYMENT_AMOUNT = Rule("W8.payment-amount", "What is paid is the sum of what it is paid for.")
PAYMENT_FIXED = Rule("W8.payment-fixed", "A payment stays as it is, but for its status: it is refunded.")
PAYMENT_TARGET = Rule(
    "W8.payment-target", "Paid are invoices that are issued, in their own currency, and never by nought."
)
OVERPAID = Rule("W8.overpaid", "The payments of an invoice are not more than its gross total.")
REFUND = Rule("W8.refund", "Not more is refunded than was paid.")
PAYMENT_KEY = Rule(
    "W8.payment-key", "A key of a payment stands for this payment, and for no other.", 409, "duplicate"
)
DECLINED = Rule("W8.declined", "A payment that the other side declines is none.")
METHOD = Rule(
    "W8.method", "Patients pay by card themselves; cash and the terminal are at the desk.", 403, "forbidden"
)
NO_GATEWAY = Rule(
    "W8.no-gateway", "A payment needs a way that the hospital has set up.", 422, "not-supported"
)
NOTHING_TO_BILL = Rule("W8.nothing-to-bill", "An invoice is written for charges that are billable.")
NO_PRICE = Rule("W8.no-price", "A charge that is billed has a price, or a definition that tells it.")
CREDIT_ROLE = Rule("W8.credit-role", "The billing office gives credits, and nobody else.", 403, "forbidden")
UNPAID = Rule(
    "W8.unpaid-visit", "A visit by video that costs something is paid before it begins.", 403, "forbidden"
)
CREDITED = Rule("W8.credited", "A line of an invoice is credited once.", 409, "duplicate")
CREDIT_AMOUNT = Rule(
    "W8.credit-amount",
    "A credit gives back what one billed charge took, and nothing else; no other charge is below nought.",
)

RULES = (
    *(CHARGE_STATE, CHARGED_TWICE, CHARGE_BILLED, INVOICE_STATE, DOUBLE_BILL, NOT_BILLABLE, TOTALS),
    *(ISSUED, CANCEL_REASON, CANCEL_PAID, BALANCE, PAYMENT_STATE, PAYMENT_AMOUNT, PAYMENT_FIXED),
    *(PAYMENT_TARGET, OVERPAID, REFUND, PAYMENT_KEY, DECLINED, METHOD, NO_GATEWAY, NOTHING_TO_BILL),
    *(NO_PRICE, CREDIT_ROLE, CREDIT_AMOUNT, UNPAID, CREDITED),
)
