"""W7, orders and results, put together: https://hl7.org/fhir/R4/diagnostics-module.html."""

from fhir_server.workflows.order_sets.apply_operation import APPLY
from fhir_server.workflows.orders import critical, pictures, reports, requests, results, specimens, tasks
from fhir_server.workflows.orders.label import LABEL
from fhir_server.workflows.orders.notices import NOTICES
from fhir_server.workflows.orders.papers import PAPER_ACTION, make_paper
from fhir_server.workflows.orders.release import RELEASE, RELEASE_ACTION, RESERVED, release_due
from fhir_server.workflows.orders.rules import RULES, STATES
from fhir_server.workflows.pattern import Pattern

PATTERN = Pattern(
    "W7",
    "Orders and results",
    rules=RULES,
    states=STATES,
    watches=(requests.WATCH, tasks.WATCH, specimens.WATCH, results.WATCH, reports.WATCH, pictures.WATCH),
    actions={RELEASE_ACTION: release_due, critical.ESCALATE: critical.escalate, PAPER_ACTION: make_paper},
    operations=(RELEASE, critical.ACKNOWLEDGEMENT, LABEL, APPLY),
    creates=frozenset({"Task", "Flag", "Communication"}),
    notices=NOTICES,
    reserved=dict.fromkeys(("DiagnosticReport", "Observation", *sorted(pictures.TYPES)), RESERVED),
)
