r"""Separators in search values, and the backslashes before those that are none.

https://hl7.org/fhir/R4/search.html#escaping
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.search.escaping import split, unescape


@pytest.mark.parametrize(
    ("text", "separator", "expected"),
    [
        ("a,b", ",", ["a", "b"]),
        ("a", ",", ["a"]),
        ("", ",", [""]),
        ("a,,b,", ",", ["a", "", "b", ""]),
        (r"a\,b,c", ",", [r"a\,b", "c"]),
        (r"a\\,b", ",", [r"a\\", "b"]),
        (r"a\\\,b", ",", [r"a\\\,b"]),
        (r"a\$b$c", "$", [r"a\$b", "c"]),
        (r"s|c\|d", "|", ["s", r"c\|d"]),
        (r"a\ ,b", ",", [r"a\ ", "b"]),
        ("a\\", ",", ["a\\"]),
    ],
)
def test_split(text: str, separator: str, expected: list[str]) -> None:
    """Text is split where no backslash says otherwise; a backslash may be escaped itself."""
    assert split(text, separator) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"a\,b", "a,b"),
        (r"a\$b", "a$b"),
        (r"a\|b", "a|b"),
        (r"a\\b", r"a\b"),
        (r"a\nb", r"a\nb"),
        ("a\\", "a\\"),
        (r"\\\,", r"\,"),
    ],
)
def test_unescape(text: str, expected: str) -> None:
    """The four escapes are undone, any other backslash is itself."""
    assert unescape(text) == expected


def _escaped(text: str) -> str:
    for character in "\\,$|":
        text = text.replace(character, f"\\{character}")
    return text


@given(st.lists(st.text(alphabet="ab\\,$| "), min_size=1), st.sampled_from(",$|"))
@pytest.mark.feature("search.escaping")
def test_round_trip(values: list[str], separator: str) -> None:
    """Whatever is escaped and joined comes back when it is split and unescaped."""
    joined = separator.join(_escaped(value) for value in values)
    assert [unescape(part) for part in split(joined, separator)] == values
