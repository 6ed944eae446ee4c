"""XML documents as trees that can be changed: read with expat, written with one default namespace at a time.

A narrative that was not changed is written character for character as it was read.

Source: https://www.w3.org/TR/xml-names/, https://hl7.org/fhir/R4/xml.html
"""

from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from resources.operation_outcome import InvalidContent, error

FHIR = "http://hl7.org/fhir"
XHTML = "http://www.w3.org/1999/xhtml"

XML_SPACE = " \t\r\n"

MOST_LEVELS = 200

_XML = "http://www.w3.org/XML/1998/namespace"


class Name(NamedTuple):
    """A name with its namespace, "" for none."""

    namespace: str
    local: str


@dataclass(eq=False, slots=True)
class Comment:
    """A comment."""

    text: str


@dataclass(eq=False, slots=True)
class Element:
    """An element; no two strings stand beside each other among its children.

    `namespaces` are the URIs of the prefixes that it declares, the default namespace under "". `source` is
    the text of a narrative as it was read, and `source_as_written` what writing the tree gave for it then.
    """

    name: Name
    attributes: dict[Name, str] = field(default_factory=dict)
    children: list["Child"] = field(default_factory=list)
    namespaces: dict[str, str] = field(default_factory=dict)
    source: str | None = None
    source_as_written: str | None = None


Child = Element | Comment | str

# Browsers take <br></br> for two line breaks, and <b/> for the beginning of bold text.
_VOID = frozenset(Name(XHTML, name) for name in ("br", "hr", "img"))


def read_tree(data: bytes) -> Element:
    """Return the root element of a document; processing instructions are left out.

    Raises InvalidContent for what is not well-formed, not in UTF-8, has a document type, or is nested in more
    than MOST_LEVELS.
    """
    reader = _Reader(data)
    try:
        data.decode("utf-8")
        reader.parser.Parse(data, True)
    except UnicodeDecodeError as failure:
        raise _invalid(f"is not in UTF-8 (at byte {failure.start})") from None
    except expat.ExpatError as failure:
        place = f"line {failure.lineno}, column {failure.offset}"
        raise _invalid(f"is not well-formed: {expat.ErrorString(failure.code)} ({place})") from None
    return next(child for child in reader.open[0].children if isinstance(child, Element))


def _invalid(fault: str) -> InvalidContent:
    return InvalidContent(error("structure", f"The XML {fault}"))


def _name(text: str) -> Name:
    namespace, _, local = text.rpartition(" ")
    return Name(namespace, local)


class _Reader:
    """Builds the tree of one document; `open` are the elements that have begun, the document itself first."""

    def __init__(self, data: bytes) -> None:
        self.open = [Element(Name("", ""))]
        self.parser = parser = expat.ParserCreate("utf-8", " ")
        self._data = data
        self._declared: dict[str, str] = {}
        self._begin_of_narrative = 0
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler, parser.CommentHandler = self._text, self._comment
        parser.StartNamespaceDeclHandler = self._declare
        parser.StartDoctypeDeclHandler = _refuse_document_type

    def _declare(self, prefix: str | None, uri: str | None) -> None:
        self._declared[prefix or ""] = uri or ""

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self.open) > MOST_LEVELS:
            raise _invalid(f"is nested in more than {MOST_LEVELS} levels")
        named = {_name(key): value for key, value in attributes.items()}
        element = Element(_name(name), named, namespaces=self._declared)
        self._declared = {}
        if self._is_narrative(element):
            self._begin_of_narrative = self.parser.CurrentByteIndex
        self.open[-1].children.append(element)
        self.open.append(element)

    def _end(self, _name: str) -> None:
        element = self.open.pop()
        if self._is_narrative(element):
            end = self.parser.CurrentByteIndex
            if self._data.startswith(b"</", end):  # else the parser is behind it already
                end = self._data.index(b">", end) + 1
            element.source_as_written = _written(element)
            element.source = self._data[self._begin_of_narrative : end].decode()

    def _is_narrative(self, element: Element) -> bool:
        return element.name == (XHTML, "div") and self.open[-1].name.namespace == FHIR

    def _text(self, text: str) -> None:
        append(self.open[-1].children, text)

    def _comment(self, text: str) -> None:
        if len(self.open) > 1:
            self.open[-1].children.append(Comment(text))


def _refuse_document_type(*_: object) -> NoReturn:
    raise _invalid("has a document type declaration, which is not allowed")


def append(children: list[Child], child: Child) -> None:
    """Add a child at the end; text is joined with text before it."""
    if isinstance(child, str) and children and isinstance(children[-1], str):
        children[-1] += child
    else:
        children.append(child)


def write_tree(root: Element) -> bytes:
    """Return the document of a root element."""
    return _written(root).encode()


def _written(element: Element) -> str:
    parts: list[str] = []
    _write(element, "", parts)
    return "".join(parts)


def _write(element: Element, default_namespace: str, parts: list[str]) -> None:
    begin = len(parts)
    parts.append(f"<{element.name.local}")
    if element.name.namespace != default_namespace:
        parts.append(f" xmlns={quoteattr(element.name.namespace)}")
    parts += [_attribute(name, value, n) for n, (name, value) in enumerate(element.attributes.items())]
    if not element.children and element.name in _VOID:
        parts.append("/>")
    else:
        parts.append(">")
        _write_children(element, parts)
        parts.append(f"</{element.name.local}>")
    if element.source is not None and "".join(parts[begin:]) == element.source_as_written:
        parts[begin:] = [element.source]


def _write_children(element: Element, parts: list[str]) -> None:
    for child in element.children:
        match child:
            case Element():
                _write(child, element.name.namespace, parts)
            case Comment():
                parts.append(f"<!--{child.text}-->")
            case str():
                parts.append(escape(child, {"\r": "&#13;"}))


def _attribute(name: Name, value: str, number: int) -> str:
    text = quoteattr(value, {"\r": "&#13;", "\n": "&#10;", "\t": "&#9;"})
    if name.namespace == _XML:
        return f" xml:{name.local}={text}"
    if name.namespace:
        return f" xmlns:n{number}={quoteattr(name.namespace)} n{number}:{name.local}={text}"
    return f" {name.local}={text}"
