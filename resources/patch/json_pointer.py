"""JSON Pointer: the places in a JSON document, and documents that differ in one place.

Source: https://www.rfc-editor.org/rfc/rfc6901
"""

import re
from collections.abc import Callable
from typing import Any

from resources.operation_outcome import InvalidContent, UnprocessableContent, error

Pointer = tuple[str, ...]
"""The reference tokens of a pointer, unescaped; () is the whole document."""

MOST_TOKENS = 200
"""Resources are not nested that deeply."""

_AFTER_THE_LAST = "-"
_BAD_ESCAPE = re.compile(r"~(?![01])")
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)


def parse_pointer(text: str) -> Pointer:
    """Return the tokens of a pointer such as `/name/0/given`; InvalidContent if it is none."""
    if text == "":
        return ()
    if not text.startswith("/") or _BAD_ESCAPE.search(text) or text.count("/") > MOST_TOKENS:
        raise InvalidContent(error("value", "A path in a JSON Patch is no JSON Pointer"))
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in text[1:].split("/"))


def value_at(document: Any, pointer: Pointer) -> Any:
    """Return the value that a pointer names; UnprocessableContent if there is none."""
    for token in pointer:
        document = document[key_in(document, token)]
    return document


def key_in(container: Any, token: str) -> str | int:
    """Return the key or index of a child that is there; UnprocessableContent if it is not."""
    if isinstance(container, dict) and token in container:
        return token
    if isinstance(container, list) and _INDEX.fullmatch(token) and int(token) < len(container):
        return int(token)
    raise missing()


def missing() -> UnprocessableContent:
    """Return the error for a place that is not there; it does not name it, as keys may be data."""
    return UnprocessableContent(
        error("not-found", "A JSON Patch names a place that the resource does not have")
    )


def changed(document: Any, pointer: Pointer, change: Callable[[Any, str], Any]) -> Any:
    """Return a document in which the container at `pointer[:-1]` is `change(container, token)`.

    Nothing of the old document is changed: what lies on the way is copied, the rest is shared.
    """
    *way, token = pointer
    passed: list[tuple[Any, str | int]] = []
    for step in way:
        key = key_in(document, step)
        passed.append((document, key))
        document = document[key]
    document = change(document, token)
    for container, key in reversed(passed):
        container = container.copy()
        container[key] = document
        document = container
    return document


def with_value(container: Any, token: str, value: Any) -> Any:
    """Return a container to which a value is added: a property set, or an array element inserted."""
    if isinstance(container, dict):
        return {**container, token: value}
    if not isinstance(container, list):
        raise missing()
    if token == _AFTER_THE_LAST:
        return [*container, value]
    index = int(token) if _INDEX.fullmatch(token) else -1
    if not 0 <= index <= len(container):
        raise missing()
    return [*container[:index], value, *container[index:]]


def replaced(container: Any, token: str, value: Any) -> Any:
    """Return a container with another value in place of one of its children."""
    key = key_in(container, token)
    copy = container.copy()
    copy[key] = value
    return copy


def without(container: Any, token: str) -> Any:
    """Return a container without one of its children."""
    key = key_in(container, token)
    if isinstance(container, dict):
        return {name: value for name, value in container.items() if name != key}
    return [value for index, value in enumerate(container) if index != key]
