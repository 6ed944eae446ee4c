"""Turn a parsed expression into functions that are called with a scope.

A path and a chain of operators are one head and steps after it, so that a long expression needs no deep
stack; only brackets and arguments nest, and the parser limits these.

Source: http://hl7.org/fhirpath/N1/#expressions
"""

from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache

from resources.fhirpath.arithmetic import negative, positive
from resources.fhirpath.errors import FhirPathEvaluationError
from resources.fhirpath.functions import FUNCTIONS
from resources.fhirpath.functions.navigation import is_type, single_as_type
from resources.fhirpath.items import Collection, Item, evaluated, has_type, single_integer, type_name
from resources.fhirpath.nodes import Node, children, members
from resources.fhirpath.operators import OPERATORS
from resources.fhirpath.parser import parse
from resources.fhirpath.quantities import Quantity, quantity
from resources.fhirpath.scope import Evaluate, Scope
from resources.fhirpath.strictness import refuse_mistakes
from resources.fhirpath.syntax import (
    Binary,
    Constant,
    Empty,
    Expression,
    Function,
    Indexer,
    Literal,
    Member,
    Polarity,
    QuantityLiteral,
    TypeOperation,
    Variable,
)
from resources.fhirpath.temporal import TemporalType, parse_temporal
from resources.fhirpath.type_specifiers import TypeInfo, is_type_name, type_specifier
from resources.fhirpath.variables import constant

LONGEST_EXPRESSION = 20_000
"""Characters; those of the specification have fewer than 2,000."""

_TEMPORAL_TYPES: dict[str, TemporalType] = {"date": "Date", "dateTime": "DateTime", "time": "Time"}

_Step = Callable[[Scope, Collection], Collection]


@lru_cache(maxsize=1024)
def compiled(text: str, is_strict: bool = False) -> Evaluate:
    """Return the function that evaluates an expression; with `is_strict` certain mistakes are refused.

    Raises FhirPathSyntaxError for a text that is none, FhirPathEvaluationError for one that names a function
    or type that does not exist, or that is longer than LONGEST_EXPRESSION.
    """
    if len(text) > LONGEST_EXPRESSION:
        raise FhirPathEvaluationError(
            f"the expression has more than {LONGEST_EXPRESSION:,} characters", "too-long"
        )
    expression = parse(text)
    if is_strict:
        refuse_mistakes(expression)
    return _compiled(expression)


def _compiled(node: Expression) -> Evaluate:
    steps: list[_Step] = []
    while (taken := _taken_apart(node)) is not None:
        node, step = taken
        steps.append(step)
    head = _head(node)
    steps.reverse()
    return _chain(head, tuple(steps)) if steps else head


def _chain(head: Evaluate, steps: tuple[_Step, ...]) -> Evaluate:
    def evaluate(scope: Scope) -> Collection:
        found = head(scope)
        for step in steps:
            found = step(scope, found)
            scope.run.work.spend(1)
        return found

    return evaluate


def _taken_apart(node: Expression) -> tuple[Expression, _Step] | None:
    """Return what comes first in an expression and the step that follows it; None if it is one thing."""
    match node:
        case Member(base=base, name=name) if base is not None:
            return base, _member(name)
        case Function(base=base) if base is not None:
            return base, _call(node)
        case Indexer(base=base, index=index):
            return base, _indexer(_compiled(index))
        case Binary(operator=operator, left=left, right=right):
            return left, _binary(operator, _compiled(right))
        case TypeOperation(operator=operator, operand=operand, type_name=name):
            specifier = type_specifier(name)
            typed = is_type if operator == "is" else single_as_type
            return operand, lambda _, items: typed(items, specifier)
        case Polarity(sign=sign, operand=operand):
            signed = negative if sign == "-" else positive
            return operand, lambda _, items: signed(items)
    return None


def _head(node: Expression) -> Evaluate:
    match node:
        case Empty():
            return lambda _: []
        case Literal() | QuantityLiteral():
            value = _literal(node)
            return lambda _: [value]
        case Variable(name="this"):
            return lambda scope: scope.focus
        case Variable(name="index"):
            return lambda scope: [] if scope.index is None else [scope.index]
        case Variable():
            return lambda scope: scope.total
        case Constant(name=name):
            return lambda scope: constant(scope.run, name)
        case Member(name=name):
            return _type_or_member(name)
        case Function():
            call = _call(node)
            return lambda scope: call(scope, scope.focus)
    raise TypeError(f"{type(node).__name__} does not begin an expression")


