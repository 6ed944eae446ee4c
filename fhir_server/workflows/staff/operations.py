"""$clock-in, $clock-out and $worked-hours: the hours that somebody works in a role.

Operations of this server. docs/workflows/staff.md
"""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from fhir_server.context import Context, Request, Response
from fhir_server.operations.inputs import inputs
from fhir_server.operations.operation import Operation
from fhir_server.operations.outputs import parameters
from fhir_server.search.intervals import FIRST, LAST
from fhir_server.workflows.records import Records
from fhir_server.workflows.references import reference_of, relative
from fhir_server.workflows.situation import Situation
from fhir_server.workflows.staff.qualifications import is_in_role
from fhir_server.workflows.staff.shifts import ended, shift_record, worked
from fhir_server.workflows.staff.terms import BASIC, INACTIVE_ROLE, NO_SHIFT, OWN_SHIFT
from fhir_server.write_path import commit, new_resource, replacement
from resources.operation_outcome import ResourceNotFound, error

Resource = dict[str, Any]

_ROLE = frozenset({"PractitionerRole"})
_MOST_SHIFTS = 100_000
_SECONDS = Decimal(3600)


async def clock_in(request: Request, context: Context) -> Response:
    """Begin a shift in the role now, for oneself; answers with the record of it, a Basic."""
    inputs(request, (), lenient=context.preferences.lenient)
    role, person = await _own_role(request, context)
    if not is_in_role(role, context.now()):
        raise INACTIVE_ROLE.error("This role is not active", "PractitionerRole.active")
    shift = shift_record(person, f"PractitionerRole/{role['id']}", context.now())
    whole = replace(context, store=context.store.unguarded())
    (written,) = await commit(whole, [new_resource("Basic", context.new_id(), shift)])
    assert written.version is not None  # noqa: S101 - it was not deleted
    return Response(200, written.version.resource)


async def clock_out(request: Request, context: Context) -> Response:
    """End the shift that goes on; answers with the record of it, a Basic."""
    inputs(request, (), lenient=context.preferences.lenient)
    _, person = await _own_role(request, context)
    whole = replace(context, store=context.store.unguarded())
    going_on = [one for one in await _shifts(person, whole) if worked(one)[1] is None]
    if not going_on:
        raise NO_SHIFT.error("There is no shift that goes on")
    latest = max(going_on, key=lambda one: worked(one)[0] or FIRST)
    # Whole milliseconds are kept: a shift that ends in the one in which it began would not be one.
    end = max(context.now(), (worked(latest)[0] or FIRST) + timedelta(milliseconds=1))
    number = int(latest["meta"]["versionId"])
    write = replacement("Basic", latest["id"], ended(latest, end), if_match=number)
    (written,) = await commit(whole, [write])
    assert written.version is not None  # noqa: S101 - it was not deleted
    return Response(200, written.version.resource)


async def worked_hours(request: Request, context: Context) -> Response:
    """Answer with the number of `shifts` that ended from `start` until `end`, and their `hours`."""
    given = inputs(request, WORKED_HOURS.parameters, lenient=context.preferences.lenient)
    _, person = await _own_role(request, context)
    first, last = given.instant("start") or FIRST, given.instant("end") or LAST
    hours, number = Decimal(0), 0
    for shift in await _shifts(person, replace(context, store=context.store.unguarded())):
        start, end = worked(shift)
        if start is not None and end is not None and first <= start and end <= last:
            hours += Decimal(int((end - start).total_seconds())) / _SECONDS
            number += 1
    return Response(
        200,
        parameters(
            [
                {"name": "shifts", "valueInteger": number},
                {"name": "hours", "valueDecimal": round(hours, 2)},
            ]
        ),
    )


async def _own_role(request: Request, context: Context) -> tuple[Resource, str]:
    """Return a role and whose it is; raise Forbidden if it is somebody else's, but for administrators."""
    version = await context.store.read("PractitionerRole", request.path[1])
    if version is None or version.resource is None:
        raise ResourceNotFound(error("not-found", f"There is no PractitionerRole/{request.path[1]}"))
    role = relative(version.resource, context.base_url)
    person = reference_of(role.get("practitioner"))
    situation = Situation(
        context.now(), context.base_url, context.settings, context.new_id, context.principal
    )
    if person is None:
        raise INACTIVE_ROLE.error("This role is nobody's", "PractitionerRole.practitioner")
    own = {person, f"PractitionerRole/{role['id']}"}
    if not situation.has_role("AD") and situation.person not in own:
        raise OWN_SHIFT.error("This is the role of somebody else")
    return role, person


async def _shifts(person: str, context: Context) -> list[Resource]:
    situation = Situation(context.now(), context.base_url, context.settings, context.new_id)
    records = Records(context.store, situation)
    asked = (("subject", person), ("code", f"{BASIC}|shift-record"))
    return await records.search("Basic", *asked, limit=_MOST_SHIFTS)


CLOCK_IN = Operation(
    code="clock-in",
    definition="metadata/OperationDefinition/clock-in",
    handler=clock_in,
    types=_ROLE,
    on_instance=True,
    affects_state=True,
    returns="Basic",
)

CLOCK_OUT = Operation(
    code="clock-out",
    definition="metadata/OperationDefinition/clock-out",
    handler=clock_out,
    types=_ROLE,
    on_instance=True,
    affects_state=True,
    returns="Basic",
)

WORKED_HOURS = Operation(
    code="worked-hours",
    definition="metadata/OperationDefinition/worked-hours",
    handler=worked_hours,
    types=_ROLE,
    parameters=("start", "end"),
    parameter_types={"start": "date", "end": "date"},
    on_instance=True,
)
