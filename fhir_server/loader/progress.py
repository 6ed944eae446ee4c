"""What a person sees of the loading: a bar on a terminal, plain lines anywhere else, a table at the end."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from fhir_server.loader.loading import Report
from fhir_server.loader.submission import Failure

_SECONDS_BETWEEN_LINES = 5.0


class Bar:
    """A progress bar with rate and time left, for a terminal; lives as long as its `with` block."""

    def __init__(self, console: Console) -> None:
        """Draw on `console`, once entered."""
        self._bar = Progress(
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TextColumn("{task.fields[saved]:,} resources"),
            TextColumn("{task.fields[rate]:,.0f}/s"),
            TextColumn("{task.fields[failures]} failed"),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._bar.add_task("load", total=None, saved=0, rate=0.0, failures=0)

    def __enter__(self) -> Self:
        """Show the bar."""
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the bar as it stands."""
        self._bar.stop()

    def failed(self, failure: Failure) -> None:
        """List `failure` above the bar."""
        self._bar.console.print(f"FAILED {failure}", markup=False, highlight=False, soft_wrap=True)

    def advanced(self, report: Report) -> None:
        """Move the bar to where `report` is."""
        self._bar.update(
            self._task,
            completed=report.done,
            total=report.total,
            saved=report.saved,
            rate=report.rate,
            failures=report.failures,
        )


class Lines:
    """A line of progress every few seconds, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        """Write to `console`."""
        self._console = console
        self._next = time.monotonic() + _SECONDS_BETWEEN_LINES

    def __enter__(self) -> Self:
        """Nothing to set up."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to clear away."""

    def failed(self, failure: Failure) -> None:
        """List `failure` in a line of its own."""
        self._print(f"FAILED {failure}")

    def advanced(self, report: Report) -> None:
        """Write a line if the last one is some seconds old."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _SECONDS_BETWEEN_LINES
        part = report.done / max(report.total, 1)
        left = report.seconds / part - report.seconds if part else 0.0
        self._print(
            f"{part:.0%}, {report.saved:,} resources, {report.rate:,.0f}/s, "
            f"{report.failures} failed, about {left:.0f} s left"
        )

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def watching(console: Console) -> Bar | Lines:
    """Return a bar if `console` is a terminal, lines otherwise."""
    return Bar(console) if console.is_terminal else Lines(console)


def summarise(console: Console, report: Report) -> None:
    """Print how many resources of each type were created, were there already, or failed."""
    table = Table(box=None, pad_edge=False)
    table.add_column("Type")
    for heading in ("created", "updated or there", "failed"):
        table.add_column(heading, justify="right")
    for resource_type in sorted({*report.created, *report.kept, *report.refused}):
        counters = (report.created, report.kept, report.refused)
        table.add_row(resource_type, *(f"{counter[resource_type]:,}" for counter in counters))
    if table.row_count:
        console.print(table)
    taken = f"{report.saved:,} resources in {report.seconds:.1f} s ({report.rate:,.0f}/s)"
    console.print(f"{taken}, {report.failures} failed", highlight=False)
