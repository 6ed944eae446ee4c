"""`fhir-server audit`: is the audit log whole? Without the server, and without trusting it."""

from typing import Any

import click
from rich.console import Console
from rich.table import Table

from fhir_server.audit.verification import Verification, verified
from fhir_server.commands.databases import data_directory, with_store
from fhir_server.commands.serve import read_settings
from fhir_server.secrets_at_rest import CannotOpen
from fhir_server.settings import Settings
from fhir_server.store import Store


@click.group()
@data_directory
@click.pass_context
def audit(context: click.Context, /, **options: Any) -> None:
    """Look after the log of who did what.

    It works beside a server that runs on the same database, and without one.
    """
    context.obj = read_settings(**options)


@audit.command()
@click.option("--block", type=click.IntRange(1), help="Number of a block that was told of before.")
@click.option("--seal", help="The seal that it had: the log must still contain it.")
@click.pass_obj
def verify(settings: Settings, block: int | None, seal: str | None) -> None:
    """Find events that were changed, removed, added or moved directly in the database.

    Ends with 1 if anything is wrong. Keep number and seal of the last block outside of this machine: given to
    the next verification they show that nothing was cut off since.
    """
    if (block is None) != (seal is None):
        raise click.ClickException("--block and --seal are given together, or neither")
    anchor = None if block is None or seal is None else (block, seal)

    async def work(store: Store) -> Verification:
        if store.audit_log is None:
            raise click.ClickException("Nothing is on record here (FHIR_AUDIT=off)")
        try:
            return await verified(store.audit_log, anchor)
        except CannotOpen:
            raise click.ClickException("FHIR_ENCRYPTION_KEY does not open the key of the log") from None

    found = with_store(settings, work)
    _tell(found)
    if not found.is_whole:
        raise SystemExit(1)


def _tell(found: Verification) -> None:
    number, seal = found.head
    click.echo(f"{found.events} events in {found.blocks} blocks; {found.unsealed} are not sealed yet.")
    click.echo(f"The last block is number {number}, its seal {seal}.")
    if found.is_whole:
        click.echo("The log is whole.")
        return
    table = Table("what", "block", "event")
    for one in found.findings:
        table.add_row(one.kind, "" if one.block is None else str(one.block), one.event or "")
    Console().print(table)
    click.echo("The log is NOT whole." + (" There is more than is listed." if found.has_more else ""))
