"""$bed-board: every bed, its state, and which encounter has it; in one question to the database.

An operation of this server: docs/workflows/beds.md.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from fhir_server.context import Context, Request, Response
from fhir_server.operations.inputs import inputs
from fhir_server.operations.operation import Operation
from fhir_server.operations.outputs import parameters
from fhir_server.workflows.beds import terms

_HIGHEST = 8
_ENCOUNTERS: list[dict[str, Any]] = [
    {
        "$match": {
            "search.status": {"$in": terms.OPEN.split(",")},
            "resource.location.status": {"$in": list(terms.LIVE)},
        }
    },
    {"$unwind": "$resource.location"},
    {"$match": {"resource.location.status": {"$in": list(terms.LIVE)}}},
    {
        "$project": {
            "_id": 0,
            "encounter": "$resource.id",
            "how": "$resource.location.status",
            "bed": "$resource.location.location.reference",
        }
    },
]
PIPELINE: list[dict[str, Any]] = [
    {"$match": {"resource.physicalType.coding.code": {"$in": list(terms.LEVELS)}}},
    {
        "$project": {
            "_id": 0,
            "id": "$resource.id",
            "name": "$resource.name",
            "state": "$resource.operationalStatus.code",
            "status": "$resource.status",
            "kind": {"$first": "$resource.physicalType.coding.code"},
            "within": "$resource.partOf.reference",
        }
    },
    {"$unionWith": {"coll": "Encounter", "pipeline": _ENCOUNTERS}},
]
"""All places with a physical type, and the places that encounters have."""

Row = Mapping[str, Any]


async def bed_board(request: Request, context: Context) -> Response:
    """Answer with each `ward`, how many of its beds are in each state and are free, and each `bed` of it.

    A bed says its state (v2-0116), and which encounter has it or has it reserved. `ward` leaves the others.
    """
    given = inputs(request, ("ward",), lenient=context.preferences.lenient)
    wanted = given.one("ward")
    wanted = wanted.get("reference") if isinstance(wanted, dict) else wanted
    rows = await context.store.aggregate("Location", PIPELINE)
    places = {f"Location/{row['id']}": row for row in rows if "id" in row}
    used = {row["bed"]: row for row in rows if "id" not in row and "bed" in row}
    wards: dict[str, list[tuple[str, Row]]] = {}
    for reference, place in places.items():
        if place.get("kind") == "bd":
            wards.setdefault(_ward(reference, places), []).append((reference, place))
    chosen = [one for one in wards if wanted in (None, one, one.removeprefix("Location/"))]
    listed = [_told(one, places, wards[one], used) for one in sorted(chosen)]
    return Response(200, parameters(listed))


def _ward(reference: str, places: Mapping[str, Row]) -> str:
    """Return the ward that a bed is on, or the highest place that it is in if there is none."""
    current = reference
    for _ in range(_HIGHEST):
        row = places.get(current, {})
        within = str(row.get("within"))
        if row.get("kind") == "wa" or within not in places:
            return current
        current = within
    return current


def _told(
    ward: str, places: Mapping[str, Row], beds: Iterable[tuple[str, Row]], used: Mapping[str, Row]
) -> dict[str, Any]:
    states: Counter[str] = Counter()
    listed, free = [], 0
    for reference, place in sorted(beds):
        state, use = place.get("state") or "U", used.get(reference)
        states[state] += 1
        free += state in ("U", "I") and use is None and place.get("status") == "active"
        listed.append({"name": "bed", "part": _bed(reference, place, state, use)})
    part: list[dict[str, Any]] = [{"name": "location", "valueReference": {"reference": ward}}]
    if name := places.get(ward, {}).get("name"):
        part.append({"name": "name", "valueString": name})
    part.append({"name": "free", "valueInteger": free})
    part += [{"name": state, "valueInteger": states[state]} for state in sorted(states)]
    return {"name": "ward", "part": [*part, *listed]}


def _bed(reference: str, place: Row, state: str, use: Row | None) -> list[dict[str, Any]]:
    part: list[dict[str, Any]] = [
        {"name": "location", "valueReference": {"reference": reference}},
        {"name": "state", "valueCode": state},
    ]
    if name := place.get("name"):
        part.append({"name": "name", "valueString": name})
    if use is not None:
        part.append({"name": "encounter", "valueReference": {"reference": f"Encounter/{use['encounter']}"}})
        part.append({"name": "use", "valueCode": use["how"]})
    return part


BED_BOARD = Operation(
    code="bed-board",
    definition="metadata/OperationDefinition/bed-board",
    handler=bed_board,
    types=frozenset({"Location"}),
    parameters=("ward",),
    parameter_docs={"ward": "The ward (Location) of which the beds are wanted; all of them without it."},
    on_type=True,
)
