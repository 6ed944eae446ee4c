"""The page docs/hl7v2/outbound.md: which change is told by which message, and what FHIR's codes become."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from adapters.destinations import Destination
from adapters.from_fhir.messages import EVENTS
from adapters.from_fhir.tables import Table, structure, tables

PATH = Path(__file__).parents[2] / "docs/hl7v2/outbound.md"

_FOLDER = Path(__file__).parent


def page() -> str:
    """Return the text of the page."""
    return "\n".join([_text("head.md"), *_events(), "", *_keys(), "", *_tables(), _text("tail.md")])


def _text(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _events() -> Iterator[str]:
    yield "## Which change is which message\n"
    yield "| message | structure | told when |"
    yield "|---|---|---|"
    for message, when in EVENTS.items():
        yield f"| `{message}` | {structure(message)} | {when} |"


def _keys() -> Iterator[str]:
    yield "## Keys of a destination\n"
    yield f"{Destination.__doc__}".split("\n\n", 1)[1].replace("\n    ", "\n").strip() + "\n"
    yield "| key | without it |"
    yield "|---|---|"
    empty = Destination("")
    for one in fields(Destination):
        if one.name != "name":
            value = getattr(empty, one.name)
            shown = (
                ""
                if value in (None, "", (), 0, {})
                else f"`{str(value).lower() if isinstance(value, bool) else value}`"
            )
            yield f"| `{one.name}` | {shown} |"


def _tables() -> Iterator[str]:
    yield "## Codes\n"
    for table in tables().values():
        if table.fhir:
            yield from _table(table)


def _table(table: Table) -> Iterator[str]:
    yield f"### {table.v2}\n"
    rest = "Any other code goes as it is." if table.keeps_others else ""
    yield f"From {table.fhir}. {rest}".strip() + "\n"
    if table.codes:
        yield "| FHIR | v2 |"
        yield "|---|---|"
        yield from (f"| `{code}` | {value} |" for code, value in table.codes.items())
        yield ""
