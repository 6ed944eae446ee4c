"""The selectors of XML Patch: paths of steps to one element, attribute, text or comment.

They are the part of XPath that RFC 5261 asks for, and paths in conditions:
`f:Patient/f:name[f:use/@value='official'][1]/f:family/@value`. Names without a prefix are in the default
namespace that the patch declares.

Source: https://www.rfc-editor.org/rfc/rfc5261#section-4.1
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from resources.operation_outcome import InvalidContent, error
from resources.patch.xml_tree import FHIR, XHTML, Name

LONGEST_SELECTOR = 2000
_MOST_LEVELS = 10

_USUAL_PREFIXES = {"f": FHIR, "h": XHTML, "xml": "http://www.w3.org/XML/1998/namespace"}

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<string>'[^']*'|"[^"]*")
    |(?P<number>\d{1,9})
    |(?P<call>(?:text|comment|last)\s*\(\s*\))
    |(?P<name>(?:[^\W\d][\w.-]*:)?(?:[^\W\d][\w.-]*|\*))
    |(?P<symbol>[/\[\]@=.])
    )\s*""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Step:
    """One step: to the children or the attribute of a name (None for any name), or to text or comments."""

    kind: Literal["element", "attribute", "text", "comment"]
    name: Name | None = None
    conditions: tuple["Condition", ...] = ()


@dataclass(frozen=True, slots=True)
class Position:
    """Only the one at this position, counted from 1; None is the last."""

    number: int | None


@dataclass(frozen=True, slots=True)
class Has:
    """Only those from which a path, () to itself, leads to something: to this text if there is one."""

    path: tuple[Step, ...]
    text: str | None


Condition = Position | Has


def parse_selector(text: str, namespaces: Mapping[str, str]) -> tuple[Step, ...]:
    """Return the steps of a selector; `namespaces` are those in scope where it stands.

    Raises InvalidContent for what is no such selector.
    """
    if len(text) > LONGEST_SELECTOR:
        raise _no_selector()
    return _Parser(text, {**_USUAL_PREFIXES, "": "", **namespaces}).selector()


def _no_selector() -> InvalidContent:
    return InvalidContent(
        error("value", "A selector of the XML Patch is malformed, or is XPath beyond what XML Patch has")
    )


class _Parser:
    """One pass over the tokens of one selector."""

    def __init__(self, text: str, namespaces: Mapping[str, str]) -> None:
        self._namespaces = namespaces
        self._depth = 0
        self._tokens: list[tuple[str, str]] = []
        position = 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise _no_selector()
            kind = match.lastgroup or ""
            self._tokens.append((kind, match[kind].replace(" ", "") if kind == "call" else match[kind]))
            position = match.end()
        self._tokens.append(("end", ""))

    def selector(self) -> tuple[Step, ...]:
        """Return the whole selector."""
        if self._is("symbol", "/"):
            self._take()
        path = self._path()
        if self._tokens[0][0] != "end":
            raise _no_selector()
        return path

    def _path(self) -> tuple[Step, ...]:
        steps = [self._step()]
        while self._is("symbol", "/"):
            if steps[-1].kind != "element":
                raise _no_selector()
            self._take()
            steps.append(self._step())
        return tuple(steps)

    def _step(self) -> Step:
        kind, text = self._take()
        if kind == "call" and text != "last()":
            return Step("text" if text == "text()" else "comment", None, self._conditions())
        if (kind, text) == ("symbol", "@"):
            return Step("attribute", self._name(self._take(), is_attribute=True))
        return Step("element", self._name((kind, text)), self._conditions())

    def _name(self, token: tuple[str, str], *, is_attribute: bool = False) -> Name | None:
        kind, text = token
        if kind != "name":
            raise _no_selector()
        prefix, _, local = text.rpartition(":")
        if local == "*":
            if prefix or is_attribute:
                raise _no_selector()
            return None
        if prefix not in self._namespaces:
            raise _no_selector()
        return Name("" if is_attribute and not prefix else self._namespaces[prefix], local)

    def _conditions(self) -> tuple[Condition, ...]:
        found: list[Condition] = []
        while self._is("symbol", "["):
            self._take()
            self._depth += 1
            if self._depth > _MOST_LEVELS:
                raise _no_selector()
            found.append(self._condition())
            self._depth -= 1
            if self._take() != ("symbol", "]"):
                raise _no_selector()
        return tuple(found)

    def _condition(self) -> Condition:
        kind, text = self._tokens[0]
        if kind == "number" or text == "last()":
            self._take()
            return Position(int(text) if kind == "number" else None)
        if self._is("symbol", "."):
            self._take()
            path: tuple[Step, ...] = ()
        else:
            path = self._path()
        if not self._is("symbol", "="):
            return Has(path, None)
        self._take()
        kind, text = self._take()
        if kind != "string":
            raise _no_selector()
        return Has(path, text[1:-1])

    def _is(self, kind: str, text: str) -> bool:
        return self._tokens[0] == (kind, text)

    def _take(self) -> tuple[str, str]:
        return self._tokens.pop(0) if self._tokens[0][0] != "end" else self._tokens[0]
