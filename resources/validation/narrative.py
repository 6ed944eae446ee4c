"""Narrative.div: a piece of XHTML with nothing in it that a browser would run, or fetch a style from.

What is not said to be allowed is refused. Document type declarations are refused before they are read, and
with them every entity but XML's own five, so a text cannot grow while it is parsed.

Source: https://hl7.org/fhir/R4/narrative.html#xhtml (invariants txt-1 and txt-2)
"""

import re
from typing import NoReturn
from xml.parsers import expat

from resources.validation.findings import MOST_FINDINGS, Finding, Findings

_XHTML = "http://www.w3.org/1999/xhtml"
_XML = "http://www.w3.org/XML/1998/namespace"

# The lists of invariant txt-1: https://hl7.org/fhir/R4/narrative-definitions.html#Narrative.div
_ELEMENT_NAMES = """
    a abbr acronym b big blockquote br caption cite code col colgroup dd dfn div dl dt em h1 h2 h3 h4 h5 h6 hr
    i img li ol p pre q samp small span strong sub sup table tbody td tfoot th thead tr tt ul var
"""
_ATTRIBUTE_NAMES = """
    abbr accesskey align alt axis bgcolor border cellhalign cellpadding cellspacing cellvalign char charoff
    charset cite class colspan compact coords dir frame headers height href hreflang hspace id lang longdesc
    name nowrap rel rev rowspan rules scope shape span src start style summary tabindex title type valign
    value vspace width
"""
_ELEMENTS = frozenset(f"{_XHTML} {name}" for name in _ELEMENT_NAMES.split())
_ATTRIBUTES = frozenset(_ATTRIBUTE_NAMES.split()) | {f"{_XML} lang", f"{_XML} space"}

_IMAGE = f"{_XHTML} img"
_ADDRESSES = ("href", "src", "cite", "longdesc")
# Browsers skip these characters when they look for the scheme of an address.
_SKIPPED_IN_ADDRESSES = re.compile(r"[\x00-\x20]+")
_ACTIVE_ADDRESS = re.compile(r"javascript:|vbscript:|data:(?!image/(?!svg))", re.IGNORECASE)
# Escapes and comments are refused because they can hide the others.
_ACTIVE_STYLE = re.compile(
    r"url\s*\(|expression\s*\(|@import|behavior\s*:|-moz-binding|\\|/\*", re.IGNORECASE
)

_STARTS_WITH_DIV = re.compile(r"\s*<div[\s/>]").match


class _RefusedMarkup(Exception):
    """The text has markup that is not content: a document type, an XML declaration, an instruction."""


def check(text: str) -> Findings | None:
    """Return what is wrong with the text of a `Narrative.div`; None if nothing is."""
    if not _STARTS_WITH_DIV(text):
        return [Finding("structure", f"The narrative must be one <div> element in the namespace {_XHTML}")]
    reader = _Reader()
    try:
        reader.read(text)
    except expat.ExpatError as failure:
        place = f"line {failure.lineno}, column {failure.offset}"
        reader.add(
            "structure", f"The narrative is not well-formed XML: {expat.ErrorString(failure.code)} ({place})"
        )
    except _RefusedMarkup:
        reader.add("structure", "The narrative may hold neither a document type nor processing instructions")
    except ValueError:
        reader.add("structure", "The narrative holds characters that XML cannot")
    else:
        if not reader.has_content:
            reader.add(
                "invariant",
                "txt-2: The narrative must have some content: text that is not blank, or an image",
            )
    return reader.findings or None


class _Reader:
    """Reads one narrative, event by event, and keeps what is wrong with it."""

    def __init__(self) -> None:
        self.findings: Findings = []
        self.has_content = False
        self._parser = parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartElementHandler = self._start_element
        parser.CharacterDataHandler = self._character_data
        parser.StartDoctypeDeclHandler = parser.ProcessingInstructionHandler = parser.XmlDeclHandler = _refuse

    def read(self, text: str) -> None:
        """Read the whole text; raises ExpatError if it is not well-formed."""
        self._parser.Parse(text, True)

    def add(self, code: str, diagnostics: str) -> None:
        """Keep one more finding, unless there are far too many."""
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(Finding(code, diagnostics))

    def _start_element(self, name: str, attributes: dict[str, str]) -> None:
        if name not in _ELEMENTS:
            self._refuse_here("an element that is not basic XHTML formatting")
        for attribute, value in attributes.items():
            if attribute not in _ATTRIBUTES:
                self._refuse_here("an attribute that is not allowed")
            elif attribute in _ADDRESSES:
                if _ACTIVE_ADDRESS.match(_SKIPPED_IN_ADDRESSES.sub("", value)):
                    self._refuse_here("an address with active content")
            elif attribute == "style" and _ACTIVE_STYLE.search(value):
                self._refuse_here("a style that refers to something outside, or hides what it does")
        if name == _IMAGE and "src" in attributes:
            self.has_content = True

    def _character_data(self, data: str) -> None:
        if not self.has_content and data.strip():
            self.has_content = True

    def _refuse_here(self, what: str) -> None:
        place = f"line {self._parser.CurrentLineNumber}, column {self._parser.CurrentColumnNumber}"
        self.add("invariant", f"txt-1: The narrative holds {what} ({place})")


def _refuse(*_event: object) -> NoReturn:
    raise _RefusedMarkup
