"""$convert: a resource from JSON to XML or back, as `Content-Type` and `Accept` say.

https://hl7.org/fhir/R4/resource-operation-convert.html
"""

from fhir_server.context import Context, Request, Response
from fhir_server.operations.inputs import inputs
from fhir_server.operations.operation import Operation
from resources.bundle import refusal
from resources.operation_outcome import InvalidContent
from resources.validation import validate

_PARAMETERS = ("input",)


async def convert(request: Request, context: Context) -> Response:
    """Answer 200 with the resource that was sent, in the format that is asked for.

    What is there must be what FHIR has; it may lack elements, or have codes that the rules do not allow.
    """
    given = inputs(request, _PARAMETERS, resource_name="input", lenient=context.preferences.lenient)
    given.required("input")
    resource = given.resource("input")
    issues = validate(resource)
    failure = refusal(issues) if issues else None
    if isinstance(failure, InvalidContent):
        raise failure
    return Response(200, resource)


CONVERT = Operation(
    code="convert",
    definition="http://hl7.org/fhir/OperationDefinition/Resource-convert",
    handler=convert,
    parameters=_PARAMETERS,
    on_system=True,
    takes_resource=True,
)
