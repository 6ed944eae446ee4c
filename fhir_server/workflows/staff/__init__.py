"""W12, staff: who may practise, licences, roles, the roster, leave, hiring, training, and the hours worked.

docs/workflows/staff.md
"""

from fhir_server.workflows.pattern import Pattern
from fhir_server.workflows.staff import directory, nightly, practice, requests, roster, shifts
from fhir_server.workflows.staff.operations import CLOCK_IN, CLOCK_OUT, WORKED_HOURS
from fhir_server.workflows.staff.qualifications import may_practise
from fhir_server.workflows.staff.terms import RULES

__all__ = ["PATTERN", "may_practise"]

PATTERN = Pattern(
    id="W12",
    title="Staff",
    rules=RULES,
    states=(requests.STATES,),
    watches=(*practice.WATCHES, *directory.WATCHES, requests.WATCH, shifts.WATCH, roster.WATCH),
    actions={nightly.NIGHTLY: nightly.nightly},
    nightly=(nightly.NIGHTLY,),
    operations=(CLOCK_IN, CLOCK_OUT, WORKED_HOURS),
    creates=frozenset({"PractitionerRole", "Task"}),
    notices=(directory.SUSPENDED, requests.DECIDED, requests.TRAINING),
)
