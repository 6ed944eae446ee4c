"""Which features R4 has, as a reader of its chapters would look for them.

Source: the tables beside this file, written from https://hl7.org/fhir/R4/http.html, search.html,
search_filter.html, operations.html and async.html.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CHAPTERS: Mapping[str, str] = {
    "http": "RESTful API",
    "search": "Search",
    "operations": "Operations",
}
_FOLDER = Path(__file__).parent
_BASE = "https://hl7.org/fhir/R4/"


@dataclass(frozen=True)
class Feature:
    """A feature: what it is, where the specification has it, and `why` it is not supported, "" if it is."""

    id: str
    chapter: str
    group: str
    what: str
    address: str
    why: str


@cache
def catalogue() -> Mapping[str, Feature]:
    """Return all features by id, in the order of the specification."""
    found: dict[str, Feature] = {}
    for chapter in CHAPTERS:
        for group, rows in tomllib.loads((_FOLDER / f"{chapter}.toml").read_text()).items():
            for feature_id, row in rows.items():
                assert feature_id not in found, feature_id
                why = row.get("why", "")
                found[feature_id] = Feature(feature_id, chapter, group, row["what"], _BASE + row["at"], why)
    return found
