"""What a FHIRPath expression is made of: the nodes that the parser builds and that an evaluator walks.

Source: http://hl7.org/fhirpath/N1/grammar.html
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal as OneOf

VariableName = OneOf["this", "index", "total"]
TypeOperator = OneOf["is", "as"]
Sign = OneOf["+", "-"]


@dataclass(frozen=True, slots=True)
class Empty:
    """The empty collection `{}`."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A value written in the expression: `true`, `'text'`, `5`, `1.50`, `@2015`, `@2015-02-07T13:28`, `@T14`.

    `value` is a bool, str, int or Decimal; dates and times stay text without the `@` (a time without `@T`),
    because their precision is part of what they say.
    """

    type: OneOf["boolean", "string", "integer", "decimal", "date", "dateTime", "time"]
    value: bool | str | int | Decimal


@dataclass(frozen=True, slots=True)
class QuantityLiteral:
    """A number with a unit: a UCUM code as in `4 'mg'`, or a calendar word as in `6 months`."""

    value: Decimal
    unit: str
    is_calendar_unit: bool


@dataclass(frozen=True, slots=True)
class Variable:
    """`$this`, `$index` or `$total`; `name` is without the sign."""

    name: VariableName


@dataclass(frozen=True, slots=True)
class Constant:
    """An environment variable such as `%resource` or `%'vs-name'`; `name` is without the sign."""

    name: str


@dataclass(frozen=True, slots=True)
class Member:
    """The children called `name` of `base`, or of the context if `base` is None; there also a type's name."""

    base: "Expression | None"
    name: str


@dataclass(frozen=True, slots=True)
class Function:
    """A call of the function `name` on `base`, or on the context if `base` is None."""

    base: "Expression | None"
    name: str
    arguments: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Indexer:
    """`base[index]`."""

    base: "Expression"
    index: "Expression"


@dataclass(frozen=True, slots=True)
class Polarity:
    """A sign before an expression."""

    sign: Sign
    operand: "Expression"


@dataclass(frozen=True, slots=True)
class Binary:
    """Two expressions with one of the operators of `resources.fhirpath.parser.BINDING_POWER` between them."""

    operator: str
    left: "Expression"
    right: "Expression"


@dataclass(frozen=True, slots=True)
class TypeOperation:
    """`operand is type_name` or `operand as type_name`; the name may be qualified, as in `FHIR.Patient`."""

    operator: TypeOperator
    operand: "Expression"
    type_name: str


Expression = (
    Empty
    | Literal
    | QuantityLiteral
    | Variable
    | Constant
    | Member
    | Function
    | Indexer
    | Polarity
    | Binary
    | TypeOperation
)
