"""Tables of knowledge: each comes with the server in the folder of its work, and a hospital may replace it.

https://toml.io/en/v1.0.0
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any


def read_table(path: Path | None, package: str, name: str) -> dict[str, Any]:
    """Return the table in the file at `path`, for None the one called `name` that comes with `package`.

    Raises OSError or ValueError (of which TOMLDecodeError is one) for what cannot be read.
    """
    text = path.read_text() if path else files(package).joinpath(name).read_text()
    return tomllib.loads(text)


@cache
def read_codes(
    path: Path | None, package: str, name: str, part: str | None = None
) -> Mapping[str, frozenset[str]]:
    """Return the codes that a table lists by their systems, all of it or one `part`; see `read_table`."""
    table = read_table(path, package, name)
    return {
        system: frozenset(codes) for system, codes in (table if part is None else table.get(part, {})).items()
    }


def has_listed(table: Mapping[str, frozenset[str]], coding: Mapping[str, Any]) -> bool:
    """Tell whether a Coding is one that a table of codes lists."""
    return coding.get("code") in table.get(coding.get("system", ""), ())
