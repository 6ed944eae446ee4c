"""`fhir-server agenda`: what is to be done at a time, and what could not be done, for operators."""

from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from fhir_server.commands.databases import data_directory, with_store
from fhir_server.commands.recording import record_command
from fhir_server.commands.serve import read_settings
from fhir_server.settings import Settings
from fhir_server.store import Store

_MOST = 1_000


@click.group()
@data_directory
@click.pass_context
def agenda(context: click.Context, /, **options: Any) -> None:
    """Look after what the server does by itself: notices, reminders, holds that expire.

    It works beside a server that runs on the same database, and without one.
    """
    context.obj = read_settings(**options)


@agenda.command(name="list")
@click.option(
    "--state",
    type=click.Choice(["parked", "waiting", "done", "struck"]),
    default="parked",
    show_default=True,
    help="Parked are those that failed too often.",
)
@click.option(
    "--limit", type=click.IntRange(1, _MOST), default=50, show_default=True, help="How many at most."
)
@click.pass_obj
def list_(settings: Settings, state: str, limit: int) -> None:
    """List entries, the most overdue first."""
    found = with_store(settings, lambda store: store.agenda.listed(state, limit))
    table = Table("due", "action", "attempts", "failure", "key")
    for one in found:
        due = one["due"].isoformat(timespec="seconds")
        table.add_row(due, one["action"], str(one["attempts"]), one.get("failure", ""), one["_id"])
    Console(soft_wrap=True).print(table)
    click.echo(f"{len(found)} entries.")


@agenda.command()
@click.argument("key", required=False)
@click.option("--all", "everything", is_flag=True, help="All that are parked.")
@click.pass_obj
def retry(settings: Settings, key: str | None, *, everything: bool) -> None:
    """Have the parked entry KEY, or all of them, tried again."""
    if (key is None) != everything:
        raise click.ClickException("Give the KEY of an entry, or --all")

    async def work(store: Store) -> int:
        number = await store.agenda.retry(datetime.now(UTC), key)
        if number:
            await record_command(store, settings, "agenda-retry")
        return number

    number = with_store(settings, work)
    click.echo(f"{number} entries are tried again.")
    if key is not None and not number:
        raise SystemExit(1)
