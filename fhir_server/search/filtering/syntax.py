"""The grammar of `_filter`: from text to a tree of tests. https://hl7.org/fhir/R4/search_filter.html

`and` and `or` have no precedence: an expression is read from left to right. A path may have a filter in
square brackets after a reference, which the resource that it leads to must meet too, and `:Type` as a chain
has it.
"""

import json
import re
from dataclasses import dataclass

from resources.operation_outcome import InvalidSearch, error

OPERATORS = frozenset(
    {
        *("eq", "ne", "co", "sw", "ew", "gt", "lt", "ge", "le", "ap"),
        *("sa", "eb", "pr", "po", "ss", "sb", "in", "ni", "re"),
    }
)

_DEEPEST = 20
_MOST_TESTS = 100

_SPACE = re.compile(r"\s*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_:-]*")
_WORD = re.compile(r"[a-z]+(?![A-Za-z0-9_:.\[-])")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_TOKEN = re.compile(r"[^\s()\]\"][^\s()\]]*")


@dataclass(frozen=True, slots=True)
class Test:
    """One comparison: what `path` leads to, an operator, and the value as text."""

    path: tuple["Step", ...]
    operator: str
    value: str

    def __str__(self) -> str:
        """Return the test as text that no other test has."""
        return f"{'.'.join(map(str, self.path))} {self.operator} {json.dumps(self.value)}"


@dataclass(frozen=True, slots=True)
class Step:
    """One name of a path, and the filter that the resource must meet to which the name leads."""

    name: str
    filter: "Filter | None" = None

    def __str__(self) -> str:
        """Return the step as it might be written."""
        return self.name if self.filter is None else f"{self.name}[{self.filter}]"


@dataclass(frozen=True, slots=True)
class Logic:
    """Two filters of which both hold (`and`) or one (`or`)."""

    operator: str
    left: "Filter"
    right: "Filter"

    def __str__(self) -> str:
        """Return the expression as it might be written."""
        return f"({self.left} {self.operator} {self.right})"


@dataclass(frozen=True, slots=True)
class Not:
    """A filter that does not hold."""

    filter: "Filter"

    def __str__(self) -> str:
        """Return the expression as it might be written."""
        return f"not ({self.filter})"


Filter = Test | Logic | Not


def parse(text: str) -> Filter:
    """Return the tree of a filter; raise InvalidSearch that says where it is not one."""
    parser = _Parser(text)
    found = parser.filter()
    parser.expect_end()
    return found


class _Parser:
    """Reads a filter from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._depth = 0
        self._tests = 0

    def filter(self) -> Filter:
        """Read an expression up to a closing bracket or the end."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._refusal(f"brackets are nested {_DEEPEST} deep at most")
        found = self._operand()
        while (operator := self._word("and", "or")) is not None:
            found = Logic(operator, found, self._operand())
        self._depth -= 1
        return found

    def expect_end(self) -> None:
        """Refuse whatever is left."""
        self._skip()
        if self._position < len(self._text):
            raise self._refusal("'and', 'or' or the end is expected")

    def _operand(self) -> Filter:
        start = self._position
        if self._word("not") is not None:
            if self._take("("):
                return Not(self._bracketed(")"))
            self._position = start
        if self._take("("):
            return self._bracketed(")")
        return self._test()

    def _bracketed(self, closing: str) -> Filter:
        found = self.filter()
        if not self._take(closing):
            raise self._refusal(f"'{closing}' is expected")
        return found

    def _test(self) -> Test:
        self._tests += 1
        if self._tests > _MOST_TESTS:
            raise self._refusal(f"a filter has {_MOST_TESTS} comparisons at most")
        path = [self._step()]
        while self._text.startswith(".", self._position):
            self._position += 1
            path.append(self._step())
        operator = self._word(*sorted(OPERATORS))
        if operator is None:
            raise self._refusal(f"an operator is expected: {', '.join(sorted(OPERATORS))}")
        return Test(tuple(path), operator, self._value())

    def _step(self) -> Step:
        if not self._path_has_begun():
            self._skip()
        name = self._match(_NAME)
        if name is None:
            raise self._refusal("the name of a search parameter is expected")
        if not self._text.startswith("[", self._position):
            return Step(name)
        self._position += 1
        return Step(name, self._bracketed("]"))

    def _path_has_begun(self) -> bool:
        return self._position > 0 and self._text[self._position - 1] == "."

    def _value(self) -> str:
        self._skip()
        quoted = self._match(_STRING)
        if quoted is not None:
            return self._unquoted(quoted)
        token = self._match(_TOKEN)
        if token is None:
            raise self._refusal("a value is expected: a token, or a string in double quotes")
        return token

    def _unquoted(self, quoted: str) -> str:
        try:
            value = str(json.loads(quoted))
            value.encode()
        except ValueError:  # not JSON, or half a pair of surrogates
            raise self._refusal("a string is written as in JSON") from None
        if "\0" in value:
            raise self._refusal("a string has no null characters")
        return value

    def _word(self, *words: str) -> str | None:
        start = self._position
        self._skip()
        word = self._match(_WORD)
        if word in words:
            return word
        self._position = start
        return None

    def _take(self, character: str) -> bool:
        self._skip()
        if self._text.startswith(character, self._position):
            self._position += 1
            return True
        return False

    def _skip(self) -> None:
        self._match(_SPACE)

    def _match(self, pattern: re.Pattern[str]) -> str | None:
        found = pattern.match(self._text, self._position)
        if found is None:
            return None
        self._position = found.end()
        return found[0]

    def _refusal(self, what_is_right: str) -> InvalidSearch:
        message = f"_filter: at character {self._position + 1} {what_is_right}"
        return InvalidSearch(error("value", message))
