"""The functions on strings: http://hl7.org/fhirpath/N1/#string-manipulation."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.fhirpath import FhirPathEvaluationError, evaluate
from resources.operation_outcome import TooCostly


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("'abcdefg'.indexOf('bc')", [1]),
        ("'abcdefg'.indexOf('x')", [-1]),
        ("'abcdefg'.indexOf('')", [0]),
        ("'a🔥b'.indexOf('b')", [2]),
        ("{}.indexOf('a')", []),
        ("'a'.indexOf({})", []),
        ("'abcdefg'.substring(3)", ["defg"]),
        ("'abcdefg'.substring(1, 2)", ["bc"]),
        ("'abcdefg'.substring(6, 2)", ["g"]),
        ("'abcdefg'.substring(7, 1)", []),
        ("'abcdefg'.substring(-1, 1)", []),
        ("'abcdefg'.substring(3, 0)", [""]),
        ("'abcdefg'.substring(3, {})", ["defg"]),
        ("'abcdefg'.substring({})", []),
        ("'abcdefg'.startsWith('abc')", [True]),
        ("'abcdefg'.endsWith('abc')", [False]),
        ("'abcdefg'.endsWith('')", [True]),
        ("'abcdefg'.contains('cd')", [True]),
        ("'abc'.upper()", ["ABC"]),
        ("'ABC'.lower()", ["abc"]),
        ("'abcdefg'.replace('cde', '123')", ["ab123fg"]),
        ("'abcdefg'.replace('cde', '')", ["abfg"]),
        ("'abc'.replace('', 'x')", ["xaxbxcx"]),
        ("'abc'.replace({}, 'x')", []),
        ("'abc'.length()", [3]),
        ("''.length()", [0]),
        ("'abc'.toChars()", ["a", "b", "c"]),
        ("{}.toChars()", []),
        ("' a \\t\\n'.trim()", ["a"]),
        ("'A,,C'.split(',')", ["A", "", "C"]),
        ("'ABC'.split('')", ["A", "B", "C"]),
        ("{}.split(',')", []),
        ("('A' | 'B').join(',')", ["A,B"]),
        ("('A' | 'B').join()", ["AB"]),
        ("{}.join(',')", []),
        ("'test'.encode('base64')", ["dGVzdA=="]),
        ("'subjects?_d'.encode('urlbase64')", ["c3ViamVjdHM_X2Q="]),
        ("'ä'.encode('hex')", ["c3a4"]),
        ("'c3a4'.decode('hex')", ["ä"]),
        ("'c3ViamVjdHM_X2Q='.decode('urlbase64')", ["subjects?_d"]),
        ("'dGVzdA=='.decode('base64')", ["test"]),
        ("'c3'.decode('hex')", []),
        ("'!'.decode('base64')", []),
        ("'a/b'.decode('urlbase64')", []),
        ("'\"<&\\n'.escape('html')", ["&quot;&lt;&amp;\n"]),
        ("'\"\\n'.escape('json')", ['\\"\\n']),
        ("'&lt;'.unescape('html')", ["<"]),
        ("'\\\\\"\\\\u0041\\\\n'.unescape('json')", ['"A\n']),
    ],
)
def test_strings(expression: str, expected: list[Any]) -> None:
    """http://hl7.org/fhirpath/N1/#string-manipulation, http://hl7.org/fhirpath/#additional-string-functions."""
    assert evaluate(expression, {}) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("'http://x/Library/y'.matches('Library')", [True]),
        ("'http://x/Library/y'.matches('library')", [False]),
        ("'http://x/Library/y'.matches('^Library$')", [False]),
        ("'N8000123123'.matches('^N[0-9]{8}$')", [False]),
        ("'A\\nB'.matches('A.B')", [True]),
        ("'A'.matches({})", []),
        ("'N8000123123'.matchesFull('N[0-9]{8}')", [False]),
        ("'N8000123123'.matchesFull('N[0-9]{10}')", [True]),
        ("'ab\\n'.matchesFull('a|ab')", [False]),
        ("'aaabaa'.replaceMatches('aa', '\"aa\"')", ['"aa"ab"aa"']),
        ("'abc123'.replaceMatches('[0-9]', '-')", ["abc---"]),
        ("'abc'.replaceMatches('', 'x')", ["abc"]),
        ("'a  b   c'.replaceMatches('\\\\s+', ' ')", ["a b c"]),
        ("'John Smith'.replaceMatches('(\\\\w+) (\\\\w+)', '$2, $1')", ["Smith, John"]),
        ("'a'.replaceMatches('(a)|(b)', '[$2]')", ["[]"]),
        (
            r"'11/30/1972'.replaceMatches('\\b(?<month>\\d{1,2})/(?<day>\\d{1,2})/(?<year>\\d{2,4})\\b', "
            "'${day}-${month}-${year}')",
            ["30-11-1972"],
        ),
    ],
)
def test_regular_expressions(expression: str, expected: list[Any]) -> None:
    """http://hl7.org/fhirpath/N1/#matchesregex--string--boolean and the two functions after it."""
    assert evaluate(expression, {}) == expected


