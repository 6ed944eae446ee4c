"""What can be told to be a mistake from an expression alone, without a resource.

Source: http://hl7.org/fhirpath/N1/#type-safety-and-strict-evaluation, http://hl7.org/fhirpath/N1/#tree-navigation
"""

from collections.abc import Iterator

from resources.fhirpath.errors import FhirPathEvaluationError
from resources.fhirpath.nodes import members, type_shape
from resources.fhirpath.syntax import (
    Binary,
    Expression,
    Function,
    Indexer,
    Member,
    Polarity,
    TypeOperation,
)
from resources.fhirpath.type_specifiers import type_specifier

_NEED_ORDER = frozenset(("first", "last", "tail", "skip", "take"))
_WITHOUT_ORDER = frozenset(("children", "descendants"))
_KEEP_ORDER = frozenset(("where", "select", "ofType", "as", "trace", "exclude"))


def refuse_mistakes(expression: Expression) -> None:
    """Raise FhirPathEvaluationError for an element that a type cannot have, or an order that is not there."""
    pending = [expression]
    while pending:
        node = pending.pop()
        match node:
            case Member(base=base, name=name) if base is not None:
                _refuse_unknown_member(base, name)
            case Function(base=base, name=name) if name in _NEED_ORDER and base and _has_no_order(base):
                raise FhirPathEvaluationError(f"{name}() is asked of items that have no order")
            case Indexer(base=base) if _has_no_order(base):
                raise FhirPathEvaluationError("an index is asked of items that have no order")
        pending += _parts(node)


def _refuse_unknown_member(base: Expression, name: str) -> None:
    if isinstance(base, TypeOperation) and base.operator == "as":
        type_name = type_specifier(base.type_name).fhir
        if type_name is not None and name not in members(type_shape(type_name)):
            raise FhirPathEvaluationError(f"a FHIR.{type_name} has no element {name}")


def _has_no_order(node: Expression) -> bool:
    while True:
        match node:
            case Function(name=name) if name in _WITHOUT_ORDER:
                return True
            case Function(base=base, name=name) if base is not None and name in _KEEP_ORDER:
                node = base
            case Member(base=base) if base is not None:
                node = base
            case _:
                return False


def _parts(node: Expression) -> Iterator[Expression]:
    match node:
        case Member(base=base) if base is not None:
            yield base
        case Function(base=base, arguments=arguments):
            yield from arguments
            if base is not None:
                yield base
        case Indexer(base=base, index=index):
            yield from (base, index)
        case Binary(left=left, right=right):
            yield from (left, right)
        case TypeOperation(operand=operand) | Polarity(operand=operand):
            yield operand
