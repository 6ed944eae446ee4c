"""The day from beginning to end: its chapters in their order, and what they hand to each other."""

from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from fhir_server.demo.day.arrival import register
from fhir_server.demo.day.emergency import triage
from fhir_server.demo.day.house import open_house
from fhir_server.demo.day.laboratory import examine
from fhir_server.demo.day.leaving import discharge
from fhir_server.demo.day.money import settle
from fhir_server.demo.day.pharmacy import prescribe
from fhir_server.demo.day.stores import run_low
from fhir_server.demo.day.trace import Trace, WentWrong
from fhir_server.demo.day.visits import book
from fhir_server.demo.day.ward import admit

Chapter = Callable[[Trace], None]

CHAPTERS: Sequence[tuple[str, Chapter]] = (
    ("Registration", register),
    ("Appointment", book),
    ("Emergency", triage),
    ("Ward", admit),
    ("Laboratory", examine),
    ("Pharmacy", prescribe),
    ("Stores", run_low),
    ("Discharge", discharge),
    ("Billing", settle),
)
"""The parts of the day."""


def spend(console: Console, papers: Path) -> bool:
    """Spend the day and tell of it; put its papers into a folder, and return whether all went well."""
    try:
        with open_house() as house, Trace(house, console, papers) as trace:
            for title, chapter in CHAPTERS:
                trace.chapter(title)
                chapter(trace)
            saved = [path.name for path in trace.saved]
    except (WentWrong, RuntimeError) as failure:
        console.print(
            f"\n[bold red]The day went wrong[/bold red]: {failure}", soft_wrap=True, highlight=False
        )
        return False
    console.print(f"\n[bold green]All went well.[/bold green] {len(saved)} papers are in {papers}:")
    for name in saved:
        console.print(f"  {name}")
    return True
