"""What one question to an element consists of, and how texts are taken apart.

https://hl7.org/fhir/R4/search.html#escaping, https://hl7.org/fhir/R4/search.html#prefix
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

PREFIX = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?(.*)", re.DOTALL)


@dataclass(frozen=True)
class Asked:
    """What is known besides the value: the parameter's modifier, the time, and the address of the server.

    `targets` are the types that a reference may be to. `value_sets` are the codes of each value set that the
    server can expand, `parents` the code above each code, by `(system, code)`.
    """

    modifier: str
    now: datetime
    base_url: str = "http://here.example/fhir/"
    targets: tuple[str, ...] = ()
    value_sets: Mapping[str, frozenset[tuple[str, str]]] = field(default_factory=dict)
    parents: Mapping[tuple[str, str], str] = field(default_factory=dict)


def split(text: str, separator: str) -> list[str]:
    """Split at the separators that no backslash precedes (a backslash before a backslash is a character)."""
    marked = text.replace("\\\\", "\x00").replace(f"\\{separator}", "\x01")
    return [
        part.replace("\x01", f"\\{separator}").replace("\x00", "\\\\") for part in marked.split(separator)
    ]


def plain(text: str) -> str:
    """Return `text` without its backslashes."""
    return re.sub(r"\\([\\,$|])", r"\1", text)


def prefixed(text: str) -> tuple[str, str]:
    """Return the prefix of a value, `eq` if it has none, and the rest."""
    match = PREFIX.fullmatch(text)
    assert match
    return match[1] or "eq", match[2]
