"""Appointment/$ical, an entry for a calendar, and $join, the way into a visit by video.

https://www.rfc-editor.org/rfc/rfc5545, https://hl7.org/fhir/R4/appointment.html
"""

import base64
import hmac
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from icalendar import Calendar, Event

from fhir_server.context import Context, Request, Response
from fhir_server.interactions.read import read
from fhir_server.operations.inputs import inputs
from fhir_server.operations.operation import Operation
from fhir_server.operations.outputs import parameters
from fhir_server.workflows.billing.events import is_virtual
from fhir_server.workflows.billing.prepaid import unpaid
from fhir_server.workflows.scheduling.looking import all_records
from fhir_server.workflows.scheduling.rules import JOIN_WINDOW, NO_VISIT
from fhir_server.workflows.scheduling.vocabulary import actors, times
from resources.operation_outcome import Forbidden, error

_STATUS = {
    "booked": "CONFIRMED",
    "arrived": "CONFIRMED",
    "checked-in": "CONFIRMED",
    "fulfilled": "CONFIRMED",
    "cancelled": "CANCELLED",
    "noshow": "CANCELLED",
    "entered-in-error": "CANCELLED",
}


async def ical(request: Request, context: Context) -> Response:
    """Return the Appointment as an iCalendar file, in a Binary; it says when, and nothing of what for."""
    inputs(request, (), lenient=context.preferences.lenient)
    answer = await read(Request("GET", request.path[:2]), context)
    appointment = answer.resource or {}
    time = times(appointment)
    if time is None:
        raise NO_VISIT.error("It has no time yet", "Appointment.start")
    event = Event()
    event.add("uid", f"{context.base_url}/Appointment/{appointment['id']}")
    event.add("dtstamp", answer.last_modified or context.now())
    event.add("dtstart", time[0])
    event.add("dtend", time[1])
    event.add("sequence", max((answer.version or 1) - 1, 0))
    event.add("summary", "Appointment")
    event.add("status", _STATUS.get(appointment.get("status", ""), "TENTATIVE"))
    calendar = Calendar()
    calendar.add("prodid", "-//FHIR hospital server//EN")
    calendar.add("version", "2.0")
    calendar.add_component(event)
    data = base64.b64encode(calendar.to_ical()).decode()
    return Response(
        200, {"resourceType": "Binary", "contentType": "text/calendar; charset=utf-8", "data": data}
    )


async def join(request: Request, context: Context) -> Response:
    """Return the link to a visit by video, for those who take part, while it is on or begins soon."""
    inputs(request, (), lenient=context.preferences.lenient)
    appointment = (await read(Request("GET", request.path[:2]), context)).resource or {}
    if not _takes_part(appointment, context):
        raise Forbidden(error("forbidden", "Only those who take part join a visit"))
    time, settings = times(appointment), context.settings
    if not is_virtual(appointment) or time is None or settings.visit_url is None:
        raise NO_VISIT.error("It is no visit by video", "Appointment.appointmentType")
    if appointment.get("status") not in ("booked", "arrived", "checked-in"):
        raise NO_VISIT.error("It is not booked", "Appointment.status")
    if not time[0] - timedelta(minutes=settings.join_minutes) <= context.now() < time[1]:
        raise JOIN_WINDOW.error("It is too early or too late to join", "Appointment.start")
    violation = await unpaid(appointment, all_records(context))
    if violation is not None and context.principal is not None and context.principal.roles <= {"PT"}:
        raise violation.error()
    url = f"{settings.visit_url.rstrip('/')}/{_room(appointment['id'], context)}"
    return Response(200, parameters([{"name": "url", "valueUrl": url}]))


def _takes_part(appointment: Mapping[str, Any], context: Context) -> bool:
    principal = context.principal
    if principal is None or principal.account_id is None:
        return True
    own = {principal.fhir_user, f"Patient/{principal.patient}" if principal.patient else None}
    return bool(own & set(actors(appointment)))


def _room(appointment_id: str, context: Context) -> str:
    """Return the name of the room, which nobody can guess from the Appointment."""
    key = context.settings.encryption_key
    secret = b"visit" if key is None else key.get_secret_value().encode()
    return hmac.digest(secret, f"visit/{appointment_id}".encode(), "sha256").hex()[:40]


ICAL = Operation(
    code="ical",
    definition="metadata/OperationDefinition/ical",
    handler=ical,
    types=frozenset({"Appointment"}),
    on_instance=True,
    returns="Binary",
)
JOIN = Operation(
    code="join",
    definition="metadata/OperationDefinition/join",
    handler=join,
    types=frozenset({"Appointment"}),
    on_instance=True,
)
