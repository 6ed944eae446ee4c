"""`fhir-server backup`: all that the database holds, as of one moment, in one file."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from fhir_server.backup.archive import Manifest
from fhir_server.backup.files import Unusable, new_file, read_key
from fhir_server.backup.saving import save
from fhir_server.commands.databases import data_directory, with_store
from fhir_server.commands.recording import record_command
from fhir_server.commands.serve import read_settings
from fhir_server.store import Store
from fhir_server.store.failures import SnapshotGone

key_file = click.option(
    "--key-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File with the key of the backup: openssl rand -base64 32.",
)
"""The option by which a backup is encrypted."""


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@key_file
@data_directory
def backup(file: Path, key_file: Path | None, **options: Any) -> None:
    """Write records, accounts, keys, agenda and audit log into FILE, which must not exist.

    It works beside a server that is running, and without one. The secrets in it are encrypted with
    FHIR_ENCRYPTION_KEY, which is not in it; the records are, if there is a --key-file.
    """
    settings = read_settings(**options)

    async def work(store: Store) -> Manifest:
        with new_file(file) as opened:
            manifest = await save(store, opened, key, settings.database, datetime.now(UTC))
        await record_command(store, settings, "backup")
        return manifest

    try:
        key = read_key(key_file)
        manifest = with_store(settings, work)
    except Unusable as failure:
        raise click.ClickException(str(failure)) from None
    except SnapshotGone:
        text = "MongoDB forgot the moment of the backup: set minSnapshotHistoryWindowInSeconds higher"
        raise click.ClickException(text) from None
    click.echo(f"{manifest.documents} documents of {len(manifest.collections)} collections are in {file}.")
    if key is None:
        click.echo("It is not encrypted: keep it where only those come who may see all records.")
