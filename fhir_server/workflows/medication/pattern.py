"""W6, medication, put together: https://hl7.org/fhir/R4/medications-module.html."""

from fhir_server.workflows.medication import dispensing, giving, papers, prescribing
from fhir_server.workflows.medication.reminders import TAKE
from fhir_server.workflows.medication.rules import RULES, STATES
from fhir_server.workflows.pattern import Pattern

PATTERN = Pattern(
    "W6",
    "Medication",
    rules=RULES,
    states=STATES,
    watches=(prescribing.WATCH, dispensing.WATCH, giving.WATCH, papers.WATCH),
    actions={prescribing.PAPER_ACTION: papers.make_paper},
    creates=frozenset({"DetectedIssue", "DocumentReference", "Binary", "Task"}),
    notices=(papers.READY, TAKE),
)
