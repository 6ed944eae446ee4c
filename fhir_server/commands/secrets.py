"""`fhir-server secrets`: the key that secrets are stored with, and its change (docs/security.md)."""

from typing import Any

import click

from fhir_server.commands.databases import data_directory, with_store
from fhir_server.commands.serve import read_settings
from fhir_server.key_file import UnusableKeyFile, with_encryption_key
from fhir_server.resealing import Resealed, resealed
from fhir_server.secrets_at_rest import keyring
from fhir_server.settings import Settings


@click.group()
@data_directory
@click.pass_context
def secrets(context: click.Context, /, **options: Any) -> None:
    """Look after the secrets that are stored encrypted.

    It works beside a server that runs on the same database, and without one.
    """
    context.obj = read_settings(**options)


@secrets.command()
@click.pass_obj
def reseal(settings: Settings) -> None:
    """Encrypt all of them with the first key of FHIR_ENCRYPTION_KEY, so that the others can be taken away.

    Ends with 1 if there is one that no key opens.
    """
    try:
        settings, _ = with_encryption_key(settings)
    except UnusableKeyFile as failure:
        raise click.ClickException(str(failure)) from None
    if settings.encryption_key is None:
        raise click.ClickException("There is no key (FHIR_ENCRYPTION_KEY) to encrypt with")
    keys = keyring(settings.encryption_key.get_secret_value())
    done = with_store(settings, lambda store: resealed(store.sealed_texts, keys))
    _tell(done)
    if done.lost:
        raise SystemExit(1)


def _tell(done: Resealed) -> None:
    click.echo(f"{done.current} secrets have the first key, {done.changed} of them since now.")
    for record in done.lost:
        click.echo(f"No key opens {record}.", err=True)
    if not done.lost:
        click.echo("No other key is needed any more.")
