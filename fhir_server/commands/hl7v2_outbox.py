"""`fhir-server hl7v2 outbox`: messages to other systems, for operators."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import click
from rich.console import Console
from rich.table import Table

from fhir_server.commands.databases import with_store
from fhir_server.commands.recording import record_command
from fhir_server.settings import Settings
from fhir_server.store import Store
from fhir_server.store.hl7_outbox import STATES
from fhir_server.workflows.hl7v2.outbox_operations import segments

_MOST = 1_000


@click.group()
def outbox() -> None:
    """Look after messages to other systems.

    It works beside a server that runs on the same database, and without one.
    """


@outbox.command(name="list")
@click.option(
    "--state",
    type=click.Choice(STATES),
    default="parked",
    show_default=True,
    help="Parked are those that wait for a person.",
)
@click.option("--destination", help="Those for one destination only.")
@click.option(
    "--limit", type=click.IntRange(1, _MOST), default=50, show_default=True, help="How many at most."
)
@click.pass_obj
def list_(settings: Settings, state: str, destination: str | None, limit: int) -> None:
    """List messages, the oldest first, without their texts."""
    found = with_store(settings, lambda store: store.hl7_outbox.listed(state, destination, limit))
    table = Table("created", "destination", "message", "about", "attempts", "problem")
    table.add_column("id", no_wrap=True)
    for one in found:
        created = one.created.isoformat(timespec="seconds")
        table.add_row(created, one.destination, one.kind, one.subject, str(one.attempts), one.problem, one.id)
    Console(soft_wrap=True).print(table)
    click.echo(f"{len(found)} messages.")


@outbox.command()
@click.argument("message_id")
@click.pass_obj
def show(settings: Settings, message_id: str) -> None:
    """Print the text of the message whose MSH-10 is MESSAGE_ID; that it was read is on record."""

    async def work(store: Store) -> list[str] | None:
        if await store.hl7_outbox.entry(message_id) is None:
            return None
        await record_command(store, settings, "hl7v2-show")
        return segments(await store.hl7_outbox.text(message_id))

    found = with_store(settings, work)
    if found is None:
        raise click.ClickException("There is no message of this id in the outbox")
    click.echo("\n".join(found))


@outbox.command()
@click.argument("message_id")
@click.pass_obj
def resend(settings: Settings, message_id: str) -> None:
    """Have the message MESSAGE_ID sent again, with the same bytes."""
    _change(
        settings,
        lambda store: store.hl7_outbox.resend(message_id, datetime.now(UTC)),
        "It is sent again.",
        "There is no such message, or it waits to be sent already, or it could not be made",
    )


@outbox.command()
@click.argument("message_id")
@click.pass_obj
def discard(settings: Settings, message_id: str) -> None:
    """Put the message MESSAGE_ID away; those behind it go on."""
    _change(
        settings,
        lambda store: store.hl7_outbox.discard(message_id, datetime.now(UTC)),
        "It is put away.",
        "There is no such message, or it is done or put away already",
    )


def _change(
    settings: Settings, change: Callable[[Store], Awaitable[bool]], well: str, otherwise: str
) -> None:
    async def work(store: Store) -> bool:
        is_changed = await change(store)
        if is_changed:
            await record_command(store, settings, "hl7v2-change")
        return is_changed

    if not with_store(settings, work):
        raise click.ClickException(otherwise)
    click.echo(well)
