"""PlanDefinition/$apply: the drafts that an order set has for a patient.

https://hl7.org/fhir/R4/plandefinition-operation-apply.html
"""

from fhir_server.context import Context, Request, Response
from fhir_server.operations.inputs import inputs
from fhir_server.operations.operation import Operation
from fhir_server.workflows.order_sets.applying import applied
from fhir_server.workflows.order_sets.gathering import CONCEPTS, case_of, plan_of

_PARAMETERS = ("planDefinition", "subject", "encounter", "practitioner", "organization", *CONCEPTS)


async def apply(request: Request, context: Context) -> Response:
    """Answer 200 with a CarePlan that proposes what an order set has for a patient, as drafts to choose from.

    It contains a RequestGroup with the actions that apply, and a request for each; nothing of it is stored.
    The order set is that of the address, or is given.
    """
    is_of_type = len(request.path) == 2
    resource_name = "planDefinition" if is_of_type else None
    lenient = context.preferences.lenient
    given = inputs(request, _PARAMETERS, resource_name=resource_name, lenient=lenient)
    plan = await plan_of(request, given, context)
    return Response(200, applied(plan, await case_of(plan, given, context)))


APPLY = Operation(
    code="apply",
    definition="http://hl7.org/fhir/OperationDefinition/PlanDefinition-apply",
    handler=apply,
    types=frozenset({"PlanDefinition"}),
    parameters=_PARAMETERS,
    parameter_types={"planDefinition": "PlanDefinition", **dict.fromkeys(CONCEPTS, "CodeableConcept")},
    parameter_docs={
        "planDefinition": "The order set, on the type alone.",
        "subject": "For whom, a Patient or Group; one of each other type that actions are about.",
        "encounter": "An encounter of the subject.",
        "practitioner": "Who asks for it; the caller if nobody is named.",
        "organization": "Who asks for it if no practitioner does.",
        **dict.fromkeys(CONCEPTS, "For expressions to ask."),
    },
    on_type=True,
    on_instance=True,
    returns="CarePlan",
)