def _literal(node: Literal | QuantityLiteral) -> Item:
    match node:
        case QuantityLiteral(value=value, unit=unit):
            return quantity(value, unit)
        case Literal(type="date" | "dateTime" | "time" as type_, value=str(text)):
            temporal = parse_temporal(text, _TEMPORAL_TYPES[type_])
            if temporal is None:
                raise FhirPathEvaluationError(f"@{text} is no {type_}")
            return temporal
    return node.value


def _type_or_member(name: str) -> Evaluate:
    """A name at the beginning is the type of what is looked at, or else one of its children."""
    if not is_type_name(name):
        member = _member(name)
        return lambda scope: member(scope, scope.focus)
    specifier = type_specifier(name)

    def of_type(scope: Scope) -> Collection:
        found = [item for item in scope.focus if has_type(item, specifier)]
        if scope.run.is_strict and not found and scope.focus:
            raise FhirPathEvaluationError(f"the path begins with {name}, but is evaluated on something else")
        return found

    return of_type


def _member(name: str) -> _Step:
    def step(scope: Scope, items: Collection) -> Collection:
        found: Collection = []
        for item in items:
            if scope.run.is_strict and not _has_member(item, name):
                raise FhirPathEvaluationError(f"a {type_name(item)} has no element {name}")
            found += _children(item, name)
        scope.run.work.spend(len(found))
        return found

    return step


def _has_member(item: Item, name: str) -> bool:
    return name in members(item.shape) if isinstance(item, Node) else isinstance(item, TypeInfo | Quantity)


def _children(item: Item, name: str) -> Collection:
    if isinstance(item, TypeInfo):
        return [*item.member(name)]
    if not isinstance(item, Node):
        return _parts(item, name)
    if name == "value" and item.is_primitive:
        value = evaluated(item)
        return [] if value is item else [value]
    return [*children(item, name)]


def _parts(item: Item, name: str) -> Collection:
    """Return the value or unit of a quantity; nothing else of System has parts."""
    if not isinstance(item, Quantity):
        return []
    parts: dict[str, Decimal | str] = {"value": item.value, "unit": item.unit}
    return [parts[name]] if name in parts else []


def _indexer(index: Evaluate) -> _Step:
    def step(scope: Scope, items: Collection) -> Collection:
        place = single_integer(index(scope), "[]")
        return [] if place is None or place < 0 else items[place : place + 1]

    return step


def _binary(operator: str, right: Evaluate) -> _Step:
    operation = OPERATORS[operator]
    return lambda scope, left: operation(left, right(scope), scope.run.work)


def _call(node: Function) -> _Step:
    function = FUNCTIONS.get(node.name)
    if function is None:
        raise FhirPathEvaluationError(f"there is no function {node.name[:40]}()")
    if not function.least <= len(node.arguments) <= function.most:
        raise FhirPathEvaluationError(f"{node.name}() does not take {len(node.arguments)} arguments")
    call = function.call
    match function.takes:
        case "type":
            specifier = type_specifier(_type_name(node.arguments[0]))
            return lambda scope, items: call(scope, items, specifier)
        case "sort keys":
            keys = [_sort_key(argument) for argument in node.arguments or (Variable("this"),)]
            return lambda scope, items: call(scope, items, *keys)
    arguments = [_compiled(argument) for argument in node.arguments]
    if function.takes == "expressions":
        return lambda scope, items: call(scope, items, *arguments)
    return lambda scope, items: call(scope, items, *(argument(scope) for argument in arguments))


def _type_name(node: Expression) -> str:
    match node:
        case Member(base=None, name=name):
            return name
        case Member(base=Member(base=None, name=namespace), name=name):
            return f"{namespace}.{name}"
    raise FhirPathEvaluationError("a type is named by a name, or by two with a point between them")


def _sort_key(node: Expression) -> tuple[Evaluate, bool]:
    """A minus before the key is no operator, but sorts in descending order; so strings can be sorted too."""
    if isinstance(node, Polarity) and node.sign == "-":
        return _compiled(node.operand), True
    return _compiled(node), False
