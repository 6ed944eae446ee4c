"""`fhir-server hl7v2 list` and its kin: the messages that came, and those in quarantine, for operators."""

import os
import pwd
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from difflib import unified_diff
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from adapters.channels import Channels
from fhir_server.commands.databases import with_store
from fhir_server.commands.recording import record_command
from fhir_server.formats import JSON
from fhir_server.hl7v2 import quarantine
from fhir_server.hl7v2.applying import Difference
from fhir_server.hl7v2.ports import channels_of
from fhir_server.hl7v2.previewing import previewing
from fhir_server.hl7v2.quarantine import MOST_LISTED, MOST_REPLAYED, STATES, reason_text
from fhir_server.settings import Settings
from fhir_server.store import Store
from fhir_server.store.hl7_quarantine import Listed, Wanted

_state = click.option("--status", type=click.Choice(STATES), help="Where the messages are.")
channel_option = click.option("--channel", default="", help="The channel that they came by.")
_control_id = click.option("--control-id", default="", help="Their MSH-10.")
_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
since_option = click.option(
    "--since", type=click.DateTime(_FORMATS), help="When they came at the earliest (UTC)."
)
until_option = click.option("--until", type=click.DateTime(_FORMATS), help="Before when they came (UTC).")


@click.command(name="list")
@_state
@channel_option
@_control_id
@since_option
@until_option
@click.option(
    "--limit", type=click.IntRange(1, MOST_LISTED), default=50, show_default=True, help="How many at most."
)
@click.pass_obj
def list_(settings: Settings, /, limit: int, **which: Any) -> None:
    """List messages, the newest first; without options those in quarantine."""
    wanted = _wanted(which)
    if wanted == Wanted():
        wanted = Wanted("refused")
    found = with_store(settings, lambda store: store.hl7_quarantine.listed(wanted, limit))
    table = Table("received", "status", "channel", "event", "control id", "reason", "id")
    for one in found:
        table.add_row(*_row(one))
    Console(soft_wrap=True).print(table)
    click.echo(f"{len(found)} messages.")


def _row(one: Listed) -> list[str]:
    received = one.received.isoformat(timespec="seconds")
    reason = reason_text(one.reasons[0]) if one.reasons else ""
    return [received, one.state, one.channel, one.event, one.control_id, reason, one.id]


@click.command()
@click.argument("message_id")
@click.option("--edited", is_flag=True, help="As an operator edited it, and not as it came.")
@click.pass_obj
def show(settings: Settings, message_id: str, *, edited: bool) -> None:
    """Show the content of a message on standard output, a segment a line, and what is wrong with it."""

    async def work(store: Store) -> tuple[quarantine.Shown, Listed | None]:
        await record_command(store, settings, "hl7v2-show")
        shown = await quarantine.shown(store, message_id, _channels(settings))
        return shown, await store.hl7_quarantine.one(message_id)

    shown, found = with_store(settings, work)
    text = shown.edited if edited else shown.text
    if text is None:
        raise click.ClickException("Nobody edited this message")
    click.echo(text.replace("\r\n", "\n").replace("\r", "\n"), nl=False)
    for reason in () if found is None else found.reasons:
        click.echo(reason_text(reason), err=True)


@click.command()
@click.argument("message_id")
@click.option(
    "--edited",
    type=click.File("r", encoding="utf-8"),
    help="File with the message as it should have been; - is standard input.",
)
@click.pass_obj
def resubmit(settings: Settings, message_id: str, edited: Any) -> None:
    """Have a message in quarantine tried again, as it came or edited."""
    content = None if edited is None else edited.read()

    async def work(store: Store) -> None:
        await quarantine.resubmit(store, message_id, _operator(), content, _channels(settings))
        await record_command(store, settings, "hl7v2-change")

    with_store(settings, work)
    click.echo("The message is tried again.")


@click.command()
@click.argument("message_id")
@click.option("--reason", required=True, help="Why nobody needs it.")
@click.pass_obj
def discard(settings: Settings, message_id: str, reason: str) -> None:
    """Put a message in quarantine away; it stays in the database, and can be shown."""

    async def work(store: Store) -> None:
        await quarantine.discard(store, message_id, _operator(), reason)
        await record_command(store, settings, "hl7v2-change")

    with_store(settings, work)
    click.echo("The message is discarded.")


@click.command()
@_state
@channel_option
@_control_id
@since_option
@until_option
@click.option(
    "--limit",
    type=click.IntRange(1, MOST_REPLAYED),
    default=MOST_REPLAYED,
    show_default=True,
    help="How many at most.",
)
@click.option("--dry-run", "message_id", metavar="ID", help="Only tell what the message ID would change now.")
@click.pass_obj
def replay(settings: Settings, /, limit: int, message_id: str | None, **which: Any) -> None:
    """Have messages that were done applied anew, the oldest first.

    What is known already is not stored anew.
    """
    if message_id is not None:
        _tell_differences(settings, message_id)
        return
    wanted = _wanted(which)
    if wanted == Wanted():
        raise click.ClickException(
            "Which messages? Give --channel, --since, --until, --status or --control-id"
        )

    async def work(store: Store) -> int:
        ids = await store.hl7_quarantine.replay(wanted, _operator(), limit)
        await record_command(store, settings, "hl7v2-change")
        return len(ids)

    number = with_store(settings, work)
    click.echo(f"{number} messages are applied anew.")
    if not number:
        sys.exit(1)


def _tell_differences(settings: Settings, message_id: str) -> None:
    """Print what a message would change, as the differences of two JSON texts."""

    async def work(store: Store) -> Sequence[Difference]:
        await record_command(store, settings, "hl7v2-show")
        preview = previewing(store, settings)
        return await quarantine.differences(store, message_id, _channels(settings), preview)

    found = with_store(settings, work)
    for one in found:
        before = [] if one.before is None else JSON.dumps(one.before, pretty=True).decode().splitlines()
        after = JSON.dumps(one.after, pretty=True).decode().splitlines()
        for line in unified_diff(before, after, one.reference, one.reference, lineterm=""):
            click.echo(line)
    click.echo(f"{len(found)} resources would change.", err=True)


def _wanted(which: dict[str, Any]) -> Wanted:
    return Wanted(
        which["status"] or "",
        which["channel"],
        which["control_id"],
        utc(which["since"]),
        utc(which["until"]),
    )


def utc(moment: datetime | None) -> datetime | None:
    """Return a moment that was given without a time zone as one in UTC."""
    return None if moment is None else moment.replace(tzinfo=UTC)


def _channels(settings: Settings) -> Channels:
    return channels_of(settings)


def _operator() -> str:
    # Not the environment's LOGNAME, which anybody can set.
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


INBOX_COMMANDS = (list_, show, resubmit, discard, replay)
"""The commands about messages that came."""
