"""ChargeItemDefinition/$apply: what a charge costs by a definition.

https://hl7.org/fhir/R4/chargeitemdefinition-operation-apply.html
"""

from typing import Any

from fhir_server.context import Context, Request, Response
from fhir_server.operations.inputs import Inputs, inputs
from fhir_server.operations.operation import Operation
from fhir_server.workflows.billing import rules
from fhir_server.workflows.billing.invoice_operations import seen
from fhir_server.workflows.billing.money import money
from fhir_server.workflows.billing.pricing import currency_of, price
from fhir_server.workflows.billing.references import short
from fhir_server.workflows.billing.tariff import load_tariff
from fhir_server.workflows.made import changed
from fhir_server.write_path import commit, replacement
from resources.operation_outcome import InvalidContent, error

_PARAMETERS = ("chargeItem", "account")


async def apply(request: Request, context: Context) -> Response:
    """Answer 200 with the ChargeItem as it is by the definition: its price, and that it is billable.

    By POST it is stored as well; by GET it is only told. A charge that is billed already stays as it is.
    """
    given = inputs(request, _PARAMETERS, lenient=context.preferences.lenient)
    definition = await seen("ChargeItemDefinition", request.path[1], context)
    charge = await seen("ChargeItem", _id(given, "chargeItem", "ChargeItem", context), context)
    if charge.get("status") not in ("planned", "billable"):
        raise rules.CHARGE_STATE.error(f"The charge is {charge.get('status')}", "ChargeItem.status")
    if definition.get("status") != "active":
        raise rules.NO_PRICE.error("The definition is not active", "ChargeItemDefinition.status")
    bare = changed(charge, priceOverride=None)
    version = f"|{definition['version']}" if "version" in definition else ""
    amount = price(bare, definition)
    currency = currency_of(bare, definition, load_tariff(context.settings.tariff).currency)
    account = (
        [{"reference": f"Account/{_id(given, 'account', 'Account', context)}"}]
        if given.one("account")
        else charge.get("account")
    )
    result = changed(
        bare,
        status="billable",
        definitionCanonical=[definition["url"] + version],
        definitionUri=None,
        priceOverride=money(amount, currency),
        account=account,
    )
    if request.method != "POST":
        return Response(200, result)
    [written] = await commit(context, [replacement("ChargeItem", charge["id"], result)])
    stored = written.version
    assert stored is not None  # noqa: S101 - an update always stores a version
    return Response(200, stored.resource, stored.number, stored.updated)


def _id(given: Inputs, name: str, resource_type: str, context: Context) -> str:
    """Return the id of a resource of a type that a parameter, a Reference or its text, leads to."""
    told: Any = given.required(name)
    kind, _, resource_id = (short(told, context.base_url) or "").partition("/")
    if kind != resource_type:
        raise InvalidContent(error("value", f"The parameter {name} is a reference to {resource_type}"))
    return resource_id


APPLY = Operation(
    code="apply",
    definition="http://hl7.org/fhir/OperationDefinition/ChargeItemDefinition-apply",
    handler=apply,
    types=frozenset({"ChargeItemDefinition"}),
    parameters=_PARAMETERS,
    parameter_types={"chargeItem": "Reference", "account": "Reference"},
    on_instance=True,
    may_affect_state=True,
    returns="ChargeItem",
)
