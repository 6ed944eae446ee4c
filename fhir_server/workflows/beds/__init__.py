"""W5, beds: who has which, and what becomes of it afterwards; docs/workflows/beds.md."""

from fhir_server.workflows.beds import cleaning, places, stays
from fhir_server.workflows.beds.board import BED_BOARD
from fhir_server.workflows.beds.operations import ADMIT, TRANSFER
from fhir_server.workflows.beds.terms import CLEANING, RULES
from fhir_server.workflows.pattern import Pattern

PATTERN = Pattern(
    id="W5",
    title="Beds",
    rules=RULES,
    states=(CLEANING,),
    watches=(places.WATCH, stays.WATCH, cleaning.WATCH),
    operations=(ADMIT, TRANSFER, BED_BOARD),
    creates=frozenset({"Location", "Task"}),
)
