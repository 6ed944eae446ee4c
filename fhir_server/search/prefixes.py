"""The prefixes of ordered values: `gt5`, `le2020`. https://hl7.org/fhir/R4/search.html#prefix"""

from typing import Literal, cast

Prefix = Literal["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"]

_PREFIXES = frozenset({"eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"})


def split_prefix(text: str) -> tuple[Prefix, str]:
    """Return the prefix of `text` (`eq` if it has none) and what follows."""
    if text[:2] in _PREFIXES:
        return cast(Prefix, text[:2]), text[2:]
    return "eq", text
