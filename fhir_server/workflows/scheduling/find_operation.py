"""Appointment/$find: proposes Appointments that can be booked.

https://profiles.ihe.net/ITI/Scheduling/ITI-115.html
"""

from typing import Any

from fhir_server.context import Context, Request, Response
from fhir_server.operations.inputs import Inputs, inputs
from fhir_server.operations.operation import Operation
from fhir_server.operations.outputs import entry
from fhir_server.workflows.made import changed, key_id
from fhir_server.workflows.scheduling.looking import Wish, all_records, offers, proposal, seen_records
from fhir_server.workflows.scheduling.rules import ORDER_NEEDED
from fhir_server.workflows.scheduling.visit_types import needs_order
from fhir_server.workflows.scheduling.vocabulary import reference
from resources.operation_outcome import Forbidden, InvalidContent, error

_MOST = 200
_USUAL = 50


async def find(request: Request, context: Context) -> Response:
    """Return proposed Appointments between start and end, the best first; held times are not among them.

    Without a practitioner, doctors of the specialty are ranked by whether they know the patient, when they
    are free and how much they have to do.
    """
    given = inputs(request, FIND.parameters, lenient=context.preferences.lenient)
    wish = wished(given, context)
    found = await offers(wish, all_records(context), seen_records(context))
    proposed = [proposal(one, wish) for one in found]
    order = references(given, "referral-identifier", "ServiceRequest")
    path = context.settings.visit_types
    if proposed and not order and all(needs_order(one, path) for one in proposed):
        raise ORDER_NEEDED.error("This is booked for an order; name it as referral-identifier")
    if order:
        proposed = [changed(one, basedOn=[{"reference": text} for text in order]) for one in proposed]
    count = given.count("_count")
    listed = proposed[: min(_USUAL if count is None else count, _MOST)]
    entries = [entry("match", {**one, "id": _offer_id(one)}, context.base_url) for one in listed]
    bundle = {"resourceType": "Bundle", "type": "searchset", "total": len(proposed)}
    return Response(200, bundle | ({"entry": entries} if entries else {}))


def _offer_id(proposed: dict[str, Any]) -> str:
    return key_id("offer", reference(proposed["slot"][0]))


def wished(given: Inputs, context: Context) -> Wish:
    """Return what is looked for; raise Forbidden if a patient asks for another one."""
    for name in ("start", "end"):
        given.required(name)
    start, end = given.instant("start"), given.interval("end")
    if start is None or end is None or end[1] <= start:
        raise InvalidContent(error("value", "end is after start"))
    patient = next(iter(references(given, "patient-reference", "Patient")), None)
    return Wish(
        start,
        end[1],
        own_patient(patient, context),
        given.texts("specialty"),
        given.texts("visit-type"),
        tuple(references(given, "practitioner", "Practitioner")),
        tuple(references(given, "location-reference", "Location")),
    )


def own_patient(patient: str | None, context: Context) -> str | None:
    """Return the patient whom it is about: of somebody who is only a patient, themselves."""
    principal = context.principal
    if principal is None or principal.account_id is None or not principal.roles <= {"PT"}:
        return patient
    own = None if principal.patient is None else f"Patient/{principal.patient}"
    if patient not in (None, own):
        raise Forbidden(error("forbidden", "Patients look for themselves"))
    return own


def references(given: Inputs, name: str, kind: str) -> list[str]:
    """Return the references that a parameter has, as text or as References."""
    found = []
    for value in given.all(name):
        texts = [value.get("reference", "")] if isinstance(value, dict) else str(value).split(",")
        found += [reference({"reference": text}) or f"{kind}/{text}" for text in texts]
    return found


FIND = Operation(
    code="find",
    definition="metadata/OperationDefinition/find",
    handler=find,
    types=frozenset({"Appointment"}),
    parameters=(
        "start",
        "end",
        "specialty",
        "visit-type",
        "practitioner",
        "location-reference",
        "patient-reference",
        "referral-identifier",
        "_count",
    ),
    parameter_types={"start": "dateTime", "end": "dateTime", "_count": "integer"},
    parameter_docs={
        "start": "From when; required.",
        "end": "Until when; required.",
        "specialty": "Codes, as `code` or `system|code`.",
        "visit-type": "Codes of the kind of service.",
        "practitioner": "A Practitioner or PractitionerRole.",
        "referral-identifier": "The ServiceRequest for which it is booked.",
    },
    on_type=True,
    returns="Bundle",
)
