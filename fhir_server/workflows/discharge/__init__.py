"""W13, discharge: the end of a stay, and the summary of it; docs/workflows/discharge.md."""

from fhir_server.workflows.discharge import papers
from fhir_server.workflows.discharge.operations import DISCHARGE
from fhir_server.workflows.discharge.summaries import ENDS, SUMMARIES
from fhir_server.workflows.discharge.terms import RULES, STATES
from fhir_server.workflows.pattern import Pattern

PATTERN = Pattern(
    id="W13",
    title="Discharge",
    rules=RULES,
    states=STATES,
    watches=(SUMMARIES, ENDS),
    operations=(DISCHARGE,),
    actions={papers.PAPER: papers.make_paper},
)
