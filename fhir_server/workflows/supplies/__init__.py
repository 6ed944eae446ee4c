"""W10, supplies: a ledger of everything that comes and goes, and what follows from what is on hand.

docs/workflows/supplies.md
"""

from fhir_server.workflows.pattern import Pattern
from fhir_server.workflows.supplies import booking, expiry, levels, orders, reordering
from fhir_server.workflows.supplies.operations import REBUILD_STOCK, STOCK_AT, VERIFY_STOCK
from fhir_server.workflows.supplies.terms import RULES

PATTERN = Pattern(
    id="W10",
    title="Supplies",
    rules=RULES,
    states=(booking.DELIVERY_STATES, orders.ORDER_STATES),
    watches=(booking.WATCH, levels.OBSERVATIONS, levels.LOTS, orders.ORDERS),
    actions={expiry.NIGHTLY: expiry.nightly},
    nightly=(expiry.NIGHTLY,),
    operations=(REBUILD_STOCK, STOCK_AT, VERIFY_STOCK),
    creates=frozenset({"Flag", "Observation", "SupplyRequest", "Task"}),
    notices=(reordering.LOW, expiry.EXPIRING, orders.ORDERED),
)
