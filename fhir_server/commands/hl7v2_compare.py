"""`fhir-server hl7v2 compare`: do the records say what the messages of another system do?

For the time in which a system goes on working beside this server: its messages come by a channel that is a
`shadow`, or were applied, and whatever they would still change is a difference between the two.
"""

import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from adapters.channels import Channels
from fhir_server.commands.databases import with_store
from fhir_server.commands.hl7v2_inbox import channel_option, since_option, until_option, utc
from fhir_server.commands.recording import record_command
from fhir_server.hl7v2 import quarantine
from fhir_server.hl7v2.ports import channels_of
from fhir_server.hl7v2.previewing import previewing
from fhir_server.hl7v2.quarantine import MOST_LISTED, Preview
from fhir_server.settings import Settings
from fhir_server.store import Store
from fhir_server.store.hl7_quarantine import Listed, Wanted
from resources.operation_outcome import InvalidContent


@dataclass(slots=True)
class Comparison:
    """What came of comparing: messages by event and result, and those that do not agree, each with why."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    differing: list[tuple[Listed, str]] = field(default_factory=list)

    def add(self, one: Listed, result: str, reason: str = "") -> None:
        """Count a message, and name it if it does not agree."""
        self.counts[one.event, result] += 1
        if reason:
            self.differing.append((one, reason))


@click.command()
@channel_option
@since_option
@until_option
@click.option(
    "--limit",
    type=click.IntRange(1, MOST_LISTED),
    default=MOST_LISTED,
    show_default=True,
    help="How many messages at most, the newest.",
)
@click.pass_obj
def compare(settings: Settings, /, limit: int, **which: Any) -> None:
    """Compare messages with the records: tell what each would still change, and change nothing.

    Ends with 1 if anything differs.
    """
    wanted = Wanted("", which["channel"], "", utc(which["since"]), utc(which["until"]))

    async def work(store: Store) -> Comparison:
        await record_command(store, settings, "hl7v2-show")
        listed = await store.hl7_quarantine.listed(wanted, limit)
        return await compared(store, listed, channels_of(settings), previewing(store, settings))

    found = with_store(settings, work)
    _print(found)
    if found.differing:
        sys.exit(1)


async def compared(store: Store, listed: list[Listed], channels: Channels, preview: Preview) -> Comparison:
    """Return how messages agree with what is stored now."""
    found = Comparison()
    for one in listed:
        try:
            differences = await quarantine.differences(store, one.id, channels, preview)
        except InvalidContent as failure:
            found.add(one, "refused", failure.issues[0].diagnostics or "refused")
            continue
        references = ", ".join(each.reference for each in differences)
        found.add(one, "differ" if differences else "agree", references)
    return found


def _print(found: Comparison) -> None:
    console = Console(soft_wrap=True)
    table = Table("event", "agree", "differ", "refused")
    for event in sorted({event for event, _ in found.counts}):
        table.add_row(event, *(str(found.counts[event, one]) for one in ("agree", "differ", "refused")))
    console.print(table)
    if found.differing:
        which = Table("received", "event", "control id", "what differs", "id")
        for one, reason in found.differing:
            received = one.received.isoformat(timespec="seconds")
            which.add_row(received, one.event, one.control_id, reason, one.id)
        console.print(which)
    click.echo(f"{found.counts.total()} messages, {len(found.differing)} do not agree with the records.")