@pytest.mark.parametrize(
    "expression",
    [
        "'a'.matches('(')",
        "'a'.matches('(?=a)')",
        "'a'.replaceMatches('(', 'x')",
        "'a'.replaceMatches('(?=a)', 'x')",
        "'a'.replaceMatches('(?<!a)', 'x')",
        "'a'.replaceMatches('(a|b)*', 'x')",
        "'a'.replaceMatches('(a){2}', 'x')",
        "'a'.replaceMatches('a', '$1')",
        "'a'.replaceMatches('a', '${b}')",
        f"'a'.matches('{'a' * 1001}')",
    ],
)
def test_patterns_that_are_refused(expression: str) -> None:
    """Malformed patterns, and those whose cost is not bounded, are errors."""
    with pytest.raises(FhirPathEvaluationError, match="a regular expression"):
        evaluate(expression, {})


@pytest.mark.parametrize(
    ("pattern", "length"),
    [(".*.*.*x", 1000), ("a{,300}a{,300}a{,300}x", 1000), ("a?" * 40 + "x", 100), ("a{50000}b", 60_000)],
)
def test_replacements_that_could_take_long(pattern: str, length: int) -> None:
    """A pattern that could be tried in very many ways is refused before it is tried."""
    with pytest.raises(TooCostly):
        evaluate(f"%text.replaceMatches('{pattern}', '')", {}, variables={"text": "a" * length})


def test_matching_takes_no_longer_than_the_text() -> None:
    """The pattern that backtracking engines never end on is answered at once."""
    variables = {"text": "a" * 100_000 + "b"}
    assert evaluate("%text.matches('^(a+)+$')", {}, variables=variables) == [False]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("(1 | 2).upper()", "upper() takes a single item, not 2"),
        ("1.upper()", "upper() takes a String, not a System.Integer"),
        ("'a'.substring('b')", "substring() takes an Integer, not a System.String"),
        ("(1 | 'a').join()", "join() takes a String, not a System.Integer"),
        ("'a'.encode('rot13')", "'rot13' is no encoding that is known here"),
        ("'a'.decode('rot13')", "'rot13' is no encoding that is known here"),
        ("'a'.escape('sql')", "'sql' is no target of escapes that is known here"),
        ("'a'.unescape('sql')", "'sql' is no target of escapes that is known here"),
    ],
)
def test_errors(expression: str, message: str) -> None:
    """What is no single string is an error."""
    with pytest.raises(FhirPathEvaluationError) as caught:
        evaluate(expression, {})
    assert str(caught.value) == f"FHIRPath: {message}"


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_what_is_encoded_is_decoded(text: str) -> None:
    """Encodings and escapes are undone by their counterparts."""
    for format_ in ("hex", "base64", "urlbase64"):
        expression = f"%text.encode('{format_}').decode('{format_}')"
        assert evaluate(expression, {}, variables={"text": text}) == [text]
    for target in ("html", "json"):
        expression = f"%text.escape('{target}').unescape('{target}')"
        assert evaluate(expression, {}, variables={"text": text}) == [text]
    assert evaluate("%text.toChars().join()", {}, variables={"text": text}) == ([text] if text else [])
