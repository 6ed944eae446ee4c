"""Questionnaire/$populate: a response that is begun with what the record knows already.

https://hl7.org/fhir/uv/sdc/STU3/OperationDefinition-Questionnaire-populate.html
"""

from typing import Any
from urllib.parse import parse_qsl

from fhir_server.context import Context, Request, Response
from fhir_server.interactions.read import read
from fhir_server.operations.inputs import Inputs, inputs
from fhir_server.operations.operation import Operation
from fhir_server.operations.outputs import parameters
from fhir_server.search.parameters import parse_search
from fhir_server.store import instant
from fhir_server.workflows.canonicals import named
from fhir_server.workflows.intake.forms import items, shipped, shipped_forms
from fhir_server.workflows.intake.populating import Population, launch_variables
from fhir_server.workflows.records import local
from resources.bundle import bundle
from resources.definitions import resource_types
from resources.operation_outcome import (
    InvalidContent,
    InvalidSearch,
    ResourceNotFound,
    error,
    operation_outcome,
)

_PARAMETERS = ("questionnaire", "canonical", "subject", "local")
_MOST_FOUND = 100


async def populate(request: Request, context: Context) -> Response:
    """Return a QuestionnaireResponse, in progress, with the answers that are known of the subject.

    The questionnaire is that of the address, or is named by its canonical URL, or is given; those that come
    with the server are known as well. Nothing is stored.
    """
    given = inputs(request, _PARAMETERS, resource_name="questionnaire", lenient=context.preferences.lenient)
    questionnaire = await _questionnaire(request, given, context)
    subject, resource = await _subject(given, context)

    async def find(query: str) -> list[dict[str, Any]]:
        return await _found(query, context)

    variables = launch_variables(questionnaire, resource)
    population = Population(resource, variables, context.now(), find)
    filled = await population.items(items(questionnaire), variables)
    response: dict[str, Any] = {
        "resourceType": "QuestionnaireResponse",
        **({"questionnaire": questionnaire["url"]} if "url" in questionnaire else _by_address(questionnaire)),
        "status": "in-progress",
        "subject": {"reference": subject},
        "authored": instant(context.now()),
        **({"item": filled} if filled else {}),
    }
    listed = [{"name": "response", "resource": response}]
    if population.issues:
        listed.append({"name": "issues", "resource": operation_outcome(population.issues)})
    return Response(200, parameters(listed))


def _by_address(questionnaire: dict[str, Any]) -> dict[str, str]:
    return {"questionnaire": f"Questionnaire/{questionnaire['id']}"} if "id" in questionnaire else {}


async def _questionnaire(request: Request, given: Inputs, context: Context) -> dict[str, Any]:
    if len(request.path) == 3:
        return (await read(Request("GET", request.path[:2]), context)).resource or {}
    inline = given.resource("questionnaire")
    if inline is not None:
        if inline["resourceType"] != "Questionnaire":
            raise InvalidContent(error("value", "The parameter questionnaire is a Questionnaire"))
        return inline
    canonical = given.text("canonical")
    if canonical is None:
        raise InvalidContent(error("required", "One of the parameters questionnaire and canonical is given"))
    found = await named("Questionnaire", canonical, context) or shipped(canonical)
    if found is None:
        raise ResourceNotFound(error("not-found", "There is no questionnaire of this canonical URL"))
    return found


async def _subject(given: Inputs, context: Context) -> tuple[str, dict[str, Any]]:
    value = given.required("subject")
    text = value.get("reference") if isinstance(value, dict) else value
    key = local(text, context.base_url)
    if key is None or key[0] not in resource_types():
        raise InvalidContent(error("value", "The parameter subject is a reference to a resource here"))
    resource = (await read(Request("GET", key), context)).resource or {}
    return "/".join(key), resource


async def _found(text: str, context: Context) -> list[dict[str, Any]]:
    """Return what a search finds of what the caller sees."""
    resource_type, _, asked = text.partition("?")
    if resource_type not in resource_types():
        raise InvalidSearch(error("not-supported", "The search is for no type of resources"))
    pairs = [pair for pair in parse_qsl(asked) if pair[0] not in ("_count", "_include", "_revinclude")]
    count = dict(parse_qsl(asked)).get("_count", "")
    limit = min(int(count), _MOST_FOUND) if count.isdecimal() and len(count) < 6 else _MOST_FOUND
    query = parse_search(resource_type, pairs, lenient=False, base_url=context.base_url, now=context.now())
    keys = [(path, key.direction) for key in query.results.sort for path in key.paths]
    documents = await context.store.find(resource_type, query.filter, keys, {"resource": 1}, limit)
    return [one["resource"] for one in documents]


async def standard_forms(request: Request, context: Context) -> Response:
    """Return the Questionnaires that come with the server, as a Bundle; a hospital may store its own."""
    inputs(request, (), lenient=context.preferences.lenient)
    entries = [{"fullUrl": form["url"], "resource": form} for form in shipped_forms()]
    return Response(200, bundle("collection", entries))


POPULATE = Operation(
    code="populate",
    definition="http://hl7.org/fhir/uv/sdc/OperationDefinition/Questionnaire-populate",
    handler=populate,
    types=frozenset({"Questionnaire"}),
    parameters=_PARAMETERS,
    parameter_types={"questionnaire": "Questionnaire", "canonical": "uri", "subject": "Reference"},
    on_type=True,
    on_instance=True,
)
STANDARD_FORMS = Operation(
    code="standard-forms",
    definition="metadata/OperationDefinition/standard-forms",
    handler=standard_forms,
    types=frozenset({"Questionnaire"}),
    on_type=True,
    returns="Bundle",
)
