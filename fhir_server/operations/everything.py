"""$everything: the record of a patient, of all patients, or of an encounter, with what it refers to.

https://hl7.org/fhir/R4/patient-operation-everything.html,
https://hl7.org/fhir/R4/encounter-operation-everything.html
"""

from fhir_server.context import Context, Request, Response
from fhir_server.interactions.read import read
from fhir_server.operations.everything_pages import Everything, everything_page
from fhir_server.operations.inputs import Inputs, inputs
from fhir_server.operations.operation import Operation
from fhir_server.operations.outputs import entry
from fhir_server.operations.pages import first_request, page_links
from fhir_server.operations.supporting import Whose, references
from resources.bundle import bundle
from resources.definitions import resource_types
from resources.operation_outcome import InvalidContent, error

_OF_ENCOUNTER = ("_since", "_type", "_count")
_OF_PATIENT = ("start", "end", *_OF_ENCOUNTER)


async def everything(request: Request, context: Context) -> Response:
    """Answer 200 with a page of a Bundle of type searchset; 404 or 410 if there is no such patient."""
    names = _OF_PATIENT if request.path[0] == "Patient" else _OF_ENCOUNTER
    asked, after = await first_request(request, context)
    given = inputs(asked, names, lenient=context.preferences.lenient)
    end = given.interval("end")
    wanted = Everything(
        request.path[0],
        await _whose(request, context) if len(request.path) == 3 else None,
        given.instant("start"),
        end[1] if end else None,
        given.instant("_since"),
        _types(given),
    )
    found, position = await everything_page(wanted, after, _size(given, context), context)
    pairs = [(name, str(value)) for name, values in given.given.items() for value in values]
    links = await page_links(request, pairs, position, context)
    is_whole = after is None and position is None
    total = sum(mode == "match" for mode, _ in found) if is_whole else None
    entries = [entry(mode, resource, context.base_url) for mode, resource in found]
    return Response(200, bundle("searchset", entries, links=links, total=total))


async def _whose(request: Request, context: Context) -> Whose:
    resource_type, resource_id, _ = request.path
    resource = (await read(Request("GET", (resource_type, resource_id)), context)).resource or {}
    if resource_type == "Patient":
        return Whose(resource_type, resource_id, frozenset([resource_id]))
    subject = {"resourceType": resource_type, "subject": resource.get("subject", {})}
    patients = (name.partition("/") for name in references(subject, context.base_url))
    return Whose(resource_type, resource_id, frozenset(i for kind, _, i in patients if kind == "Patient"))


def _types(given: Inputs) -> frozenset[str] | None:
    names = given.texts("_type")
    if any(name not in resource_types() for name in names):
        raise InvalidContent(error("value", "The parameter _type is the names of resource types"))
    return frozenset(names) or None


def _size(given: Inputs, context: Context) -> int:
    """Return the number of entries on a page: all of them, unless the client or the server says otherwise."""
    count = given.count("_count")
    if count == 0:
        raise InvalidContent(error("value", "The parameter _count is a whole number, 1 at least"))
    most = context.settings.max_page_size
    return most if count is None else min(count, most)


PATIENT_EVERYTHING = Operation(
    code="everything",
    definition="http://hl7.org/fhir/OperationDefinition/Patient-everything",
    handler=everything,
    types=frozenset({"Patient"}),
    parameters=_OF_PATIENT,
    on_type=True,
    on_instance=True,
)
ENCOUNTER_EVERYTHING = Operation(
    code="everything",
    definition="http://hl7.org/fhir/OperationDefinition/Encounter-everything",
    handler=everything,
    types=frozenset({"Encounter"}),
    parameters=_OF_ENCOUNTER,
    on_instance=True,
)
