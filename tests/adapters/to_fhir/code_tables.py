"""Writes the code tables of the product from those of HL7's v2-to-FHIR guide: only what changes a code.

Call it as `python -m tests.adapters.to_fhir.code_tables`, with the guide's tables in ../shared/data.
"""

import csv
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.conftest import REPOSITORY

PRODUCT = Path("adapters/to_fhir/tables/guide.json")
_V2 = "http://terminology.hl7.org/CodeSystem/v2-"
# Of no use here: they say of each code that it is itself, or map HTTP verbs.
_LEFT_OUT = frozenset({"CountryCode", "SegmentActionCode", "ProcessingMode", "ProcessingID"})


def rows(path: Path) -> Iterator[list[str]]:
    """Yield the rows of one of the guide's tables, without the two of its head."""
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.reader(file)):
            if number >= 2:
                yield [*(cell.strip() for cell in row), *[""] * 20]


def tables(guide: Path) -> dict[str, Any]:
    """Return all concept maps of the guide with the rows in which a code changes, by their names."""
    found: dict[str, Any] = {}
    for path in sorted((guide / "codesystems").glob("*.csv")):
        name = path.name.split("Map_ ")[-1].split(" - ")[0]
        codes: dict[str, list[str]] = {}
        number = ""
        for row in rows(path):
            if not row[0] or not row[6]:
                continue
            match = re.match(r"HL7(\d{4})$", row[2])
            number = number or (match[1] if match else "")
            system, display = (row[9], row[8]) if row[9].startswith(("http", "urn:")) else (row[8], "")
            if (row[6], system) != (row[0], _V2 + number):
                codes.setdefault(row[0], [row[6], system, display])
        if codes and name not in _LEFT_OUT:
            found[name] = {"table": number, "codes": codes}
    return found


def text(guide: Path) -> str:
    """Return the product's file."""
    return json.dumps(tables(guide), ensure_ascii=False, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    PRODUCT.write_text(text(REPOSITORY.parent / "shared" / "data" / "v2-to-fhir"), encoding="utf-8")
    sys.stdout.write(f"{PRODUCT}\n")
