"""W4, encounters and treatment; docs/workflows/encounters.md."""

from fhir_server.workflows.encounters import arrival, plans, treatment, visits
from fhir_server.workflows.encounters.rules import RULES, STATES
from fhir_server.workflows.pattern import Pattern

PATTERN = Pattern(
    id="W4",
    title="Encounters and treatment",
    rules=RULES,
    states=STATES,
    watches=(visits.WATCH, arrival.WATCH, treatment.WATCH, plans.WATCH),
    creates=frozenset({"Encounter", "Provenance"}),
)
