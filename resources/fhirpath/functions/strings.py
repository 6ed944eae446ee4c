"""Functions on single strings.

Positions are counted in characters from 0.

Source: http://hl7.org/fhirpath/N1/#string-manipulation, http://hl7.org/fhirpath/#additional-string-functions
"""

from collections.abc import Callable, Mapping

from resources.fhirpath.functions.definition import Function
from resources.fhirpath.functions.encodings import decoded, encoded, escaped, unescaped
from resources.fhirpath.functions.regular_expressions import matches, matches_whole, replace_matches
from resources.fhirpath.items import Collection, Value, single_integer, single_string
from resources.fhirpath.scope import Scope


def _on_string(name: str, call: Callable[..., Value | None], arguments: int = 0) -> Function:
    """Return the function for a Python one that takes the input and so many arguments, strings all of them.

    Its result is empty if one of them is.
    """

    def function(scope: Scope, items: Collection, *others: Collection) -> Collection:
        texts = [single_string(collection, f"{name}()") for collection in (items, *others)]
        if None in texts:
            return []
        result = call(*texts)
        if isinstance(result, str):
            scope.run.work.making(result)
        return [] if result is None else [result]

    return Function(function, arguments, arguments)


def _index_of(text: str, part: str) -> int:
    return text.find(part)


def _contains(text: str, part: str) -> bool:
    return part in text


def _replace(scope: Scope, items: Collection, pattern: Collection, substitution: Collection) -> Collection:
    text, old, new = (single_string(part, "replace()") for part in (items, pattern, substitution))
    if text is None or old is None or new is None:
        return []
    places = text.count(old)
    scope.run.work.expecting(len(text) + places * max(len(new) - len(old), 0))
    return [scope.run.work.making(text.replace(old, new))]


def _substring(_: Scope, items: Collection, start: Collection, *length: Collection) -> Collection:
    text, first = single_string(items, "substring()"), single_integer(start, "substring()")
    if text is None or first is None or not 0 <= first < len(text):
        return []
    count = single_integer(length[0], "substring()") if length else None
    return [text[first:] if count is None else text[first : first + max(count, 0)]]


def _to_chars(scope: Scope, items: Collection) -> Collection:
    text = single_string(items, "toChars()") or ""
    scope.run.work.spend(len(text))
    return list(text)


def _split(scope: Scope, items: Collection, separator: Collection) -> Collection:
    text, between = single_string(items, "split()"), single_string(separator, "split()")
    if text is None:
        return []
    parts = text.split(between) if between else list(text)
    scope.run.work.spend(len(parts))
    return [*parts]


def _join(scope: Scope, items: Collection, *separator: Collection) -> Collection:
    between = (single_string(separator[0], "join()") if separator else None) or ""
    texts = [text for item in items if (text := single_string([item], "join()")) is not None]
    if not texts:
        return []
    scope.run.work.expecting(sum(map(len, texts)) + len(between) * len(texts))
    return [scope.run.work.making(between.join(texts))]


def _trim(text: str) -> str:
    return text.strip(" \t\r\n")


STRINGS: Mapping[str, Function] = {
    "indexOf": _on_string("indexOf", _index_of, 1),
    "substring": Function(_substring, 1, 2),
    "startsWith": _on_string("startsWith", str.startswith, 1),
    "endsWith": _on_string("endsWith", str.endswith, 1),
    "contains": _on_string("contains", _contains, 1),
    "upper": _on_string("upper", str.upper),
    "lower": _on_string("lower", str.lower),
    "replace": Function(_replace, 2, 2),
    "matches": _on_string("matches", matches, 1),
    "matchesFull": _on_string("matchesFull", matches_whole, 1),
    "replaceMatches": _on_string("replaceMatches", replace_matches, 2),
    "length": _on_string("length", len),
    "toChars": Function(_to_chars),
    "trim": _on_string("trim", _trim),
    "split": Function(_split, 1, 1),
    "join": Function(_join, 0, 1),
    "encode": _on_string("encode", encoded, 1),
    "decode": _on_string("decode", decoded, 1),
    "escape": _on_string("escape", escaped, 1),
    "unescape": _on_string("unescape", unescaped, 1),
}
