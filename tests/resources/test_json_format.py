"""JSON in and out (https://hl7.org/fhir/R4/json.html)."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.json_format import dumps, parse
from resources.operation_outcome import InvalidContent

DIGITS = [
    "1.00",
    "0.0",
    "-0.0",
    "-0",
    "1.10",
    "100",
    "0.000000001",
    "3.14159265358979323846",
    "12345678901234567890123",
]

REFUSED = {
    "not JSON": b"{",
    "trailing text": b"{} {}",
    "single quotes": b"{'a': 1}",
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": -Infinity}',
    "duplicate key": b'{"a": 1, "a": 1}',
    "nested duplicate key": b'{"b": [{"a": 1, "a": 2}]}',
    "lone surrogate": b'{"a": "\\ud800"}',
    "lone low surrogate": b'{"a": "\\uDC00x"}',
    "null character": b'{"a": "x\\u0000"}',
    "raw control character": b'{"a": "\x01"}',
    "control character in a key": b'{"\\u0001": 1}',
    "not UTF-8": b'{"a": "\xff"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "deep nesting": b"[" * 10_000 + b"]" * 10_000,
    "too many digits": b'{"a": 1.' + b"1" * 40 + b"}",
    "exponent out of range": b'{"a": 1e99999}',
    "exponent that no decimal has": b'{"a": -1e99999999999999999999}',
    "exponent of a million digits": b'{"a": 1e' + b"9" * 1_000_000 + b"}",
    "a million digits": b'{"a": ' + b"9" * 1_000_000 + b"}",
    "duplicate key behind many others": b"{" + b"".join(b'"%d":0,' % i for i in range(50_000)) + b'"0":0}',
    "empty": b"",
}


@pytest.mark.parametrize("literal", DIGITS)
def test_digits_survive(literal: str) -> None:
    """A number comes out with the digits with which it came in."""
    assert dumps(parse(b'{"a":' + literal.encode() + b"}")) == b'{"a":' + literal.encode() + b"}"


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED.keys())
def test_ambiguous_or_broken_json_is_refused(data: bytes) -> None:
    """What is not strict, unambiguous JSON is an error that tells nothing of the content."""
    with pytest.raises(InvalidContent) as caught:
        parse(data)
    assert caught.value.issues[0].code in {"structure", "value"}


def test_escaped_pairs_and_permitted_controls_are_kept() -> None:
    """A surrogate pair, tabs and line ends are ordinary text."""
    assert parse(b'{"a": "\\ud83d\\ude00\\t\\r\\n"}') == {"a": "\U0001f600\t\r\n"}


def test_only_decimals_are_written_specially() -> None:
    """A value that JSON does not know is a programming error, not silence."""
    with pytest.raises(TypeError):
        dumps({"a": object()})


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**31), 2**31)
    | st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(categories=["L"])), inner),
)


@given(VALUES)
def test_write_then_read_is_the_identity(value: Any) -> None:
    """Whatever can be written reads back equal, decimals digit for digit."""
    again = parse(dumps(value))
    assert again == value
    assert json.dumps(again, default=str) == json.dumps(value, default=str)


def test_pretty_means_indented() -> None:
    """`_pretty` indents and changes nothing else."""
    assert dumps({"a": [Decimal("1.0")]}, pretty=True) == b'{\n  "a": [\n    1.0\n  ]\n}\n'
