"""Which elements of a list are wanted: those with certain values, or that a FHIRPath is true of.

https://hl7.org/fhir/R4/graphql.html#list
"""

import unicodedata
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from fhir_server.graphql.arguments import LIST_ARGUMENTS
from fhir_server.graphql.scalars import as_text
from fhir_server.graphql.selection import Shaping
from resources.fhirpath import FhirPathEvaluationError, FhirPathSyntaxError, Node, evaluate_items, parse
from resources.fhirpath.items import as_json
from resources.fhirpath.nodes import Shape, root_node, type_shape
from resources.fhirpath.work import Work
from resources.operation_outcome import InvalidContent, error

_LONGEST_SUFFIX = 200


def wanted(
    items: Sequence[Any], arguments: Mapping[str, Any], shape: Shape, resource: Mapping[str, Any], work: Work
) -> list[Any]:
    """Return the `items` that the arguments of their field select, in order.

    `shape` is what they are, and `resource` what they are part of. Raises InvalidContent for a malformed
    FHIRPath or a negative number, and TooCostly.
    """
    values = {name: as_text(value) for name, value in arguments.items() if name not in LIST_ARGUMENTS}
    kept = [item for item in items if _has_all(item, values)] if values else list(items)
    expression = arguments.get("fhirpath")
    if expression is not None:
        kept = [item for i, item in enumerate(kept) if is_true(expression, item, shape, resource, work, i)]
    start, count = arguments.get("_offset", 0), arguments.get("_count")
    if start < 0 or (count or 0) < 0:
        raise InvalidContent(error("value", "_offset and _count are whole numbers of at least 0"))
    return kept[start:] if count is None else kept[start : start + count]


def _has_all(item: Any, values: Mapping[str, str]) -> bool:
    return isinstance(item, dict) and all(_has(item.get(name), text) for name, text in values.items())


def _has(found: Any, text: str) -> bool:
    """Tell whether an element has a value; of a list, whether one of them is it."""
    if isinstance(found, list):
        return any(_has(one, text) for one in found)
    if isinstance(found, (int, Decimal)) and not isinstance(found, bool):
        try:
            return Decimal(text) == found
        except InvalidOperation:
            return False
    return found is not None and as_text(found) == text


def is_true(
    expression: str, item: Any, shape: Shape, resource: Mapping[str, Any], work: Work, index: int
) -> bool:
    """Tell whether a FHIRPath is true of an element: it gives `true`, or one thing that is no boolean."""
    found = _evaluated(expression, item, shape, resource, work, index)
    if len(found) > 1:
        raise InvalidContent(error("invalid", "The FHIRPath of a filter gives one value at most"))
    return bool(found) and found[0] is not False


def slice_name(
    shaping: Shaping, item: Any, shape: Shape, resource: Mapping[str, Any], work: Work, index: int
) -> str:
    """Return what `@slice` appends to the name for an element: a point and the value of its path, or ""."""
    if shaping.slice is None:
        return ""
    found = _evaluated(shaping.slice, item, shape, resource, work, index)
    if not found:
        return ""
    text = as_text(found[0])
    if len(found) > 1 or isinstance(found[0], (dict, list)) or not _is_name(text):
        message = f"The path of @slice gives one value, of at most {_LONGEST_SUFFIX} characters"
        raise InvalidContent(error("invalid", message))
    return f".{text}"


def _is_name(text: str) -> bool:
    """Tell whether a text may be part of a name: half of a surrogate pair, for one, cannot be sent."""
    return len(text) <= _LONGEST_SUFFIX and not any(unicodedata.category(one)[0] == "C" for one in text)


def check_syntax(expression: str) -> None:
    """Raise InvalidContent if `expression` is no FHIRPath."""
    try:
        parse(expression)
    except FhirPathSyntaxError as failure:
        raise InvalidContent(*failure.issues) from None


def _evaluated(
    expression: str, item: Any, shape: Shape, resource: Mapping[str, Any], work: Work, index: int
) -> list[Any]:
    try:
        node = _node(item, shape, resource)
        return [as_json(one) for one in evaluate_items(expression, node, work=work, index=index)]
    except (FhirPathSyntaxError, FhirPathEvaluationError) as failure:
        raise InvalidContent(*failure.issues) from None


def _node(item: Any, shape: Shape, resource: Mapping[str, Any]) -> Node:
    if item is resource:
        return root_node(resource)
    if isinstance(item, dict) and "resourceType" in item:
        shape = type_shape(item["resourceType"])
    return Node(item, shape, parent=root_node(resource))
