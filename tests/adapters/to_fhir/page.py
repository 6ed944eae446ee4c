"""Writes docs/hl7v2/mapping.md from the tables of the mapping.

Call it as `python -m tests.adapters.to_fhir.page` after a change of a table; with `--check` it ends with 1 if
the page is out of date.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from adapters.to_fhir import catalogue
from adapters.to_fhir.mapping import MAPS
from adapters.to_fhir.tables.ours import OURS

PAGE = Path("docs/hl7v2/mapping.md")
_HEAD = Path(__file__).parent / "page_head.md"


def text() -> str:
    """Return the page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD.read_text(encoding="utf-8").rstrip()
    yield ""
    yield "## Messages"
    yield ""
    yield "| message | events |"
    yield "|---|---|"
    for code, events in sorted(MAPS.items()):
        yield f"| {code} | {', '.join(sorted(events))} |"
    yield ""
    yield "## Segments"
    yield ""
    yield "The last column is the row of the guide, or `ours` where the guide is silent."
    for table in sorted(catalogue.SEGMENTS, key=lambda one: one.name):
        yield ""
        yield f"### {table.name}"
        yield ""
        yield "| from | to | if | row |"
        yield "|---|---|---|---|"
        for rule in table.rules:
            yield f"| {rule.source} | {_cell(rule.target)} | {rule.condition} | {rule.row} |"
    yield ""
    yield "### By several fields together"
    yield ""
    yield "| row | to |"
    yield "|---|---|"
    for row, target in sorted(catalogue.BY_CODE.items()):
        yield f"| {row} | {target} |"
    yield from _datatypes()
    yield from _codes()


def _cell(target: str) -> str:
    return f"`{target}`" if target else "(several elements)"


def _datatypes() -> Iterator[str]:
    yield ""
    yield "## Datatypes"
    for table in sorted(catalogue.DATATYPES, key=lambda one: one.name):
        yield ""
        yield f"### {table.name}"
        yield ""
        yield "| from | to | row |"
        yield "|---|---|---|"
        for part in table.parts:
            row = part.row or f"{table.name} {part.source.partition('.')[2]}"
            yield f"| {part.source} | {_cell(part.target)} | {row} |"
    yield ""
    yield "### By functions"
    yield ""
    yield "| row | to |"
    yield "|---|---|"
    for row, target in catalogue.DATATYPES_BY_CODE.items():
        yield f"| {row} | {target} |"


def _codes() -> Iterator[str]:
    yield ""
    yield "## Codes of our own"
    yield ""
    yield "Beside the guide's concept maps, where these leave a code out."
    for name, (number, codes) in sorted(OURS.items()):
        yield ""
        yield f"### {name} (table {number})"
        yield ""
        yield "| code | becomes | system |"
        yield "|---|---|---|"
        for code, (target, system) in sorted(codes.items()):
            yield f"| {code} | {target} | {system} |"


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        sys.exit(PAGE.read_text(encoding="utf-8") != text())
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(text(), encoding="utf-8")
