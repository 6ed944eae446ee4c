"""W9: insurance."""

from fhir_server.workflows.insurance import claims, coverages
from fhir_server.workflows.insurance.responses import ANSWERED, RESPONSES
from fhir_server.workflows.insurance.rules import RULES
from fhir_server.workflows.insurance.submit import CLAIM_INVOICE, SUBMIT_CLAIM, SUBMIT_REQUEST, ask_again
from fhir_server.workflows.pattern import Pattern

PATTERN = Pattern(
    id="W9",
    title="Insurance",
    rules=RULES,
    states=(coverages.STATES, claims.STATES),
    watches=(coverages.COVERAGES, claims.CLAIMS, claims.REQUESTS, RESPONSES),
    actions={"W9.adjudicate": ask_again},
    operations=(SUBMIT_CLAIM, SUBMIT_REQUEST, CLAIM_INVOICE),
    notices=(ANSWERED,),
)
