"""The grammar of FHIRPath: http://hl7.org/fhirpath/N1/grammar.html."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.definitions import profile, profile_urls, search_parameter_definitions, structure, type_names
from resources.fhirpath import Expression, FhirPathSyntaxError, parse
from resources.fhirpath.parser import BINDING_POWER
from resources.fhirpath.syntax import (
    Binary,
    Constant,
    Empty,
    Function,
    Indexer,
    Literal,
    Member,
    Polarity,
    QuantityLiteral,
    TypeOperation,
    Variable,
)

A, B, C = Member(None, "a"), Member(None, "b"), Member(None, "c")
ONE, TWO, THREE = (Literal("integer", number) for number in (1, 2, 3))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", Empty()),
        ("{ /* nothing */ }", Empty()),
        ("true", Literal("boolean", True)),
        ("false // really", Literal("boolean", False)),
        ("'it\\'s'", Literal("string", "it's")),
        (r"'\r\n\t\f\\\/\"\` \u00e9'", Literal("string", '\r\n\t\f\\/"` é')),
        ("45", Literal("integer", 45)),
        ("1.50", Literal("decimal", Decimal("1.50"))),
        ("@2015", Literal("date", "2015")),
        ("@2015-02-04", Literal("date", "2015-02-04")),
        ("@2015T", Literal("dateTime", "2015T")),
        ("@2015-02-04T14", Literal("dateTime", "2015-02-04T14")),
        ("@2015-02-04T14:34:28.123-09:00", Literal("dateTime", "2015-02-04T14:34:28.123-09:00")),
        ("@2015-02-04T14:34:28Z", Literal("dateTime", "2015-02-04T14:34:28Z")),
        ("@T14:30", Literal("time", "14:30")),
        ("4.5 'mg'", QuantityLiteral(Decimal("4.5"), "mg", is_calendar_unit=False)),
        ("1 year", QuantityLiteral(Decimal(1), "year", is_calendar_unit=True)),
        ("3 days", QuantityLiteral(Decimal(3), "days", is_calendar_unit=True)),
    ],
)
def test_literals(text: str, expected: Expression) -> None:
    """http://hl7.org/fhirpath/N1/#literals."""
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", A),
        ("`div`", Member(None, "div")),
        ("a.b", Member(A, "b")),
        ("text.`div`.exists()", Function(Member(Member(None, "text"), "div"), "exists", ())),
        ("text.div.mod(a)", Function(Member(Member(None, "text"), "div"), "mod", (A,))),
        ("contains.is.as.in", Member(Member(Member(Member(None, "contains"), "is"), "as"), "in")),
        ("a.day", Member(A, "day")),
        ("a[1].b", Member(Indexer(A, ONE), "b")),
        ("a[b[1]]", Indexer(A, Indexer(B, ONE))),
        ("iif(a, b, c)", Function(None, "iif", (A, B, C))),
        ("a.where(b = 1)", Function(A, "where", (Binary("=", B, ONE),))),
        ("$this.a", Member(Variable("this"), "a")),
        ("$index + $total", Binary("+", Variable("index"), Variable("total"))),
        ("%resource.a", Member(Constant("resource"), "a")),
        ("%'vs-gender'", Constant("vs-gender")),
        ("%`ext-x`", Constant("ext-x")),
        ("(a as Quantity).b", Member(TypeOperation("as", A, "Quantity"), "b")),
        ("a is FHIR.Patient", TypeOperation("is", A, "FHIR.Patient")),
        ("a is System.`String`", TypeOperation("is", A, "System.String")),
        ("a\n .\tb", Member(A, "b")),
    ],
)
def test_paths_and_invocations(text: str, expected: Expression) -> None:
    """http://hl7.org/fhirpath/N1/#expressions."""
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "grouped"),
    [
        ("1 + 2 * 3", "1 + (2 * 3)"),
        ("1 - 2 - 3", "(1 - 2) - 3"),
        ("-1 * 2", "(-1) * 2"),
        ("-a.b", "-(a.b)"),
        ("a & b + c", "(a & b) + c"),
        ("a | b = c", "(a | b) = c"),
        ("a is b | c", "(a is b) | c"),
        ("a + b is c", "(a + b) is c"),
        ("a < b = c > b", "(a < b) = (c > b)"),
        ("a = b in c", "(a = b) in c"),
        ("a in b and c contains b", "(a in b) and (c contains b)"),
        ("a or b and c", "a or (b and c)"),
        ("a xor b or c", "(a xor b) or c"),
        ("a implies b or c", "a implies (b or c)"),
        ("a implies b implies c", "(a implies b) implies c"),
        ("a div b mod c", "(a div b) mod c"),
        ("a !~ b != c", "(a !~ b) != c"),
    ],
)
def test_precedence(text: str, grouped: str) -> None:
    """http://hl7.org/fhirpath/N1/#operator-precedence."""
    assert parse(text) == parse(grouped)


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("", 0, "the expression ends where a name should be"),
        ("a.", 2, "the expression ends where a name should be"),
        ("a b", 2, "there is 'b' where an operator or the end should be"),
        ("a.where(b", 9, "the expression ends where ')' should be"),
        ("a[1", 3, "the expression ends where ']' should be"),
        ("(a", 2, "the expression ends where ')' should be"),
        ("{a}", 1, "there is 'a' where '}' should be"),
        ("a.f(b,)", 6, "there is ')' where a value, a name or a bracket should be"),
        ("a = = b", 4, "there is '=' where a value, a name or a bracket should be"),
        ("a and or", 6, "there is 'or' where a name should be"),
        ("a is 5", 5, "there is '5' where a name should be"),
        ("%", 1, "the expression ends where a name should be"),
        ("a # b", 2, "nothing begins with '#'"),
        ("'open", 0, 'nothing begins with "\'"'),
        (r"'a\q'", 2, r"unknown escape \q"),
        ("@15", 0, "nothing begins with '@'"),
        ("$that", 0, "nothing begins with '$'"),
        ("/* open", 0, "there is '/' where a value, a name or a bracket should be"),
        ("(" * 101 + "a" + ")" * 101, 100, "nested more than 100 levels deep"),
    ],
)
def test_errors_say_what_and_where(text: str, position: int, message: str) -> None:
    """A text that is no expression is an error with the position counted from 0, and for people from 1."""
    with pytest.raises(FhirPathSyntaxError) as caught:
        parse(text)
    assert caught.value.position == position
    assert str(caught.value) == f"FHIRPath, at character {position + 1}: {message}"
    assert caught.value.issues[0].code == "invalid"


