"""What is in stock, whether that is what the ledger says, and booking of what was imported.

Operations of this server. docs/workflows/supplies.md
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from fhir_server.context import Context, Request, Response
from fhir_server.operations.inputs import inputs
from fhir_server.operations.operation import Operation
from fhir_server.operations.outputs import entry, parameters
from fhir_server.settings import Settings
from fhir_server.store.stock import Shelf
from fhir_server.workflows.modes import parse_modes
from fhir_server.workflows.records import Records
from fhir_server.workflows.situation import Situation
from fhir_server.workflows.supplies.items import Item
from fhir_server.workflows.supplies.rebuilding import rebuilt
from fhir_server.workflows.supplies.shelves import lot_of, on_hand
from resources.operation_outcome import InvalidContent, NotSupported, ResourceNotFound, error

_PARAMETERS = ("item", "lot", "expires-before", "empty")
_MOST_STOREYS = 8
_MOST = 5_000


def _is_kept(settings: Settings) -> bool:
    return parse_modes(settings.workflows_off, settings.workflows_warn).of("W10") != "off"


def _records(context: Context) -> Records:
    situation = Situation(context.now(), context.base_url, context.settings, context.new_id)
    return Records(context.store, situation)


async def stock_at(request: Request, context: Context) -> Response:
    """Answer with what is on hand in a place and those within it, or in all: an Observation for each lot.

    `item` is a code (`system|code`) or a Medication or Device, `lot` the number of a lot; `expires-before`
    leaves those that expire before a date. Empty shelves are left out unless `empty` is true.
    """
    given = inputs(request, _PARAMETERS, lenient=context.preferences.lenient)
    records = _records(context)
    places = None if len(request.path) == 2 else await _within(request.path[1], context, records)
    before = given.instant("expires-before")
    shelves = await _shelves(given.text("item"), places, records)
    is_wanted = given.boolean("empty", default=False)
    found: list[tuple[Shelf, Item | None]] = []
    for shelf in shelves:
        lot = await lot_of(shelf, records)
        if (is_wanted or shelf.quantity) and _matches(lot, given.text("lot"), before):
            found.append((shelf, lot))
    found.sort(key=lambda one: (one[0].item, one[0].place, _expiry(one[1])))
    entries = [
        entry("match", on_hand(shelf, context.now(), lot), context.base_url) for shelf, lot in found[:_MOST]
    ]
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "total": len(found)}
    return Response(200, bundle | ({"entry": entries} if entries else {}))


def _expiry(lot: Item | None) -> str:
    return "9" if lot is None or lot.expires is None else lot.expires.isoformat()


def _matches(lot: Item | None, number: str | None, before: datetime | None) -> bool:
    if number is not None and (lot is None or lot.number != number):
        return False
    return before is None or (lot is not None and lot.expires is not None and lot.expires <= before)


async def _shelves(item: str | None, places: Iterable[str] | None, records: Records) -> list[Shelf]:
    if item is None:
        return await records.stock.shelves(places=places)
    if item.startswith(("Medication/", "Device/")):
        return await records.stock.shelves(lot=item, places=places)
    if "|" not in item:
        raise InvalidContent(error("value", "item is system|code, Medication/[id] or Device/[id]"))
    return await records.stock.shelves(codes=[item], places=places)


async def _within(place: str, context: Context, records: Records) -> list[str]:
    """Return a Location and all that is part of it; raise ResourceNotFound if there is none."""
    version = await context.store.read("Location", place)
    if version is None or version.resource is None:
        raise ResourceNotFound(error("not-found", f"There is no Location/{place}"))
    found, storey = [f"Location/{place}"], [f"Location/{place}"]
    for _ in range(_MOST_STOREYS):
        inner = await records.search("Location", ("partof", ",".join(storey))) if storey else []
        storey = [one for one in (f"Location/{each['id']}" for each in inner) if one not in found]
        found += storey
    return found


async def verify_stock(request: Request, context: Context) -> Response:
    """Answer with `result`, whether what is on hand is what the ledger says everywhere, and what differs."""
    inputs(request, (), lenient=context.preferences.lenient)
    stock = context.store.stock
    differences = await stock.differences()
    listed: list[dict[str, Any]] = [
        {"name": "result", "valueBoolean": not differences},
        {"name": "lines", "valueInteger": await stock.count_lines()},
    ]
    for shelf_id, there, said in differences:
        part: list[Mapping[str, Any]] = [
            {"name": "stock", "valueReference": {"reference": f"Observation/{shelf_id}"}},
            {"name": "onHand", "valueDecimal": there},
            {"name": "ledger", "valueDecimal": said},
        ]
        listed.append({"name": "difference", "part": part})
    return Response(200, parameters(listed))


async def rebuild_stock(request: Request, context: Context) -> Response:
    """Book the movements that came in by an import, which books nothing; what is booked already stays so.

    Receipts come first, then the rest by their times. Answers with how many were `booked`, and `refused` for
    each that could not be, as what it takes was never received.
    """
    inputs(request, (), lenient=context.preferences.lenient)
    if not _is_kept(context.settings):
        raise NotSupported(error("not-supported", "No stock is kept here (FHIR_WORKFLOWS_OFF)"))
    booked, refused = await rebuilt(context)
    listed: list[dict[str, Any]] = [{"name": "booked", "valueInteger": booked}]
    for reference, rule in refused:
        part = [
            {"name": "movement", "valueReference": {"reference": reference}},
            {"name": "rule", "valueCode": rule},
        ]
        listed.append({"name": "refused", "part": part})
    return Response(200, parameters(listed))


STOCK_AT = Operation(
    code="stock",
    definition="metadata/OperationDefinition/stock",
    handler=stock_at,
    types=frozenset({"Location"}),
    parameters=_PARAMETERS,
    parameter_types={"expires-before": "date", "empty": "boolean"},
    on_type=True,
    on_instance=True,
    returns="Bundle",
)

VERIFY_STOCK = Operation(
    code="verify-stock",
    definition="metadata/OperationDefinition/verify-stock",
    handler=verify_stock,
    on_system=True,
)

REBUILD_STOCK = Operation(
    code="rebuild-stock",
    definition="metadata/OperationDefinition/rebuild-stock",
    handler=rebuild_stock,
    on_system=True,
    affects_state=True,
    is_enabled=_is_kept,
)
