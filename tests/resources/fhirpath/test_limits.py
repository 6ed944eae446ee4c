"""No expression takes much time or memory, whatever it asks for: expressions come from outside."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.fhirpath import FhirPathEvaluationError, FhirPathSyntaxError, evaluate
from resources.operation_outcome import FhirError, TooCostly

NAMES = [{"family": f"f{number}", "given": ["a", "b"]} for number in range(1000)]
PATIENT: dict[str, Any] = {"resourceType": "Patient", "name": NAMES}


@pytest.mark.parametrize(
    "expression",
    [
        "1.repeat($this + 1)",
        "'a'.repeat($this & 'a')",
        "name.select(%resource.name.given)",
        "name.select(%resource.name.given.count())",
        "name.select(%resource.name = %resource.name)",
        "name.select(%resource.name ~ %resource.name)",
        "name.select(%resource.name.sort(family).first())",
        "name.select(%resource.name.select(1.5.exp()))",
        "name.select(%resource.name.select('2015-01-01T10:00:00Z'.toDateTime() + 1 month))",
        "name.select(%resource.descendants().count())",
        "descendants().where($this ~ %resource)",
        "descendants().distinct().where($this in %resource.descendants())",
        "name.family.select(toChars().select(%resource.name.family.join(',')))",
        "name.select(%text.toChars().count())",
        "name.select(%text.split('').count())",
    ],
)
def test_work_is_bounded(expression: str) -> None:
    """An expression that asks for too much is refused within seconds."""
    begin = time.process_time()
    with pytest.raises(TooCostly):
        evaluate(expression, PATIENT, variables={"text": "x" * 5000})
    assert time.process_time() - begin < 10


@pytest.mark.parametrize(
    "expression",
    [
        "'x'.combine('x').aggregate($total & $total, %text)",
        "%text.replace('', %text)",
        "%text.toChars().take(3).join(%text)",
        "%text.encode('hex')",
        "%text.escape('html')",
        "%text.replaceMatches('a', %text)",
    ],
)
def test_texts_are_bounded(expression: str) -> None:
    """No text of more than a million characters is made."""
    with pytest.raises(TooCostly):
        evaluate(expression, {}, variables={"text": "&" * 600_000})


def test_long_expressions() -> None:
    """A path or a chain of operators may be long; brackets may nest a hundred times, and not more."""
    assert evaluate(".".join(["$this"] + ["first()"] * 2000) + ".exists()", PATIENT) == [True]
    assert evaluate(" + ".join(["1"] * 2000), {}) == [2000]
    nested = 49
    assert evaluate("iif(true, " * nested + "1" + ")" * nested, {}) == [1]
    with pytest.raises(FhirPathSyntaxError, match="nested more than"):
        evaluate("(" * 200 + "1" + ")" * 200, {})
    with pytest.raises(FhirPathEvaluationError, match="more than 20,000 characters"):
        evaluate("1" + " " * 20_000, {})
    with pytest.raises(FhirPathSyntaxError, match="a number of more than 100 digits"):
        evaluate("1" * 10_000, {})


def test_deep_resources() -> None:
    """A resource that is nested too deeply for Python's stack is an error like any other."""
    resource: dict[str, Any] = {"resourceType": "Patient", "extension": []}
    for _ in range(5000):
        resource = {
            "resourceType": "Patient",
            "extension": [{"url": "u", "extension": resource["extension"]}],
        }
    assert evaluate("descendants().ofType(Extension).count()", resource) == [5000]
    with pytest.raises(FhirPathEvaluationError, match="nested too deeply"):
        evaluate("extension = extension", resource)


PIECES = """
name given family $this %resource 'a' 1 2.5 @2012 @T10 {} true . , ( ) ) ) [ ] + - * / = ~ < | & and in is as
String where( select( repeat( descendants() count() first() distinct() iif( toString() matches( aggregate(
"""


@given(st.lists(st.sampled_from(PIECES.split()), max_size=14))
def test_whatever_is_asked(pieces: list[str]) -> None:
    """Any text is answered with a list or refused with a FhirError."""
    small = {"resourceType": "Patient", "name": NAMES[:3]}
    for text in ("".join(pieces), " ".join(pieces)):
        try:
            found = evaluate(text, small)
        except FhirError:
            continue
        assert isinstance(found, list)
