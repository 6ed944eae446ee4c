"""W11, the emergency department: arrival, triage, the queue and alerts; docs/workflows/emergency.md."""

from fhir_server.workflows.emergency import alerts, arrivals, triage
from fhir_server.workflows.emergency.operations import ER_CHECKIN, ER_QUEUE
from fhir_server.workflows.emergency.terms import NOTICES, RULES, TASKS
from fhir_server.workflows.pattern import Pattern

PATTERN = Pattern(
    id="W11",
    title="Emergency department",
    rules=RULES,
    states=(TASKS,),
    watches=(arrivals.WATCH, triage.WATCH, alerts.WATCH),
    actions={alerts.ESCALATE: alerts.escalate},
    operations=(ER_CHECKIN, ER_QUEUE),
    creates=frozenset({"Communication", "Encounter", "Task"}),
    notices=NOTICES,
)