def test_a_hundred_levels_are_parsed() -> None:
    """The limit of the nesting is beyond what anybody writes."""
    assert parse("(" * 99 + "a" + ")" * 99) == A


def test_a_long_chain_is_parsed() -> None:
    """Only nesting is limited, not length."""
    assert isinstance(parse(" and ".join(["a"] * 5000)), Binary)


def test_every_expression_of_the_specification_is_parsed() -> None:
    """All invariants and search parameters of R4 are FHIRPath."""
    structures = [structure(name) for kind in ("resource", "complex-type") for name in type_names(kind)]
    structures += [profile(url) for url in profile_urls()]
    found = {
        constraint.expression
        for found_structure in structures
        for element in found_structure.elements.values()
        for constraint in element.constraints
    }
    for facts in search_parameter_definitions():
        found.update(
            part["expression"] for part in (facts, *facts.get("component", ())) if "expression" in part
        )
    assert len(found) > 1500
    for expression in found:
        parse(expression)


def printed_literal(literal: Literal) -> str:
    """Return the text of a literal, strings with all characters escaped."""
    match literal.type:
        case "string":
            return "'" + "".join(f"\\u{ord(character):04x}" for character in str(literal.value)) + "'"
        case "date" | "dateTime":
            return f"@{literal.value}"
        case "time":
            return f"@T{literal.value}"
    return str(literal.value).lower()


