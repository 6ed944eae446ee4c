"""QuestionnaireResponse/$extract: what the answers say, as conditions, allergies, medication, observations.

https://hl7.org/fhir/uv/sdc/STU3/OperationDefinition-QuestionnaireResponse-extract.html
"""

from dataclasses import replace
from typing import Any

from fhir_server.context import Context, Request, Response
from fhir_server.interactions.read import read
from fhir_server.operations.inputs import Inputs, inputs
from fhir_server.operations.operation import Operation
from fhir_server.workflows.canonicals import named
from fhir_server.workflows.intake.extracting import Source, extracted
from fhir_server.workflows.intake.forms import shipped
from fhir_server.workflows.records import local
from fhir_server.write_path import commit, new_resource, replacement
from resources.bundle import bundle
from resources.operation_outcome import (
    FhirError,
    InvalidContent,
    NotSupported,
    UnprocessableContent,
    error,
)

_PARAMETERS = ("questionnaire-response", "persist")


async def extract(request: Request, context: Context) -> Response:
    """Return a transaction Bundle of what the answers say; with `persist` it is stored, once, as well.

    It is marked as not confirmed, with the patient as the source where the patient answered.
    """
    given = inputs(
        request, _PARAMETERS, resource_name="questionnaire-response", lenient=context.preferences.lenient
    )
    persist = given.boolean("persist", default=False)
    if persist and request.method != "POST":
        message = "What is extracted is stored by POST: with persist the operation changes something"
        raise NotSupported(error("not-supported", message), allow=("POST",))
    response = await _response(request, given, context)
    if persist and len(request.path) != 3:
        raise InvalidContent(error("invalid", "With persist the response is a stored one, by its address"))
    if response.get("status") not in ("completed", "amended"):
        raise UnprocessableContent(error("business-rule", "Answers are extracted when they are complete"))
    questionnaire = await _questionnaire(str(response.get("questionnaire", "")), context)
    if questionnaire is None:
        raise UnprocessableContent(error("not-found", "The questionnaire of the response is not here"))
    response = await _without_foreign_visit(response, context)
    found = extracted(questionnaire, Source(response, _is_own(response)))
    if persist:
        found = await _stored(found, context)
    entries = [
        {
            "fullUrl": f"{context.base_url}/{one['resourceType']}/{one['id']}",
            "resource": one,
            "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"},
        }
        for one in found
    ]
    return Response(200, bundle("transaction", entries))


async def _without_foreign_visit(response: dict[str, Any], context: Context) -> dict[str, Any]:
    """Return a response without its visit, unless that is one of its subject that the caller may see."""
    key = local((response.get("encounter") or {}).get("reference"), context.base_url)
    version = None if key is None else await context.store.read(*key)
    visit = None if version is None else version.resource
    if visit is not None and visit.get("subject") == response.get("subject"):
        return response
    return {name: value for name, value in response.items() if name != "encounter"}


async def _stored(found: list[dict[str, Any]], context: Context) -> list[dict[str, Any]]:
    """Store what is not there yet; what somebody has confirmed or deleted since stays as it is.

    Whoever may see the answers may have them stored as what they are, not confirmed by anybody, also a
    patient, who could not write conditions otherwise.
    """
    context = replace(context, store=context.store.unguarded())
    writes, there = [], {}
    for one in found:
        version = await context.store.read(one["resourceType"], one["id"])
        if version is None:
            writes.append(replacement(one["resourceType"], one["id"], one, must_be_new=True))
        elif version.resource is not None:
            there[one["id"]] = version.resource
    for written in await commit(context, writes):
        if written.version is not None and written.version.resource is not None:
            there[written.version.id] = written.version.resource
    return [there[one["id"]] for one in found if one["id"] in there]


def _is_own(response: dict[str, Any]) -> bool:
    """Tell whether the subject answered, or nobody says who did."""
    by = response.get("source") or response.get("author") or response.get("subject")
    return bool(by == response.get("subject"))


async def _response(request: Request, given: Inputs, context: Context) -> dict[str, Any]:
    if len(request.path) == 3:
        return (await read(Request("GET", request.path[:2]), context)).resource or {}
    response: dict[str, Any] = given.required("questionnaire-response")
    if not isinstance(response, dict) or response.get("resourceType") != "QuestionnaireResponse":
        message = "The parameter questionnaire-response is a QuestionnaireResponse"
        raise InvalidContent(error("value", message))
    checked = new_resource("QuestionnaireResponse", response.get("id") or context.new_id(), response)
    return checked.resource or {}


async def _questionnaire(canonical: str, context: Context) -> dict[str, Any] | None:
    key = local(canonical, context.base_url)
    if key is not None and key[0] == "Questionnaire":
        try:
            return (await read(Request("GET", key), context)).resource
        except FhirError:
            return None
    if not canonical:
        return None
    return await named("Questionnaire", canonical, context) or shipped(canonical)


EXTRACT = Operation(
    code="extract",
    definition="http://hl7.org/fhir/uv/sdc/OperationDefinition/QuestionnaireResponse-extract",
    handler=extract,
    types=frozenset({"QuestionnaireResponse"}),
    parameters=_PARAMETERS,
    parameter_types={"questionnaire-response": "QuestionnaireResponse", "persist": "boolean"},
    on_type=True,
    on_instance=True,
    may_affect_state=True,
    returns="Bundle",
)
