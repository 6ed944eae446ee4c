"""`fhir-server hl7v2`: messages from and to other systems, for operators."""

from pathlib import Path
from typing import Any

import click

from fhir_server.commands.databases import data_directory
from fhir_server.commands.hl7v2_compare import compare
from fhir_server.commands.hl7v2_inbox import INBOX_COMMANDS
from fhir_server.commands.hl7v2_outbox import outbox
from fhir_server.commands.serve import read_settings


@click.group()
@data_directory
@click.option(
    "--channels",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File of the systems that send messages; it tells their character sets.",
)
@click.pass_context
def hl7v2(context: click.Context, /, **options: Any) -> None:
    """Look after HL7 v2 messages.

    It works beside a server that runs on the same database. What is tried again is done by that server.
    """
    context.obj = read_settings(**options)


for command in (*INBOX_COMMANDS, compare, outbox):
    hl7v2.add_command(command)
