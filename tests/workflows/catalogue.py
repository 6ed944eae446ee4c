"""What the sponsors' documents ask for, and what of it waits for a later part.

Source: the table beside this file, in words of our own.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SOURCES: Mapping[str, str] = {
    "0": "Patient management system",
    "1": "Hospital management system, detailed report",
    "2": "Hospital and patient management, proposal",
    "3": "Hospital management system, slides",
    "4": "Hospital management system, brief",
}
_TABLE = Path(__file__).parent / "features.toml"


@dataclass(frozen=True)
class Feature:
    """A feature: what it is, the patterns that it follows, and the call that does it.

    `waits` names the later part that it waits for, "" for none; `reason` says why there is nothing to do.
    """

    id: str
    what: str
    patterns: tuple[str, ...]
    call: str
    waits: str = ""
    reason: str = ""

    @property
    def why(self) -> str:
        """Why there need be no test, "" if there has to be one."""
        return f"waits for part: {self.waits}" if self.waits else self.reason


@cache
def catalogue() -> Mapping[str, Feature]:
    """Return all features by id, in the order of the documents."""
    table = tomllib.loads(_TABLE.read_text())
    waits = {one: part for part, ids in table["waits"].items() for one in ids}
    reasons: Mapping[str, str] = table["reasons"]
    assert waits.keys() | reasons.keys() <= table["features"].keys()
    return {
        one: Feature(one, what, tuple(patterns.split()), call, waits.get(one, ""), reasons.get(one, ""))
        for one, (what, patterns, call) in table["features"].items()
    }
