"""Escape sequences (HL7 v2.5.1 §2.7)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hl7.encoding_characters import DEFAULT, EncodingCharacters
from hl7.errors import NotEncodable
from hl7.escape import escape, unescape

_OTHERS = EncodingCharacters("*", ":", "+", "!", ";", "#")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f", "a|b^c&d~e\\f"),
        ("\\P\\", "\\P\\"),
        ("a\\X41\\b", "aAb"),
        ("\\XC3A4\\", "\u00e4"),
        ("\\XC3\\\\XA4\\", "\u00e4"),
        ("\\X0D\\\\X0a\\", "\r\n"),
        ("\\XFF\\", "\\XFF\\"),
        ("\\X4\\", "\\X4\\"),
        ("one\\.br\\two", "one\ntwo"),
        ("one\\.BR\\two", "one\ntwo"),
        ("one\\.sp2\\two", "one\n\ntwo"),
        ("one\\.sp\\two", "one\ntwo"),
        ("one\\.sk3\\two", "one   two"),
        ("\\.in+4\\one\\.ti-2\\two\\.nf\\\\.fi\\", "onetwo"),
        ("\\.ce\\title", "\ntitle"),
        ("\\.sp999999999\\", "\n" * 100),
        ("\\H\\loud\\N\\", "loud"),
        ("\\Z01\\", "\\Z01\\"),
        ("\\Zsay \\F\\", "\\Zsay \\F\\"),
        ("C:\\temp", "C:\\temp"),
        ("C:\\temp\\", "C:\\temp\\"),
        ("ends with \\", "ends with \\"),
        ("\\", "\\"),
        ("\\\\", "\\\\"),
        ("\\.xx\\", "\\.xx\\"),
        ("\\Q\\", "\\Q\\"),
        ("\\X\\", "\\X\\"),
    ],
)
def test_unescape(text: str, expected: str) -> None:
    """Each sequence says its text; unknown and open ones stay as they are (python-hl7#84 loses them)."""
    assert unescape(text, DEFAULT, "utf-8") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\\M2442\\;3ED\\C2842\\ Yamada", "\u5c71\u7530 Yamada"),
        ("Yamada \\M2442\\;3ED", "Yamada \u5c71\u7530"),
        ("\\M242843\\1h", "\uae40"),
        ("\\M2442\\\u00e4", "\\M2442\\\u00e4"),
        ("\\C9999\\abc", "\\C9999\\abc"),
        ("\\C2842\\a\\F\\b", "a|b"),
    ],
)
def test_other_character_sets(text: str, expected: str) -> None:
    """Parts of a text are of another set; what is not of it stays as it is."""
    assert unescape(text, DEFAULT, "utf-8") == expected


def test_upper_half_of_another_set() -> None:
    """A name of Latin-2 in a message of Latin-1."""
    text = "A\\C2D42\\" + "\u0141".encode("iso8859-2").decode("latin-1")
    assert unescape(text, DEFAULT, "iso8859-1") == "A\u0141"


@settings(deadline=None)
@given(text=st.text(), chars=st.sampled_from([DEFAULT, _OTHERS, EncodingCharacters(subcomponent="")]))
def test_unescape_of_escape_is_the_text(text: str, chars: EncodingCharacters) -> None:
    """Whatever is written is read."""
    written = escape(text, chars, "utf-8")
    assert unescape(written, chars, "utf-8") == text
    delimiters = {chars.field, chars.component, chars.repetition, chars.subcomponent, *"\r\n\x0b\x1c"} - {""}
    assert not delimiters & set(written)


@settings(deadline=None)
@given(text=st.text(alphabet=st.sampled_from("\\FSTREX0123ABHNZCM.br^&~|\r\n\x1b \u00e4")))
def test_any_text_is_unescaped(text: str) -> None:
    """No text is too odd, and what is written again says the same."""
    plain = unescape(text, DEFAULT, "utf-8")
    assert unescape(escape(plain, DEFAULT, "utf-8"), DEFAULT, "utf-8") == plain


def test_characters_that_cannot_be_written() -> None:
    """A character set without the character, and delimiters without an escape character, are told."""
    with pytest.raises(NotEncodable):
        escape("\u0141", DEFAULT, "iso8859-1")
    with pytest.raises(NotEncodable):
        escape("a|b", EncodingCharacters("|", "^", "~", "", ""), "utf-8")
    assert escape("ab", EncodingCharacters("|", "^", "~", "", ""), "utf-8") == "ab"