def printed_leaf(expression: Expression) -> str:
    """Return the text of an expression that has no others in it."""
    match expression:
        case Literal():
            return printed_literal(expression)
        case QuantityLiteral(value=value, unit=unit, is_calendar_unit=is_calendar_unit):
            return f"{value} {unit}" if is_calendar_unit else f"{value} '{unit}'"
        case Variable(name=name):
            return f"${name}"
        case Constant(name=name):
            return f"%`{name}`"
    return "{}"


def printed(expression: Expression) -> str:
    """Return the text of an expression, with brackets around everything that may have them."""
    match expression:
        case Member(base=base, name=name):
            return f"`{name}`" if base is None else f"({printed(base)}).`{name}`"
        case Function(base=base, name=name, arguments=arguments):
            call = f"`{name}`({', '.join(map(printed, arguments))})"
            return call if base is None else f"({printed(base)}).{call}"
        case Indexer(base=base, index=index):
            return f"({printed(base)})[{printed(index)}]"
        case Polarity(sign=sign, operand=operand):
            return f"{sign}({printed(operand)})"
        case Binary(operator=operator, left=left, right=right):
            return f"({printed(left)}) {operator} ({printed(right)})"
        case TypeOperation(operator=operator, operand=operand, type_name=type_name):
            return f"({printed(operand)}) {operator} {type_name}"
    return printed_leaf(expression)


NAMES = st.sampled_from(["a", "as", "is", "in", "contains", "div", "day", "Patient", "x y"])
DECIMALS = st.decimals(0, 10**6, places=2)
LEAVES: st.SearchStrategy[Expression] = st.one_of(
    st.just(Empty()),
    st.booleans().map(lambda value: Literal("boolean", value)),
    st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=5).map(
        lambda value: Literal("string", value)
    ),
    st.integers(0, 10**9).map(lambda value: Literal("integer", value)),
    DECIMALS.map(lambda value: Literal("decimal", value)),
    st.dates().map(lambda value: Literal("date", value.isoformat())),
    st.datetimes().map(lambda value: Literal("dateTime", value.isoformat())),
    st.times().map(lambda value: Literal("time", value.isoformat())),
    st.builds(QuantityLiteral, DECIMALS, st.sampled_from(["mg", "1", "kg/m2"]), st.just(False)),
    st.builds(QuantityLiteral, DECIMALS, st.sampled_from(["year", "seconds"]), st.just(True)),
    st.sampled_from([Variable("this"), Variable("index"), Variable("total"), Constant("resource")]),
    st.builds(Member, st.none(), NAMES),
)
GROWN: Callable[[st.SearchStrategy[Any]], st.SearchStrategy[Any]] = lambda inner: st.one_of(  # noqa: E731
    st.builds(Member, inner, NAMES),
    st.builds(Function, st.none() | inner, NAMES, st.lists(inner, max_size=3).map(tuple)),
    st.builds(Indexer, inner, inner),
    st.builds(Polarity, st.sampled_from(["+", "-"]), inner),
    st.builds(Binary, st.sampled_from(sorted(set(BINDING_POWER) - {"is", "as"})), inner, inner),
    st.builds(TypeOperation, st.sampled_from(["is", "as"]), inner, st.sampled_from(["Patient", "FHIR.code"])),
)


@given(st.recursive(LEAVES, GROWN, max_leaves=12))
def test_what_is_printed_is_parsed_to_the_same(expression: Expression) -> None:
    """Printing an expression and parsing it again is the identity."""
    assert parse(printed(expression)) == expression


@given(st.text(alphabet="ab.()[]{}'%$@1=|+- is\\`", max_size=30))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    """Whatever the text, there is an expression or a syntax error with a position in it, and nothing else."""
    position = 0
    try:
        parse(text)
    except FhirPathSyntaxError as syntax_error:
        position = syntax_error.position
    assert 0 <= position <= len(text)
