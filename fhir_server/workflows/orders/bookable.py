"""Which tests patients may order themselves: a table that a hospital may replace.

https://hl7.org/fhir/R4/servicerequest-definitions.html#ServiceRequest.code
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any


@cache
def bookable(path: Path | None) -> Mapping[str, frozenset[str]]:
    """Return the codes in the file at `path` by their systems, for None those that come with the server."""
    text = path.read_text() if path else files(__package__).joinpath("bookable.toml").read_text()
    return {system: frozenset(codes) for system, codes in tomllib.loads(text).items()}


def is_bookable(order: Mapping[str, Any], path: Path | None) -> bool:
    """Tell whether all that an order is for, by any of its codes, is something that patients may order."""
    table = bookable(path)
    codings = order.get("code", {}).get("coding", ())
    return bool(codings) and all(one.get("code") in table.get(one.get("system", ""), ()) for one in codings)
