"""`Narrative.div` on its way between XML, where it is an element, and JSON, where it is a string.

The string is the element as it was written, character for character, wherever it means the same outside of
its document. Whether its content is allowed is for validation to say.

Source: https://hl7.org/fhir/R4/narrative.html#xhtml, https://hl7.org/fhir/R4/json.html#xhtml
"""

import re
from collections.abc import Callable
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from resources.xml_format.building import Attributes, Misfit
from resources.xml_format.elements import XHTML

_XML = "http://www.w3.org/XML/1998/namespace"
_END_OF_DIV = b"</div"

starts_with_div = re.compile(rb"<div[ \t\r\n/>]").match
"""Match the start of a div without a prefix in bytes."""


def is_div(text: str) -> bool:
    """Tell whether `text` is one `div` element of XHTML, well-formed and without a document type."""
    try:
        data = text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    if not starts_with_div(data):
        return False
    names: list[str] = []

    def keep_name_of_root(name: str, _attributes: Attributes) -> None:
        names.append(name)
        parser.StartElementHandler = None

    parser = expat.ParserCreate("utf-8", " ")
    parser.StartElementHandler = keep_name_of_root
    try:
        parser.Parse(data, True)
    except expat.ExpatError:
        return False
    return names == [f"{XHTML} div"]


def copy_div(parser: expat.XMLParserType, data: bytes, done: Callable[[str], None]) -> None:
    """Let `parser`, which is at a `<div` in `data`, pass it, and give it to `done` as it stands there.

    It must not depend on namespaces that are declared around it. `done` is to set the parser's handlers anew.
    """
    begin, level = parser.CurrentByteIndex, 1

    def start(_name: str, _attributes: Attributes) -> None:
        nonlocal level
        level += 1

    def end(_name: str) -> None:
        nonlocal level
        level -= 1
        if level == 0:
            end_tag = parser.CurrentByteIndex
            # <div/> has no end tag, and the parser is behind it already.
            has_end_tag = data.startswith(_END_OF_DIV, end_tag)
            done(data[begin : data.index(b">", end_tag) + 1 if has_end_tag else end_tag].decode())

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.StartNamespaceDeclHandler = parser.CharacterDataHandler = None


def rewrite_div(
    parser: expat.XMLParserType,
    attributes: Attributes,
    done: Callable[[str], None],
) -> None:
    """Let `parser`, which is at the start of a div with `attributes`, pass it, and give it to `done` anew.

    This is for a div that depends on namespaces which are declared around it. `done` is to set the parser's
    handlers anew; until then they raise Misfit for markup that is not XHTML.
    """
    parts: list[str] = []
    level = 0

    def start(name: str, attributes: Attributes) -> None:
        nonlocal level
        level += 1
        declaration = f' xmlns="{XHTML}"' if level == 1 else ""
        parts.append(f"<{local(name, XHTML)}{declaration}{written(attributes)}>")

    def end(name: str) -> None:
        nonlocal level
        level -= 1
        parts.append(f"</{local(name, XHTML)}>")
        if level == 0:
            done("".join(parts))

    def characters(text: str) -> None:
        parts.append(escape(text, {"\r": "&#13;"}))

    def written(attributes: Attributes) -> str:
        return "".join(f" {attribute(name)}={quoteattr(value)}" for name, value in attributes.items())

    def attribute(name: str) -> str:
        return f"xml:{local(name, _XML)}" if " " in name else name

    def local(name: str, expected: str) -> str:
        namespace, _, local_name = name.rpartition(" ")
        if namespace != expected:
            raise Misfit("structure", "The narrative must be XHTML and nothing else")
        return local_name

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.StartNamespaceDeclHandler, parser.CharacterDataHandler = None, characters
    start(f"{XHTML} div", attributes)
