"""_text and _content: words of the narrative, and of all of a resource's texts.

Indexed are the words of the narrative in `search._text`, and those of all other elements for people (names,
displays, notes; of the types string and markdown) in `search._content`: folded as strings are, without codes,
identifiers and addresses. A question is words that all must be there, with `and`, `or`, `not` and brackets
between them; words in quotes are a unit, whose order is not looked at; `card*` is the start of a word.
https://hl7.org/fhir/R4/search.html#content
"""

import html
import re
from functools import cache, lru_cache
from typing import Any

from fhir_server.search.asked import Condition, both, either, starting_with
from fhir_server.search.scope import Scope
from fhir_server.search.string import normalised
from resources.definitions import structure, type_names
from resources.operation_outcome import InvalidSearch, error

TEXT_PATH = "search._text"
CONTENT_PATH = "search._content"
_PATHS = {"_text": (TEXT_PATH,), "_content": (CONTENT_PATH, TEXT_PATH)}

_WORD = re.compile(r"[^\W_]+")
_TAG = re.compile(r"<[^>]*>")
_TOKEN = re.compile(r'\s*(?:(?P<bracket>[()])|"(?P<phrase>[^"]*)"|(?P<word>[^\s()"]+))')
_LONGEST_WORD = 40
_LONGEST_REMEMBERED = 200
_LONGEST_NARRATIVE = 100_000
# Of a resource that is a book, the first words are found.
_MOST_WORDS = 2_000
_MOST_ASKED = 50
_DEEPEST = 20

# Strings that are no words of a language: what points somewhere, counts something or is compared as a token.
_NO_TEXT = frozenset(
    {"reference", "value", "code", "version", "versionId", "expression", "data", "id", "div"}
)


@cache
def _text_keys() -> frozenset[str]:
    """Return the JSON keys under which a text for people may stand, in whatever type."""
    found = set()
    for name in (*type_names("resource"), *type_names("complex-type")):
        for path, element in structure(name).elements.items():
            key = path.rpartition(".")[2]
            for reference in element.types:
                if reference.code in ("string", "markdown"):
                    end = reference.code[0].upper() + reference.code[1:]
                    found.add(key.removesuffix("[x]") + end if key.endswith("[x]") else key)
    return frozenset(found - _NO_TEXT)


def words(resource: dict[str, Any]) -> dict[str, list[str]]:
    """Return the index values `_text` and `_content` of a resource, each only if it has words."""
    narrative = _words_of_narrative(resource)
    known = frozenset(narrative)
    strings: dict[str, None] = {}
    _collect(resource, _text_keys(), strings)
    texts: dict[str, None] = {}
    for text in strings:
        for word in _words_of(text) if len(text) <= _LONGEST_REMEMBERED else _split(text):
            if word not in known:
                texts[word] = None
    found = {}
    if narrative:
        found["_text"] = list(narrative)[:_MOST_WORDS]
    if texts:
        found["_content"] = list(texts)[:_MOST_WORDS]
    return found


def _collect(node: dict[str, Any], keys: frozenset[str], found: dict[str, None]) -> None:
    for key, value in node.items():
        kind = type(value)
        if kind is str:
            if key in keys:
                found[value] = None
        elif kind is dict:
            _collect(value, keys, found)
        elif kind is list:
            for item in value:
                if type(item) is dict:
                    _collect(item, keys, found)
                elif type(item) is str and key in keys:
                    found[item] = None


def _words_of_narrative(resource: dict[str, Any]) -> tuple[str, ...]:
    div: str = resource.get("text", {}).get("div", "") if "text" in resource else ""
    return _split(html.unescape(_TAG.sub(" ", div[:_LONGEST_NARRATIVE]))) if div else ()


def _split(text: str) -> tuple[str, ...]:
    """Return the words of a text, each once, in their order."""
    found = _WORD.findall(normalised(text))
    return tuple(dict.fromkeys(word for word in found if len(word) <= _LONGEST_WORD))


# Displays and names of codes come again and again.
_words_of = lru_cache(maxsize=8192)(_split)


def condition(name: str, _resource_type: str, texts: tuple[str, ...], _scope: Scope) -> Condition:
    """Return the condition that the words of `_text` or `_content` (`name`) are as each of `texts` says."""
    return both(_Question(name, text).condition() for text in texts)


class _Question:
    """Reads what is asked of words, from left to right; `and` goes before `or`."""

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._paths = _PATHS[name]
        self._tokens = [match for match in _TOKEN.finditer(text) if match.lastgroup]
        self._position = 0
        self._depth = 0
        if len(self._tokens) > _MOST_ASKED:
            raise self._refusal(f"{_MOST_ASKED} words at most")

    def condition(self) -> Condition:
        """Return the condition of the whole question."""
        found = self._either()
        if self._position < len(self._tokens):
            raise self._refusal("a bracket is closed that was not opened")
        return found

    def _either(self) -> Condition:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._refusal(f"brackets are nested {_DEEPEST} deep at most")
        sides = [self._all()]
        while self._take("or"):
            sides.append(self._all())
        self._depth -= 1
        return either(sides)

    def _all(self) -> Condition:
        parts = [self._operand()]
        while self._position < len(self._tokens) and self._next() not in (")", "or"):
            self._take("and")
            parts.append(self._operand())
        return both(parts)

    def _operand(self) -> Condition:
        if self._take("not"):
            return {"$nor": [self._operand()]}
        if self._take("("):
            found = self._either()
            if not self._take(")"):
                raise self._refusal("a bracket is not closed")
            return found
        if self._position == len(self._tokens) or self._next() in (")", "and", "or"):
            raise self._refusal("a word is expected")
        match = self._tokens[self._position]
        self._position += 1
        return self._words(match[match.lastgroup or 0])

    def _words(self, text: str) -> Condition:
        is_start = text.endswith("*")
        found = _WORD.findall(normalised(text))
        if not found:
            raise self._refusal("a word has letters or digits")
        tests: list[Any] = list(found)
        if is_start:
            tests[-1] = {"$elemMatch": starting_with(found[-1])}
        return both(either({path: test} for path in self._paths) for test in tests)

    def _next(self) -> str:
        match = self._tokens[self._position]
        return "" if match.lastgroup == "phrase" else match[match.lastgroup or 0].lower()

    def _take(self, token: str) -> bool:
        if self._position < len(self._tokens) and self._next() == token:
            self._position += 1
            return True
        return False

    def _refusal(self, what_is_right: str) -> InvalidSearch:
        return InvalidSearch(error("value", f"{self._name}: {what_is_right}"))
