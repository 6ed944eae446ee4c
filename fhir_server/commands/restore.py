"""`fhir-server restore`: a backup into an empty database, and whether it is all there."""

from pathlib import Path
from typing import Any

import click

from fhir_server.audit.verification import Verification, verified
from fhir_server.backup.archive import DamagedBackup, Manifest
from fhir_server.backup.files import Unusable, read_key
from fhir_server.backup.restoring import NotEmpty, look_through, put_back
from fhir_server.commands.backup import key_file
from fhir_server.commands.databases import data_directory, with_store
from fhir_server.commands.recording import record_command
from fhir_server.commands.serve import read_settings
from fhir_server.secrets_at_rest import CannotOpen
from fhir_server.settings import Settings
from fhir_server.store import Store
from fhir_server.store.embedded import url_of_running

_FOR_OTHERS = 0o077


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, exists=True, path_type=Path))
@key_file
@click.option("--replace", is_flag=True, help="Remove what is in the database first, for good.")
@click.option("--check", is_flag=True, help="Only look whether the file is whole.")
@data_directory
def restore(file: Path, key_file: Path | None, *, replace: bool, check: bool, **options: Any) -> None:
    """Put the backup in FILE into an empty database, while no server runs on it.

    Everything is compared afterwards, and the chain of the audit log is verified. The settings, and
    FHIR_ENCRYPTION_KEY, are those of the server that was backed up.
    """
    settings = read_settings(**options)
    try:
        key = read_key(key_file)
        if key is None and file.stat().st_mode & _FOR_OTHERS:
            raise Unusable(f"{file} is not encrypted and can be read by others: chmod 600 {file}")
        with file.open("rb") as opened:
            if check:
                _tell(look_through(opened, key), f"{file} is whole")
                return
            _refuse_beside_a_server(settings)
            manifest, found = with_store(
                settings, lambda store: _work(store, settings, opened, key, replace=replace)
            )
    except Unusable as failure:
        raise click.ClickException(str(failure)) from None
    except DamagedBackup as failure:
        raise click.ClickException(f"{file} is damaged: {failure}") from None
    except NotEmpty:
        text = f"the database {settings.database} is not empty: give --replace to remove what is in it"
        raise click.ClickException(text) from None
    except CannotOpen:
        raise click.ClickException("FHIR_ENCRYPTION_KEY does not open the key of the audit log") from None
    _tell(manifest, "All of it is in the database")
    if found is not None and not found.is_whole:
        raise click.ClickException("the audit log is NOT whole: see fhir-server audit verify")
    if found is not None:
        click.echo(f"The audit log is whole: {found.events} events in {found.blocks} blocks.")


def _refuse_beside_a_server(settings: Settings) -> None:
    if settings.mongo_url is None:
        with url_of_running(settings) as url:
            if url is not None:
                raise click.ClickException("a server is running on this database: stop it first")


async def _work(
    store: Store, settings: Settings, file: Any, key: bytes | None, *, replace: bool
) -> tuple[Manifest, Verification | None]:
    manifest = await put_back(store, file, key, replace=replace)
    found = None if store.audit_log is None else await verified(store.audit_log)
    await record_command(store, settings, "restore")
    return manifest, found


def _tell(manifest: Manifest, text: str) -> None:
    number = f"{manifest.documents} documents of {len(manifest.collections)} collections"
    click.echo(f"{text}: {number}, as of {manifest.made}.")
