"""Reads FHIR XML with expat, the parser of the standard library.

Source: https://hl7.org/fhir/R4/xml.html
"""

from typing import Any, NoReturn
from xml.parsers import expat

from resources.operation_outcome import ContentTooLarge, InvalidContent, error
from resources.xml_format.building import Attributes, Misfit, ResourceBuilder
from resources.xml_format.narrative import copy_div, rewrite_div, starts_with_div

LARGEST = 256 * 1024 * 1024
"""Documents with more bytes are refused unread, whatever the server's own limit is."""

_XML_SPACE = " \t\r\n"


def parse(data: bytes) -> dict[str, Any]:
    """Read one resource: the dict that `resources.json_format.parse` gives for the same resource in JSON.

    Integers are int, decimals `decimal.Decimal` with their digits, what may repeat is a list, ids and
    extensions of primitives are in `_name`, and `Narrative.div` is a string. Comments, processing
    instructions and a reference to a schema are ignored.

    Raises InvalidContent, naming the place but never the content, for what is not well-formed, has a document
    type, an encoding other than UTF-8, or elements, attributes or text that its definition does not have at
    that place; ContentTooLarge for more than LARGEST bytes. Whether all that is required is there, and
    whether strings have the form of their type, is for validation to say.
    """
    if len(data) > LARGEST:
        raise ContentTooLarge(error("too-long", f"An XML document may have {LARGEST} bytes"))
    _check_encoding(data)
    return _Reader(data).read()


def _check_encoding(data: bytes) -> None:
    try:
        data.decode("utf-8")
        place = data.find(b"\0")  # Expat takes it for UTF-16, even if it is told that it is not.
    except UnicodeDecodeError as failure:
        place = failure.start
    if place >= 0:
        raise InvalidContent(error("structure", f"The body is not XML in UTF-8 (at byte {place})"))


class _Reader(ResourceBuilder):
    """Builds a resource from one document."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data = data
        self._first_prefix_at = -1
        self._parser = expat.ParserCreate("utf-8", " ")
        self._parser.buffer_text = True

    def read(self) -> dict[str, Any]:
        """Return the resource."""
        try:
            self._parse()
        except expat.ExpatError as failure:
            place = f"line {failure.lineno}, column {failure.offset}"
            text = f"The body is not well-formed XML: {expat.ErrorString(failure.code)} ({place})"
            raise InvalidContent(error("structure", text)) from None
        except Misfit as misfit:
            text = f"{misfit.diagnostics} (line {self._parser.CurrentLineNumber})"
            path = self.path() + misfit.step
            raise InvalidContent(error(misfit.code, text, *([path] if path else []))) from None
        self.align_twins()
        return self.target

    def start_narrative(self, attributes: Attributes) -> None:
        """Leave the parser to the narrative until its end."""
        # Without prefixes the elements around it have the default namespace, so the div declares its own.
        here = self._parser.CurrentByteIndex
        if self._first_prefix_at in (-1, here) and starts_with_div(self._data, here):
            copy_div(self._parser, self._data, self._resume)
        else:
            rewrite_div(self._parser, attributes, self._resume)

    def _resume(self, div: str) -> None:
        self.end_narrative(div)
        self._watch()

    def _parse(self) -> None:
        parser = self._parser
        parser.XmlDeclHandler, parser.StartDoctypeDeclHandler = _declaration, _document_type
        self._watch()
        try:
            parser.Parse(self._data, True)
        finally:
            # The parser knows this object through its handlers: let go, to spare the garbage collector.
            parser.StartElementHandler = parser.EndElementHandler = parser.StartNamespaceDeclHandler = None

    def _watch(self) -> None:
        parser = self._parser
        parser.StartElementHandler, parser.EndElementHandler = self.start, self.end
        parser.StartNamespaceDeclHandler, parser.CharacterDataHandler = self._namespace, _characters

    def _namespace(self, prefix: str | None, _namespace: str) -> None:
        if prefix is not None and self._first_prefix_at < 0:
            self._first_prefix_at = self._parser.CurrentByteIndex


def _characters(data: str) -> None:
    if data.strip(_XML_SPACE):
        raise Misfit("structure", "There may be no text here: values are in the attribute 'value'")


def _declaration(_version: str, encoding: str | None, _standalone: int) -> None:
    if encoding is not None and encoding.lower() != "utf-8":
        raise Misfit("structure", "The encoding must be UTF-8")


def _document_type(*_event: object) -> NoReturn:
    raise Misfit("structure", "A document type declaration is not allowed")
