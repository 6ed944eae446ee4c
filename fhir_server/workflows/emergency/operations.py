"""Checking in to the emergency department, and its queue.

Operations of this server: docs/workflows/emergency.md.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from fhir_server.context import Context, Request, Response
from fhir_server.operations.inputs import Inputs, inputs
from fhir_server.operations.operation import Operation
from fhir_server.search.intervals import interval
from fhir_server.store import Write, instant
from fhir_server.workflows.beds.operations import reference_in
from fhir_server.workflows.emergency import terms
from fhir_server.workflows.encounters.terms import CLASSES, reference_of
from fhir_server.workflows.made import concept, made
from fhir_server.workflows.records import Records
from fhir_server.workflows.registration.identity import temporary_name
from fhir_server.workflows.situation import Situation
from fhir_server.write_path import commit, new_resource
from resources.operation_outcome import InvalidContent, ResourceNotFound, error

Resource = Mapping[str, Any]

_CHECK_IN = ("patient", "unknown", "complaint", "esi", "organization", "history")
_STAFF = frozenset({"DR", "RN"})
_CATEGORIES = "http://terminology.hl7.org/CodeSystem/observation-category"
_LAST = 6


def _is_staff(context: Context) -> bool:
    principal = context.principal
    return principal is None or principal.account_id is None or not principal.roles.isdisjoint(_STAFF)


async def er_checkin(request: Request, context: Context) -> Response:
    """Check in a patient to the emergency department: an encounter (EMER, arrived) and its urgency.

    Patients check in themselves; their `esi` is provisional. Staff check in anybody they may see, and with
    `unknown` somebody whom nobody knows, under a temporary name; their `esi` is final, and the encounter is
    triaged. Nurses are told who waits for triage.
    """
    given = inputs(request, _CHECK_IN, lenient=context.preferences.lenient)
    complaint = given.text("complaint")
    if complaint is None:
        raise InvalidContent(error("required", "The parameter complaint is missing"))
    patient, writes = await _patient(given, context)
    encounter_id = context.new_id()
    subject = {"reference": f"Patient/{patient}"}
    department = reference_in(given, "organization", "Organization", context)
    index = _index(given)
    encounter = made(
        "Encounter",
        # Whom staff give an index to is not to be triaged once more.
        status="arrived" if index is None or not _is_staff(context) else "triaged",
        **{"class": {"system": CLASSES, "code": "EMER", "display": "emergency"}},
        subject=subject,
        reasonCode=[{"text": complaint}],
        period={"start": instant(context.now())},
        serviceProvider={"reference": department} if department else None,
        priority=None if index is None else terms.priority(min(max(index, 1), 5)),
    )
    writes.append(new_resource("Encounter", encounter_id, encounter))
    about = {"subject": subject, "encounter": {"reference": f"Encounter/{encounter_id}"}}
    if index is not None:
        writes.append(_triage(index, about, context))
    history = given.resource("history")
    if history is not None:
        writes.append(new_resource("QuestionnaireResponse", context.new_id(), {**history, **about}))
    # Whoever may call it, may have just this done: a patient writes no encounters, a nurse no patients.
    whole = replace(context, store=context.store.unguarded())
    await commit(whole, writes)
    version = await whole.store.read("Encounter", encounter_id)
    assert version is not None  # noqa: S101 - it was stored
    location = f"Encounter/{encounter_id}"
    return Response(201, version.resource, version.number, version.updated, location)


def _index(given: Inputs) -> int | None:
    value = given.one("esi")
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 3:
        return int(value)
    if value is not None and type(value) is not int:
        raise InvalidContent(error("value", "The parameter esi is a whole number from 1 to 5"))
    return value


async def _patient(given: Inputs, context: Context) -> tuple[str, list[Write]]:
    """Return the id of who is checked in, and the write that registers somebody whom nobody knows."""
    reference = reference_in(given, "patient", "Patient", context)
    if given.boolean("unknown", default=False):
        if not _is_staff(context):
            raise terms.UNKNOWN.error("Only staff check in a patient whom nobody knows", "Patient")
        if reference is not None:
            raise InvalidContent(error("invalid", "The patient is known, or unknown: not both"))
        new_id = context.new_id()
        unknown = made("Patient", active=True, name=[temporary_name(context.now())])
        return new_id, [new_resource("Patient", new_id, unknown)]
    person = None if context.principal is None else context.principal.fhir_user
    if reference is None and person is not None and person.startswith("Patient/"):
        reference = person
    if reference is None:
        raise InvalidContent(error("required", "The parameter patient is missing, or unknown"))
    version = await context.store.read(*reference.split("/", 1))
    if version is None or version.resource is None:
        raise ResourceNotFound(error("not-found", f"There is no {reference}"))
    return reference.partition("/")[2], []


def _triage(index: int, about: dict[str, Any], context: Context) -> Write:
    observation = {
        "resourceType": "Observation",
        "status": "final" if _is_staff(context) else "preliminary",
        "category": [concept(_CATEGORIES, "survey", "Survey")],
        "code": concept(terms.LOINC, terms.ESI, "Emergency severity index [ESI]"),
        "effectiveDateTime": instant(context.now()),
        "issued": instant(context.now()),
        "valueInteger": index,
        **about,
    }
    person = None if context.principal is None else context.principal.fhir_user
    if person is not None:
        observation["performer"] = [{"reference": person}]
    return new_resource("Observation", context.new_id(), observation)


async def er_queue(request: Request, context: Context) -> Response:
    """Answer with the encounters that wait, in a List: the most urgent first (ESI), then who came first.

    `entry.flag` is the index, that of the last triage or else the patient's own; who has none comes last.
    """
    inputs(request, (), lenient=context.preferences.lenient)
    situation = Situation(context.now(), context.base_url, context.settings, context.new_id)
    # Who waits is known to all who work there, and more than that is not told.
    records = Records(context.store.unguarded(), situation)
    asked = (("class", f"{CLASSES}|EMER"), ("status", "arrived,triaged"))
    waiting = await records.search("Encounter", *asked)
    indexes = await _indexes([f"Encounter/{one['id']}" for one in waiting], records)
    waiting.sort(key=lambda one: (indexes.get(f"Encounter/{one['id']}", _LAST), _arrival(one), one["id"]))
    entries = [_entry(one, indexes.get(f"Encounter/{one['id']}")) for one in waiting]
    listed = made(
        "List",
        status="current",
        mode="snapshot",
        title="Emergency department",
        date=instant(context.now()),
        entry=entries or None,
    )
    return Response(200, listed)


def _arrival(encounter: Resource) -> datetime:
    return interval(encounter.get("period", {}).get("start") or encounter["meta"]["lastUpdated"])[0]


def _entry(encounter: Resource, index: int | None) -> dict[str, Any]:
    item = {"reference": f"Encounter/{encounter['id']}"}
    flag = None if index is None else {"text": str(index)}
    found = {"flag": flag, "date": instant(_arrival(encounter)), "item": item}
    return {name: value for name, value in found.items() if value is not None}


async def _indexes(encounters: list[str], records: Records) -> dict[str, int]:
    """Return the index of each encounter: the last one that is final, or else the last one."""
    found: dict[str, tuple[bool, datetime, int]] = {}
    for first in range(0, len(encounters), 100):
        asked = ("encounter", ",".join(encounters[first : first + 100]))
        for one in await records.search("Observation", asked, ("code", f"{terms.LOINC}|{terms.ESI}")):
            index, reference = terms.index_of(one), reference_of(one.get("encounter"))
            if index is None or reference is None or one["status"] in terms.WRONG:
                continue
            when = one.get("effectiveDateTime") or one.get("issued") or one["meta"]["lastUpdated"]
            this = (one["status"] in terms.FINAL, interval(when)[0], index)
            found[reference] = max(found.get(reference, this), this, key=lambda each: each[:2])
    return {reference: index for reference, (_, _, index) in found.items()}


ER_CHECKIN = Operation(
    code="er-checkin",
    definition="metadata/OperationDefinition/er-checkin",
    handler=er_checkin,
    types=frozenset({"Encounter"}),
    parameters=_CHECK_IN,
    parameter_types={
        "patient": "Reference",
        "unknown": "boolean",
        "esi": "integer",
        "organization": "Reference",
        "history": "QuestionnaireResponse",
    },
    parameter_docs={
        "patient": "Who is checked in (Patient); whoever calls it, if they are a patient.",
        "unknown": "Nobody knows who the patient is: a Patient with a temporary name is made.",
        "complaint": "What is the matter, in words.",
        "esi": "The Emergency Severity Index, 1 to 5.",
        "organization": "The emergency department (Organization).",
        "history": "Symptoms and history as answered (QuestionnaireResponse).",
    },
    on_type=True,
    affects_state=True,
    returns="Encounter",
)

ER_QUEUE = Operation(
    code="er-queue",
    definition="metadata/OperationDefinition/er-queue",
    handler=er_queue,
    types=frozenset({"Encounter"}),
    on_type=True,
    returns="List",
)
