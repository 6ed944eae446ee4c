"""The demo's facts, in tables beside this file: illnesses, medicines, analytes, vaccines, prices, pathways.

Codes were chosen from those in HL7's own examples and other published ones; prices are made up.
"""

import csv
import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def rows(name: str) -> tuple[dict[str, str], ...]:
    """Return the rows of the table `name`, each by its column headings."""
    text = (files(__name__) / f"{name}.csv").read_text("utf-8")
    return tuple(csv.DictReader(text.splitlines()))


@cache
def by_key(name: str) -> dict[str, dict[str, str]]:
    """Return the rows of the table `name` by their key."""
    return {row["key"]: row for row in rows(name)}


@cache
def document(name: str) -> Any:
    """Return the content of the JSON file `name`."""
    return json.loads((files(__name__) / f"{name}.json").read_text("utf-8"))
