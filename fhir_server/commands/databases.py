"""The database for a command: that of the server which is running, or one started for the command."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import click

from fhir_server.key_file import UnusableKeyFile, with_encryption_key
from fhir_server.settings import Settings
from fhir_server.store import Store, open_store
from fhir_server.store.embedded import CannotStart, running_mongo, url_of_running
from resources.operation_outcome import FhirError

Result = TypeVar("Result")

data_directory = click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the server's own MongoDB.  [default: .fhir-data]",
)
"""The option by which a command finds the database, for `read_settings`."""


def with_store(settings: Settings, work: Callable[[Store], Awaitable[Result]]) -> Result:
    """Return what `work` does with the store of the database that `settings` name.

    Raises click.ClickException with one line if the database cannot be reached, or the key of its secrets.
    """
    try:
        settings, _ = with_encryption_key(settings)
        if settings.mongo_url is not None:
            return asyncio.run(_done(settings, settings.mongo_url, work))
        with url_of_running(settings) as url:
            if url is not None:
                return asyncio.run(_done(settings, url, work))
        with running_mongo(settings) as mongo:
            return asyncio.run(_done(settings, mongo.url, work))
    except (CannotStart, UnusableKeyFile) as failure:
        raise click.ClickException(str(failure)) from None
    except FhirError as failure:
        raise click.ClickException(failure.issues[0].diagnostics) from None


async def _done(settings: Settings, url: str, work: Callable[[Store], Awaitable[Result]]) -> Result:
    store = open_store(settings, url)
    try:
        return await work(store)
    finally:
        await store.close()
