"""Giving somebody a bed, or another one. Operations of this server: docs/workflows/beds.md."""

from collections.abc import Mapping
from typing import Any

from fhir_server.context import Context, Request, Response
from fhir_server.operations.inputs import Inputs, inputs
from fhir_server.operations.operation import Operation
from fhir_server.store import Version, instant
from fhir_server.workflows.beds import terms
from fhir_server.workflows.encounters.rules import ONE_ATTENDER
from fhir_server.workflows.encounters.terms import CLASSES, UNDER_WAY, attender, attenders
from fhir_server.workflows.records import local
from fhir_server.workflows.references import reference_of
from fhir_server.write_path import commit, replacement
from resources.operation_outcome import InvalidContent, ResourceNotFound, error

Resource = Mapping[str, Any]


async def encounter_at(request: Request, context: Context) -> Version:
    """Return the encounter in the address, as the caller may see it."""
    version = await context.store.read("Encounter", request.path[1])
    if version is None or version.resource is None:
        raise ResourceNotFound(error("not-found", f"There is no Encounter/{request.path[1]}"))
    return version


def reference_in(given: Inputs, name: str, resource_type: str, context: Context) -> str | None:
    """Return the resource that a parameter names by a Reference, an address or an id."""
    value = given.one(name)
    text = value.get("reference") if isinstance(value, dict) else value
    if text is None:
        return None
    if isinstance(text, str) and text and "/" not in text:
        text = f"{resource_type}/{text}"
    key = local(text, context.base_url)
    if key is None or key[0] != resource_type:
        raise InvalidContent(error("value", f"The parameter {name} is a {resource_type} on this server"))
    return "/".join(key)


async def stored(context: Context, version: Version, resource: dict[str, Any]) -> Response:
    """Store an encounter as the next version of what it was, and answer with it."""
    write = replacement("Encounter", resource["id"], resource, if_match=version.number)
    [written] = await commit(context, [write])
    after = written.version
    assert after is not None  # noqa: S101 - nothing is deleted
    return Response(200, after.resource, after.number, after.updated)


def _bed(reference: str, status: str, now: str) -> dict[str, Any]:
    place = {"location": {"reference": reference}, "status": status, "physicalType": terms.BED}
    return place | ({"period": {"start": now}} if status == "active" else {})


def without_beds(encounter: Resource, now: str, *, kept: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """Return the places of an encounter, with an end to those that it has, or has reserved."""
    places = []
    for one in encounter.get("location", ()):
        if one.get("status") in terms.LIVE and one["status"] not in kept:
            # What was only reserved was never lain in.
            if one["status"] == "reserved":
                continue
            one = {**one, "status": "completed", "period": {**one.get("period", {}), "end": now}}
        places.append(one)
    return places


_ADMIT = ("bed", "attender", "reserve", "isolation")


async def admit(request: Request, context: Context) -> Response:
    """Admit the patient of an encounter to a bed, or reserve one for a patient who is expected.

    The encounter becomes an inpatient one (class IMP) in progress, the bed occupied, in one transaction.
    `bed` may be left out if one is reserved. Somebody is responsible: `attender`, or whoever is so already.
    """
    given = inputs(request, _ADMIT, lenient=context.preferences.lenient)
    version = await encounter_at(request, context)
    encounter = dict(version.resource or {})
    bed = reference_in(given, "bed", "Location", context) or _reserved(encounter)
    if bed is None:
        raise InvalidContent(error("required", "The parameter bed is missing, and no bed is reserved"))
    now = instant(context.now())
    if given.boolean("isolation", default=terms.wants_isolation(encounter)):
        encounter["hospitalization"] = _isolated(encounter)
    _assign(encounter, reference_in(given, "attender", "Practitioner", context), now)
    if given.boolean("reserve", default=False):
        others = without_beds(encounter, now, kept=("active",))
        encounter["location"] = [*others, _bed(bed, "reserved", now)]
        return await stored(context, version, encounter)
    if not list(attenders(encounter)):
        raise ONE_ATTENDER.error("Nobody is responsible: name the attender", "Encounter.participant")
    encounter["status"] = "in-progress"
    encounter["class"] = {"system": CLASSES, "code": "IMP", "display": "inpatient encounter"}
    if (version.resource or {}).get("status") == "planned":
        encounter["period"] = {"start": now}
    encounter["location"] = [*without_beds(encounter, now), _bed(bed, "active", now)]
    return await stored(context, version, encounter)


def _reserved(encounter: Resource) -> str | None:
    return next((where for where, how in terms.uses(encounter) if how == "reserved"), None)


def _isolated(encounter: Resource) -> dict[str, Any]:
    stay = dict(encounter.get("hospitalization", {}))
    if not terms.wants_isolation(encounter):
        isolated = {"coding": [terms.state("I")]}
        stay["specialArrangement"] = [*stay.get("specialArrangement", ()), isolated]
    return stay


def _assign(encounter: dict[str, Any], person: str | None, now: str) -> None:
    """Let one person be responsible, instead of whoever was so."""
    if person is None or person in attenders(encounter):
        return
    before = []
    for one in encounter.get("participant", ()):
        if reference_of(one.get("individual")) in set(attenders({"participant": [one]})):
            one = {**one, "period": {**one.get("period", {}), "end": now}}
        before.append(one)
    encounter["participant"] = [*before, attender(person)]


async def transfer(request: Request, context: Context) -> Response:
    """Move the patient of an encounter to another bed; the one that they leave is cleaned."""
    given = inputs(request, ("bed",), lenient=context.preferences.lenient)
    version = await encounter_at(request, context)
    encounter = dict(version.resource or {})
    given.required("bed")
    bed = reference_in(given, "bed", "Location", context) or ""
    if encounter.get("status") not in UNDER_WAY:
        raise terms.NOT_HERE.error("The patient is not here: nobody is moved", "Encounter.status")
    if dict(terms.uses(encounter)).get(bed) == "active":
        return Response(200, version.resource, version.number, version.updated)
    now = instant(context.now())
    encounter["location"] = [*without_beds(encounter, now), _bed(bed, "active", now)]
    return await stored(context, version, encounter)


ADMIT = Operation(
    code="admit",
    definition="metadata/OperationDefinition/admit",
    handler=admit,
    types=frozenset({"Encounter"}),
    parameters=_ADMIT,
    parameter_types={
        "bed": "Reference",
        "attender": "Reference",
        "reserve": "boolean",
        "isolation": "boolean",
    },
    parameter_docs={
        "bed": "The bed (Location).",
        "attender": "Who is responsible (Practitioner).",
        "reserve": "Only reserve the bed; the encounter stays as it is.",
        "isolation": "Whether the patient is to be isolated.",
    },
    on_instance=True,
    affects_state=True,
    returns="Encounter",
)

TRANSFER = Operation(
    code="transfer",
    definition="metadata/OperationDefinition/transfer",
    handler=transfer,
    types=frozenset({"Encounter"}),
    parameters=("bed",),
    parameter_types={"bed": "Reference"},
    parameter_docs={"bed": "The bed (Location) to which the patient goes."},
    on_instance=True,
    affects_state=True,
    returns="Encounter",
)
