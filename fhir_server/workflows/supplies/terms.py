"""The codes and rules of supplies. https://hl7.org/fhir/R4/supplydelivery.html"""

from fhir_server.workflows.pattern import Rule

MOVEMENT = "urn:fhir-hospital-server:stock-movement"
"""The code system of what a SupplyDelivery is: receipt, use, waste, adjustment or transfer."""

SOURCE = "urn:fhir-hospital-server:stock-source"
"""The extension of a SupplyDelivery that names the Location from which something is taken."""

STOCK = "urn:fhir-hospital-server:stock"
"""The code system of what is said of stock: on-hand, low-stock, near-expiry and their parts."""

TASKS = "urn:fhir-hospital-server:supply-task"
"""The code system of tasks about supplies: buy, order."""

PLACES = "urn:fhir-hospital-server:stock-place"
"""The system in which `appliesTo` of a reorder point names a Location, as `Location/1`."""

STATE = Rule("W10.state", "A delivery goes from in-progress to completed or abandoned; what is posted stays.")
ORDER_STATE = Rule(
    "W10.order-state",
    "An order goes from draft to active, and to completed or cancelled; only goods that go back reopen it.",
)
POSTED = Rule(
    "W10.posted",
    "A movement that is posted is neither changed nor deleted: entered-in-error takes it back.",
    405,
    "not-supported",
)
PROJECTION = Rule(
    "W10.projection", "What is on hand is said by the ledger; nobody else writes it.", 405, "not-supported"
)
NEGATIVE = Rule("W10.insufficient", "Nothing leaves that is not there: stock is never negative.")
EXPIRED = Rule("W10.expired", "Nothing of a lot that has expired is handed out, given, used or moved.")
UNIT = Rule("W10.unit", "An item is counted in one unit.")
INCOMPLETE = Rule("W10.incomplete", "A movement says of what, how much and where.")
KIND = Rule("W10.kind", "A movement is a receipt, use, waste, adjustment or transfer.")
ONLY_USE = Rule(
    "W10.only-use", "Who does not keep the stock only says what they use or throw away.", 403, "forbidden"
)
LOT_IN_USE = Rule(
    "W10.lot-in-use",
    "What a lot is of, and its number, stay once some of it has moved.",
    409,
    "conflict",
)
NOT_ORDERED = Rule("W10.order-not-active", "Goods come in for an order that is active.")
OTHER_ITEM = Rule("W10.other-item", "What comes in for an order is what was ordered.")
TOO_MUCH = Rule("W10.over-delivery", "No more comes in for an order than was ordered.")

RULES = (
    STATE,
    ORDER_STATE,
    POSTED,
    PROJECTION,
    NEGATIVE,
    EXPIRED,
    UNIT,
    INCOMPLETE,
    KIND,
    ONLY_USE,
    LOT_IN_USE,
    NOT_ORDERED,
    OTHER_ITEM,
    TOO_MUCH,
)
