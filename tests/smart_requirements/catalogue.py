"""Which requirements of SMART App Launch bind a server, by the numbers that Inferno's test kit gave them.

Source: the table beside this file has no sentences of the specification, but the number of each, the word by
which it binds, and where it stands (https://hl7.org/fhir/smart-app-launch/STU2.2/).
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

BASE = "https://hl7.org/fhir/smart-app-launch/STU2.2/"
_TABLE = Path(__file__).parent / "requirements.toml"


@dataclass(frozen=True)
class Requirement:
    """A requirement: `word` is SHALL or another, `why` is the reason why no test names it, "" if one does."""

    id: str
    word: str
    at: str
    why: str

    @property
    def address(self) -> str:
        """Where the specification has it."""
        return BASE + self.at


@cache
def catalogue() -> Mapping[str, Requirement]:
    """Return all requirements by id, such as `smart-14`, in the order of the specification."""
    table = tomllib.loads(_TABLE.read_text())
    return {
        f"smart-{number}": Requirement(f"smart-{number}", word, f"{page}.html#{anchor}", why)
        for page, anchors in table.items()
        for anchor, rows in anchors.items()
        for number, (word, why) in rows.items()
    }
