"""`fhir-server hl7v2`: messages from and to other systems, for operators."""

from typing import Any

import click

from fhir_server.commands.databases import data_directory
from fhir_server.commands.hl7v2_outbox import outbox
from fhir_server.commands.serve import read_settings


@click.group()
@data_directory
@click.pass_context
def hl7v2(context: click.Context, /, **options: Any) -> None:
    """Look after HL7 v2 messages."""
    context.obj = read_settings(**options)


hl7v2.add_command(outbox)
