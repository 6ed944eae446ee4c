"""Each primitive type against the texts and ranges of https://hl7.org/fhir/R4/datatypes.html#primitive."""

from decimal import Decimal
from typing import Any

import pytest

from resources.validation import validate

VALID: list[tuple[str, list[Any]]] = [
    ("base64Binary", ["QQ==", "QUI=", "QUJD", "QUJD REVG", "QU\nJD", "+/+/"]),
    ("boolean", [True, False]),
    ("canonical", ["http://hl7.org/fhir/ValueSet/my-valueset|0.8", "urn:oid:1.2.3", "#local"]),
    ("code", ["a", "final", "two words", "8302-2", "ä", "a\u00a0b"]),
    (
        "date",
        [
            "2018",
            "1973-06",
            "1905-08-23",
            "0001-01-01",
            "9999-12-31",
            "2000-02-29",
            "2024-02-29",
            "0004-02-29",
        ],
    ),
    (
        "dateTime",
        [
            "2018",
            "1973-06",
            "1905-08-23",
            "2015-02-07T13:28:17-05:00",
            "2017-01-01T00:00:00.000Z",
            "2016-12-31T23:59:60Z",
            "2017-01-01T00:00:00.123456789123+14:00",
            "2024-02-29T00:00:00Z",
        ],
    ),
    ("decimal", [0, -1, 10**30, Decimal("1.00"), Decimal("-0.5"), Decimal("1E-10"), Decimal("6.02E+23")]),
    ("id", ["a", "A.b-9", "x" * 64]),
    ("instant", ["2015-02-07T13:28:17.239+02:00", "2017-01-01T00:00:00Z", "2016-12-31T23:59:60Z"]),
    ("integer", [0, -1, -(2**31), 2**31 - 1]),
    ("markdown", ["# a", "line\nline", " "]),
    ("oid", ["urn:oid:1.2.3.4.5", "urn:oid:0.0", "urn:oid:2.16.840"]),
    ("positiveInt", [1, 2**31 - 1]),
    ("string", ["a", " a ", "line\r\n\ttab", "\u00a0", "😀", "x" * 1048576]),
    ("time", ["00:00:00", "23:59:59.999", "12:00:60"]),
    ("unsignedInt", [0, 2**31 - 1]),
    ("uri", ["http://example.org", "urn:uuid:1", "mailto:a@b", "relative/path", "#fragment", "ä"]),
    ("url", ["http://example.org", "ftp://example.org/x"]),
    ("uuid", ["urn:uuid:c757873d-ec9a-4326-a141-556f43239520"]),
]
"""Values that the specification allows, by type."""

WRONG_FORMAT: list[tuple[str, list[Any]]] = [
    ("base64Binary", ["A", "AB", "ABC", "=", "====", "QQ=", "Q===", "QQ==QQ==", "Q$==", "ä==="]),
    ("canonical", ["a b", "http://example.org/x|1 0"]),
    ("code", [" a", "a ", "two  spaces", "a\tb ", " "]),
    (
        "date",
        [
            "0000",
            "18",
            "2018-00",
            "2018-13",
            "2018-1-01",
            "2018-02-29",
            "1900-02-29",
            "0000-02-29",
            "2018-04-31",
            "2018-06-00",
            "2018-01-32",
            "2018-01-01T00:00:00Z",
            "2018-01-01 ",
            "2018-01-01\n",
            "20180101",
            "٢٠١٨",
        ],
    ),
    (
        "dateTime",
        [
            "2018-01-01T00:00:00",
            "2018-01-01T00:00Z",
            "2018-01-01T00Z",
            "2018-01-01T24:00:00Z",
            "2018-01-01T00:60:00Z",
            "2018-01-01T00:00:61Z",
            "2018-01-01T00:00:00.Z",
            "2018-01-01T00:00:00+14:01",
            "2018-01-01T00:00:00+15:00",
            "2018-01-01T00:00:00z",
            "2018-01-01 00:00:00Z",
            "2018-01T00:00:00Z",
            "2018-02-29T00:00:00Z",
            "2018-01-01Z",
        ],
    ),
    ("id", ["a_b", "x" * 65, "a/b", "a b", "ä", "a\n"]),
    ("instant", ["2018", "2018-01-01", "2018-01-01T00:00:00", "2018-01-01T00:00Z", "2018-02-30T00:00:00Z"]),
    ("integer", [2**31, -(2**31) - 1, 10**30, Decimal("1.0"), Decimal("1E3")]),
    ("markdown", ["\x00", "x" * 1048577]),
    ("oid", ["1.2.3", "urn:oid:3.1", "urn:oid:1", "urn:oid:1.02", "urn:oid:1.", "URN:OID:1.2"]),
    ("positiveInt", [0, -1, 2**31, Decimal("1.5")]),
    ("string", ["\x00", "a\x1bb", "\x0b", "x" * 1048577]),
    ("time", ["24:00:00", "12:00", "12:60:00", "12:00:00Z", "1:00:00", "12:00:00."]),
    ("unsignedInt", [-1, 2**31, Decimal("0.0")]),
    ("uri", ["a b", " http://example.org", "http://example.org\n"]),
    ("url", ["a b"]),
    (
        "uuid",
        [
            "c757873d-ec9a-4326-a141-556f43239520",
            "urn:uuid:C757873D-EC9A-4326-A141-556F43239520",
            "urn:uuid:1",
        ],
    ),
]
"""Values of the right JSON type that the specification does not allow, by type."""

