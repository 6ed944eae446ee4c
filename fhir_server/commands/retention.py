"""`fhir-server retention`: what may be removed after which time, and removing it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from fhir_server.commands.acting import acting
from fhir_server.commands.databases import data_directory, with_store
from fhir_server.commands.recording import record_command
from fhir_server.commands.serve import read_settings
from fhir_server.processes.announcement import local_base_url
from fhir_server.store import Store
from fhir_server.workflows.upkeep.retention import Due, carry_out, load_retention


@click.command()
@click.option("--apply", is_flag=True, help="Remove it. Versions that are removed cannot be had back.")
@click.option(
    "--table",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="File of the rules, instead of that in FHIR_RETENTION.",
)
@data_directory
def retention(*, apply: bool, table: Path | None, **options: Any) -> None:
    """Tell what the rules say that may be removed today; remove it only with --apply.

    It works beside a server that is running, and without one.
    """
    settings = read_settings(**options)
    try:
        rules = load_retention(table or settings.retention)
    except ValueError as failure:
        raise click.ClickException(str(failure)) from None

    async def work(store: Store) -> list[Due]:
        base_url = settings.base_url or local_base_url(settings, settings.port)
        remover = acting(store, settings) if apply else None
        found = await carry_out(store, rules, datetime.now(UTC), base_url, remover)
        if apply:
            await record_command(store, settings, "retention")
        return found

    _tell(with_store(settings, work), apply=apply)


def _tell(found: list[Due], *, apply: bool) -> None:
    shown = Table("rule", "type", "removed" if apply else "may be removed", "kept by a hold")
    for due in found:
        shown.add_row(due.rule, due.resource_type, str(due.number), str(due.held))
    Console().print(shown)
    if not apply:
        click.echo("Nothing was removed: that is for --apply.")
