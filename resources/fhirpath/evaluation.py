"""Evaluate FHIRPath expressions on resources.

Source: http://hl7.org/fhirpath/N1/, https://hl7.org/fhir/R4/fhirpath.html
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import localcontext
from typing import Any

from resources.fhirpath.arithmetic import CONTEXT
from resources.fhirpath.compilation import compiled
from resources.fhirpath.errors import FhirPathEvaluationError
from resources.fhirpath.items import Collection, as_json
from resources.fhirpath.nodes import Node, root_node
from resources.fhirpath.scope import MemberOf, Resolve, Run, Scope
from resources.fhirpath.variables import variables_for
from resources.fhirpath.work import Work


def evaluate(
    expression: str,
    resource: Mapping[str, Any] | Node,
    *,
    variables: Mapping[str, Any] | None = None,
    resolve: Resolve | None = None,
    member_of: MemberOf | None = None,
    now: datetime | None = None,
    is_strict: bool = False,
) -> list[Any]:
    """Return what an expression selects from a resource, as JSON values: [] for nothing.

    `resource` may also be an element in one, as a Node that `evaluate_items` returned. `variables` are JSON
    values, or lists of them, by their names without the percent sign. `resolve` finds the target of a
    reference or canonical; without it only contained resources are found. `member_of` is asked by
    `memberOf()`. `now` must know its offset. With `is_strict` an element that the definitions do not know is
    an error, not nothing.

    Raises FhirPathSyntaxError, FhirPathEvaluationError, and TooCostly for an expression that asks for very
    much work. Dates come as text, and quantities that were calculated as FHIR Quantities.
    """
    found = evaluate_items(
        expression,
        resource,
        variables=variables,
        resolve=resolve,
        member_of=member_of,
        now=now,
        is_strict=is_strict,
    )
    return [as_json(item) for item in found]


def evaluate_items(
    expression: str,
    resource: Mapping[str, Any] | Node,
    *,
    variables: Mapping[str, Any] | None = None,
    resolve: Resolve | None = None,
    member_of: MemberOf | None = None,
    now: datetime | None = None,
    is_strict: bool = False,
    work: Work | None = None,
    index: int | None = None,
) -> Collection:
    """Return what `evaluate` does with its types: elements as Nodes, which know their place, and values.

    Evaluations that are given the same `work` share its limit. `index` is what `$index` stands for, if the
    caller goes through the elements of a list.
    """
    context = resource if isinstance(resource, Node) else root_node(resource)
    run = Run(
        variables=variables_for(context, variables or {}),
        now=now or datetime.now().astimezone(),
        is_strict=is_strict,
        resolve=resolve,
        member_of=member_of,
        work=work or Work(),
    )
    try:
        with localcontext(CONTEXT):
            return compiled(expression, is_strict)(Scope([context], run, index))
    except RecursionError:
        raise FhirPathEvaluationError(
            "the resource or the expression is nested too deeply", "too-long"
        ) from None
