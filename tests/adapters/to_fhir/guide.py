"""HL7's v2-to-FHIR guide: which rows of which tables map something, from its tables in ../shared/data."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.adapters.to_fhir.code_tables import rows

_NAMES = {"NTE[Observation]": ("NTE[Observation]",)}


def mapped_rows(guide: Path, folder: str, names: set[str]) -> Mapping[str, set[str]]:
    """Return the rows that map something, by the names of the tables."""
    found: dict[str, set[str]] = {}
    for path in sorted((guide / folder).glob("*.csv")):
        name = path.name.split("R4_ ")[-1].split(" - ")[0]
        if name in names:
            found[name] = set(_rows(path, name, folder))
    return found


def _rows(path: Path, name: str, folder: str) -> Iterator[str]:
    separator = "-" if folder == "segments" else "."
    for row in rows(path):
        _, _, number = row[1].partition(separator)
        # Column 10 is an element of R4; what needs an extension that nobody has defined is none.
        if row[9] and number.strip().isdigit():
            yield f"{name} {number.strip()}"