NUMBERS = ("boolean", "decimal", "integer", "positiveInt", "unsignedInt")
"""The types that are no JSON strings."""

JSON_TYPES: dict[str, list[Any]] = {
    "boolean": ["true", 1, 0, Decimal("1.0"), {"a": True}, [True]],
    "decimal": ["1.0", True, {"a": 1}, [1], Decimal("NaN"), Decimal("Infinity")],
    "integer": ["1", True, {"a": 1}, [1]],
    "positiveInt": ["1", True],
    "unsignedInt": ["1", False],
} | {name: [1, True, Decimal("1.0"), {"a": "b"}, ["a"]] for name, _ in VALID if name not in NUMBERS}
"""Values of another JSON type than https://hl7.org/fhir/R4/json.html#primitive gives each type."""


def parameters(type_name: str, value: Any) -> dict[str, Any]:
    """Return a resource with one value of the given type."""
    key = f"value{type_name[0].upper()}{type_name[1:]}"
    return {"resourceType": "Parameters", "parameter": [{"name": "x", key: value}]}


def issues(type_name: str, value: Any) -> list[tuple[str, tuple[str, ...]]]:
    """Return code and expressions of the issues of one value."""
    return [(issue.code, issue.expression) for issue in validate(parameters(type_name, value))]


def place(type_name: str) -> tuple[str]:
    """Return the expressions of an issue with the value."""
    return (f"Parameters.parameter[0].value.ofType({type_name})",)


def each(table: list[tuple[str, list[Any]]]) -> list[tuple[str, Any]]:
    """Return the rows of a table, one value each."""
    return [(name, value) for name, values in table for value in values]


def title(value: Any) -> str:
    """Return a short name for a test's parameter."""
    return repr(value)[:40]


@pytest.mark.parametrize(("type_name", "value"), each(VALID), ids=title)
def test_valid_value(type_name: str, value: Any) -> None:
    """A value that the type allows has no issues."""
    assert issues(type_name, value) == []


@pytest.mark.parametrize(("type_name", "value"), each(WRONG_FORMAT), ids=title)
def test_wrong_format(type_name: str, value: Any) -> None:
    """A value that the type does not allow is one issue of code value, at the value."""
    assert issues(type_name, value) == [("value", place(type_name))]


@pytest.mark.parametrize(("type_name", "value"), each(list(JSON_TYPES.items())))
def test_wrong_json_type(type_name: str, value: Any) -> None:
    """A value of another JSON type is one issue of code structure, at the value."""
    assert issues(type_name, value) == [("structure", place(type_name))]


@pytest.mark.parametrize("type_name", list(JSON_TYPES))
@pytest.mark.parametrize("value", ["", None])
def test_empty(type_name: str, value: Any) -> None:
    """https://hl7.org/fhir/R4/json.html: strings are never empty, and properties never null."""
    expected = "structure" if value == "" and type_name in NUMBERS else "invalid"
    assert issues(type_name, value) == [(expected, place(type_name))]
