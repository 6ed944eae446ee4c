"""The rules of order sets, as data: https://hl7.org/fhir/R4/plandefinition-operation-apply.html."""

from fhir_server.workflows.pattern import Rule

ACTIVE = Rule("W7.order-set-active", "An order set is applied while it and its definitions are active.")
SUBJECT = Rule(
    "W7.order-set-subject", "An order set is applied to one patient or group, in an encounter of theirs."
)
CONTENT = Rule(
    "W7.order-set-content", "What an order set says is carried out or refused, and never left out in silence."
)
RULES = (ACTIVE, SUBJECT, CONTENT)
