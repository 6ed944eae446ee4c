"""$discharge: the encounter ends, the bed is given up, and a summary says how it was and how it goes on.

An operation of this server: docs/workflows/discharge.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from fhir_server.context import Context, Request, Response
from fhir_server.operations.inputs import Inputs, inputs
from fhir_server.operations.operation import Operation
from fhir_server.operations.outputs import parameters
from fhir_server.store import Version, Write, instant
from fhir_server.workflows.beds.operations import encounter_at, reference_in
from fhir_server.workflows.discharge import terms
from fhir_server.workflows.discharge.content import Stay, sections, stay
from fhir_server.workflows.encounters.terms import reference_of
from fhir_server.workflows.made import concept, made
from fhir_server.workflows.records import Records
from fhir_server.workflows.situation import Situation
from fhir_server.write_path import commit, new_resource, replacement

Resource = Mapping[str, Any]

_PARAMETERS = (
    *("author", "hospital-course", "instructions", "follow-up", "disposition"),
    *("orders-reviewed", "sign"),
)
_DISPOSITIONS = "http://terminology.hl7.org/CodeSystem/discharge-disposition"
_APPOINTMENTS = "http://terminology.hl7.org/CodeSystem/v2-0276"
_DAY = timedelta(days=1)
_NAMES = {
    "Encounter": "encounter",
    "Composition": "summary",
    "CarePlan": "plan",
    "Appointment": "follow-up",
}


@dataclass(frozen=True, slots=True)
class Discharge:
    """Of whom, by whom and when, for whatever is written of it."""

    encounter: Resource
    author: str
    now: str

    @property
    def common(self) -> dict[str, Any]:
        """What all of it has in common."""
        return {
            "subject": self.encounter.get("subject"),
            "encounter": {"reference": f"Encounter/{self.encounter['id']}"},
        }


async def discharge(request: Request, context: Context) -> Response:
    """Discharge the patient of an encounter, and write the summary from the record.

    The encounter is finished and its bed given up in one transaction with the summary (Composition), the
    instructions (CarePlan) and the follow-up that is proposed (Appointment). With `sign` it is final.
    Open orders are listed, and hold it up until `orders-reviewed`.
    """
    given = inputs(request, _PARAMETERS, lenient=context.preferences.lenient)
    version = await encounter_at(request, context)
    encounter = version.resource or {}
    if encounter["status"] not in ("in-progress", "onleave"):
        raise terms.OVER.error("The encounter is not in progress", "Encounter.status")
    author = reference_in(given, "author", "Practitioner", context) or _caller(context)
    if author is None:
        raise terms.AUTHOR.error("The author is missing: a doctor discharges", "Composition.author")
    situation = Situation(context.now(), context.base_url, context.settings, context.new_id)
    found = await stay(f"Encounter/{encounter['id']}", Records(context.store, situation))
    if found.orders and not given.boolean("orders-reviewed", default=False):
        named = ", ".join(f"ServiceRequest/{one['id']}" for one in found.orders)
        raise terms.ORDERS.error(
            f"Orders are open: {named}; look at them, and say orders-reviewed", "Encounter"
        )
    about = Discharge(encounter, author, instant(context.now()))
    writes = _writes(given, version, about, found, context)
    # The caller sees the encounter and may call this; that follow-ups are proposed is a part of it.
    await commit(replace(context, store=context.store.unguarded()), writes)
    listed = [
        {"name": _NAMES[one.resource_type], "valueReference": {"reference": f"{one.resource_type}/{one.id}"}}
        for one in writes
    ]
    return Response(200, parameters(listed))


def _caller(context: Context) -> str | None:
    person = None if context.principal is None else context.principal.fhir_user
    return person if person is not None and person.startswith("Practitioner/") else None


def _writes(given: Inputs, version: Version, about: Discharge, found: Stay, context: Context) -> list[Write]:
    follow_up, instructions = given.instant("follow-up"), given.text("instructions")
    told = None if follow_up is None else f"Follow-up proposed for {follow_up:%Y-%m-%d}"
    encounter = _ended(about, given.text("disposition"))
    writes = [replacement("Encounter", encounter["id"], encounter, if_match=version.number)]
    summary = made(
        "Composition",
        status="final" if given.boolean("sign", default=False) else "preliminary",
        type=concept(terms.LOINC, terms.SUMMARY, "Discharge summary"),
        date=about.now,
        author=[{"reference": about.author}],
        title="Discharge summary",
        custodian=about.encounter.get("serviceProvider"),
        section=sections(found, given.text("hospital-course"), told, instructions),
        **about.common,
    )
    writes.append(new_resource("Composition", context.new_id(), summary))
    if instructions is not None:
        writes.append(new_resource("CarePlan", context.new_id(), _plan(about, instructions)))
    if follow_up is not None:
        period = {"start": instant(follow_up), "end": instant(follow_up + _DAY)}
        writes.append(new_resource("Appointment", context.new_id(), _appointment(about, period)))
    return writes


def _ended(about: Discharge, disposition: str | None) -> dict[str, Any]:
    encounter = dict(about.encounter)
    encounter["status"] = "finished"
    encounter["period"] = {**encounter.get("period", {}), "end": about.now}
    if disposition is not None:
        kind = concept(_DISPOSITIONS, disposition)
        encounter["hospitalization"] = {**encounter.get("hospitalization", {}), "dischargeDisposition": kind}
    return encounter


def _plan(about: Discharge, instructions: str) -> dict[str, Any]:
    return made(
        "CarePlan",
        status="active",
        intent="plan",
        title="Instructions for home",
        category=[concept(terms.LOINC, terms.INSTRUCTIONS, "Instructions")],
        description=instructions,
        period={"start": about.now},
        created=about.now,
        author={"reference": about.author},
        activity=[{"detail": {"status": "not-started", "description": instructions}}],
        **about.common,
    )


def _appointment(about: Discharge, period: dict[str, str]) -> dict[str, Any]:
    people = [reference_of(about.encounter.get("subject")), about.author]
    return made(
        "Appointment",
        status="proposed",
        appointmentType=concept(_APPOINTMENTS, "FOLLOWUP", "A follow up visit from a previous appointment"),
        description="Follow-up after discharge",
        requestedPeriod=[period],
        participant=[{"actor": {"reference": one}, "status": "needs-action"} for one in people if one],
    )


DISCHARGE = Operation(
    code="discharge",
    definition="metadata/OperationDefinition/discharge",
    handler=discharge,
    types=frozenset({"Encounter"}),
    parameters=_PARAMETERS,
    parameter_types={
        "author": "Reference",
        "follow-up": "date",
        "disposition": "code",
        "orders-reviewed": "boolean",
        "sign": "boolean",
    },
    parameter_docs={
        "author": "The doctor who discharges (Practitioner); whoever calls it otherwise.",
        "hospital-course": "How it went, in words.",
        "instructions": "What the patient is to do, in words that they understand.",
        "follow-up": "The day on which the patient is to be seen again.",
        "disposition": "Where to: a code of discharge-disposition, such as home.",
        "orders-reviewed": "Somebody has looked at the open orders.",
        "sign": "Sign the summary at once: it is final.",
    },
    on_instance=True,
    affects_state=True,
)
