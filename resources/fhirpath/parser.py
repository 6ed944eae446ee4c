"""Parse a FHIRPath expression into the nodes of `resources.fhirpath.syntax`.

It is a precedence parser: an operator takes what stands before it as its left side as long as it binds more
tightly than the operator that is waiting for its right side.

Source: http://hl7.org/fhirpath/N1/grammar.html, http://hl7.org/fhirpath/N1/#operator-precedence
"""

from decimal import Decimal
from functools import lru_cache
from typing import cast

from resources.fhirpath.lexer import FhirPathSyntaxError, Token, tokens
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
    Sign,
    TypeOperation,
    TypeOperator,
    Variable,
    VariableName,
)

BINDING_POWER = {
    operator: power
    for power, operators in enumerate(
        (
            ("implies",),
            ("or", "xor"),
            ("and",),
            ("in", "contains"),
            ("=", "~", "!=", "!~"),
            ("<", "<=", ">", ">="),
            ("|",),
            ("is", "as"),
            ("+", "-", "&"),
            ("*", "/", "div", "mod"),
        ),
        start=1,
    )
    for operator in operators
}
"""How tightly each operator binds, 1 being the loosest; all of them take their left side first."""

_SIGN_POWER = 11
_KEYWORDS = frozenset(("and", "or", "xor", "implies", "div", "mod", "true", "false"))
_CALENDAR_UNITS = frozenset(("year", "month", "week", "day", "hour", "minute", "second", "millisecond"))
_DEEPEST = 100
"""Expressions may come from outside: deeper nesting than this is refused before Python's own limit is met."""
_MOST_DIGITS = 100


@lru_cache(maxsize=4096)
def parse(text: str) -> Expression:
    """Return the expression written in `text`; `FhirPathSyntaxError` (an `InvalidContent`) if it is none."""
    parser = _Parser(text)
    expression = parser.expression(0)
    parser.expect_end()
    return expression


class _Parser:
    """One pass over the tokens of one text."""

    def __init__(self, text: str) -> None:
        self._tokens = list(tokens(text))
        self._next = 0
        self._depth = 0

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def expression(self, least_power: int) -> Expression:
        """Read an expression up to the first operator that binds no tighter than `least_power`."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise FhirPathSyntaxError(f"nested more than {_DEEPEST} levels deep", self._token.position)
        left = self._operand()
        while (power := self._operator_power()) > least_power:
            operator = self._take().text
            if operator in ("is", "as"):
                left = TypeOperation(cast(TypeOperator, operator), left, self._type_name())
            else:
                left = Binary(operator, left, self.expression(power))
        self._depth -= 1
        return left

    def expect_end(self) -> None:
        """Refuse anything after the expression."""
        if self._token.kind != "end":
            raise self._unexpected("an operator or the end")

    def _operator_power(self) -> int:
        if self._token.kind in ("symbol", "identifier"):
            return BINDING_POWER.get(self._token.text, 0)
        return 0

    def _operand(self) -> Expression:
        if self._is_symbol("+", "-"):
            return Polarity(cast(Sign, self._take().text), self.expression(_SIGN_POWER))
        operand = self._term()
        while self._is_symbol(".", "["):
            if self._take().text == ".":
                operand = self._invocation(operand)
            else:
                operand = Indexer(operand, self.expression(0))
                self._expect("]")
        return operand

    def _term(self) -> Expression:
        token = self._token
        match token.kind:
            case "symbol":
                return self._bracketed_or_constant()
            case "number":
                return self._number()
            case "string" | "date" | "dateTime" | "time":
                self._take()
                return Literal(token.kind, token.text)
            case "identifier" if token.text in ("true", "false"):
                self._take()
                return Literal("boolean", token.text == "true")
            case "variable":
                self._take()
                return Variable(cast(VariableName, token.text))
        return self._invocation(None)

    def _bracketed_or_constant(self) -> Expression:
        match self._token.text:
            case "(":
                self._take()
                inner = self.expression(0)
                self._expect(")")
                return inner
            case "{":
                self._take()
                self._expect("}")
                return Empty()
            case "%":
                self._take()
                return Constant(self._take().text if self._token.kind == "string" else self._identifier())
        raise self._unexpected("a value, a name or a bracket")

    def _number(self) -> Expression:
        number = self._take()
        text, unit = number.text, self._token
        if len(text) > _MOST_DIGITS:
            raise FhirPathSyntaxError(f"a number of more than {_MOST_DIGITS} digits", number.position)
        if unit.kind == "string":
            return QuantityLiteral(Decimal(text), self._take().text, is_calendar_unit=False)
        if unit.kind == "identifier" and unit.text.removesuffix("s") in _CALENDAR_UNITS:
            return QuantityLiteral(Decimal(text), self._take().text, is_calendar_unit=True)
        return Literal("decimal", Decimal(text)) if "." in text else Literal("integer", int(text))

    def _invocation(self, base: Expression | None) -> Expression:
        # After a point there can be no operator: `text.div` needs no backticks, and HL7's paths have none.
        is_name = base is not None and self._token.kind == "identifier"
        name = self._take().text if is_name else self._identifier()
        if not self._is_symbol("("):
            return Member(base, name)
        self._take()
        arguments: list[Expression] = []
        if not self._is_symbol(")"):
            arguments.append(self.expression(0))
            while self._is_symbol(","):
                self._take()
                arguments.append(self.expression(0))
        self._expect(")")
        return Function(base, name, tuple(arguments))

    def _type_name(self) -> str:
        name = self._identifier()
        while self._is_symbol("."):
            self._take()
            name += "." + self._identifier()
        return name

    def _identifier(self) -> str:
        token = self._token
        if token.kind == "delimited" or (token.kind == "identifier" and token.text not in _KEYWORDS):
            return self._take().text
        raise self._unexpected("a name")

    def _is_symbol(self, *symbols: str) -> bool:
        return self._token.kind == "symbol" and self._token.text in symbols

    def _take(self) -> Token:
        token = self._token
        if token.kind != "end":
            self._next += 1
        return token

    def _expect(self, symbol: str) -> None:
        if not self._is_symbol(symbol):
            raise self._unexpected(repr(symbol))
        self._take()

    def _unexpected(self, wanted: str) -> FhirPathSyntaxError:
        token = self._token
        found = "the expression ends" if token.kind == "end" else f"there is {token.text!r}"
        return FhirPathSyntaxError(f"{found} where {wanted} should be", token.position)
