"""The items of a collection: elements of resources, FHIRPath's own values, and the way from one to the other.

Source: https://hl7.org/fhir/R4/fhirpath.html#types,
http://hl7.org/fhirpath/N1/#singleton-evaluation-of-collections
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from resources.fhirpath.errors import FhirPathEvaluationError
from resources.fhirpath.nodes import Node, root_node
from resources.fhirpath.quantities import UCUM, Quantity, from_fhir
from resources.fhirpath.temporal import Temporal, TemporalType, parse_temporal
from resources.fhirpath.type_specifiers import TypeInfo, TypeSpecifier, is_a

Value = bool | str | int | Decimal | Quantity | Temporal
"""A value of FHIRPath's own types; Boolean, String, Integer and Decimal are bool, str, int and Decimal."""

Item = Node | Value | TypeInfo
"""One item of a collection: an element of a resource, a value, or what `type()` returns."""

Collection = list[Item]

_TEMPORAL_TYPES: Mapping[str, TemporalType] = {
    "date": "Date",
    "dateTime": "DateTime",
    "instant": "DateTime",
    "time": "Time",
}


def as_item(value: Any) -> Item:
    """Return a JSON value as an item: objects as elements, of a known type if they are resources."""
    if isinstance(value, Mapping):
        return root_node(value)
    if isinstance(value, bool | str | int | Decimal | Quantity | Temporal | Node):
        return value
    raise TypeError(f"{type(value).__name__} is no value of FHIRPath")


def as_json(item: Item) -> Any:
    """Return an item as a JSON value: dates and times as text, quantities as FHIR Quantities."""
    if isinstance(item, Node):
        return item.value
    if isinstance(item, Temporal):
        return str(item)
    if isinstance(item, Quantity):
        code = {} if item.is_calendar else {"system": UCUM, "code": item.unit}
        return {"value": item.value, "unit": item.unit, **code}
    if isinstance(item, TypeInfo):
        return {"namespace": item.namespace, "name": item.name, "baseType": item.base_type}
    return item


def evaluated(item: Item) -> Item:
    """Return the value of a primitive, and of a Quantity in UCUM units; anything else as it is."""
    if not isinstance(item, Node):
        return item
    if item.is_primitive:
        return item if item.value is None else _primitive_value(item)
    if isinstance(item.value, Mapping) and is_a(item.type, "Quantity"):
        return from_fhir(item.value) or item
    return item


def _primitive_value(node: Node) -> Item:
    value = node.value
    if isinstance(value, str):
        type_ = _TEMPORAL_TYPES.get(node.type)
        return (parse_temporal(value, type_) if type_ else None) or value
    if isinstance(value, int) and node.type == "decimal" and not isinstance(value, bool):
        return Decimal(value)
    return value if isinstance(value, bool | int | Decimal) else node


def has_type(item: Item, specifier: TypeSpecifier) -> bool:
    """Tell whether an item is of a type or of a specialisation of it."""
    if isinstance(item, Node):
        return specifier.fhir is not None and is_a(item.type, specifier.fhir)
    return specifier.system in ("Any", system_type(item))


def system_type(item: Value | TypeInfo) -> str:
    """Return the name of a value's type in the model System."""
    match item:
        case bool():
            return "Boolean"
        case str():
            return "String"
        case int():
            return "Integer"
        case Decimal():
            return "Decimal"
        case Quantity():
            return "Quantity"
        case Temporal():
            return item.type
    return "Any"


def type_name(item: Item) -> str:
    """Return the qualified name of an item's type, for messages."""
    return f"FHIR.{item.type}" if isinstance(item, Node) else f"System.{system_type(item)}"


def single(collection: Collection, what: str) -> Item | None:
    """Return the value of the only item, None if there is no item, or if it is a primitive without a value.

    Raises FhirPathEvaluationError, naming `what`, if there are more.
    """
    if len(collection) > 1:
        raise FhirPathEvaluationError(f"{what} takes a single item, not {len(collection)}")
    item = evaluated(collection[0]) if collection else None
    return None if isinstance(item, Node) and item.value is None else item


def single_boolean(collection: Collection, what: str) -> bool | None:
    """Return the only item as a Boolean; an item that is none counts as true."""
    item = single(collection, what)
    return item if item is None or isinstance(item, bool) else True


def single_string(collection: Collection, what: str) -> str | None:
    """Return the only item, which must be a String; None if there is none."""
    item = single(collection, what)
    if item is None or isinstance(item, str):
        return item
    raise wrong_type(item, what, "a String")


def single_integer(collection: Collection, what: str) -> int | None:
    """Return the only item, which must be an Integer; None if there is none."""
    item = single(collection, what)
    if item is None or (isinstance(item, int) and not isinstance(item, bool)):
        return item
    raise wrong_type(item, what, "an Integer")


def wrong_type(item: Item, what: str, wanted: str) -> FhirPathEvaluationError:
    """Return the error for an item of a type that `what` does not take."""
    return FhirPathEvaluationError(f"{what} takes {wanted}, not a {type_name(item)}")
