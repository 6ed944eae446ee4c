"""Which MongoDB holds the records: the one at FHIR_MONGO_URL, or one of the server's own.

The server's own is a `mongod` from PATH or from the wheel of the `embedded` extra. It is a real MongoDB, a
replica set of one, so that there is one code path for all; docs/operations.md tells how it is kept.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from fhir_server.settings import Settings
from fhir_server.store.embedded.data_directory import DataDirectory, held, is_held
from fhir_server.store.embedded.executable import find_mongod
from fhir_server.store.embedded.failure import CannotStart
from fhir_server.store.embedded.leftover import end_leftover
from fhir_server.store.embedded.mongod import Mongod
from fhir_server.store.embedded.replica_set import check_is_replica_set
from fhir_server.store.embedded.socket_paths import reachable, url_at

__all__ = ["CannotStart", "RunningMongo", "running_mongo", "url_of_running"]


@dataclass(frozen=True, slots=True)
class RunningMongo:
    """A MongoDB to use: its address for the driver, and what to tell a person about it."""

    url: str
    description: str
    process: Mongod | None = None


@contextmanager
def running_mongo(settings: Settings) -> Iterator[RunningMongo]:
    """Give the MongoDB that `settings` ask for, started if it is our own, until the block ends.

    Raises CannotStart if there is none, it cannot start, or another server uses the data directory.
    """
    if settings.mongo_url is not None:
        check_is_replica_set(settings.mongo_url)
        hosts = urlsplit(settings.mongo_url).netloc.rpartition("@")[2]  # never show the password
        yield RunningMongo(settings.mongo_url, f"at {hosts}")
        return
    executable = find_mongod()
    with held(settings.data_dir) as directory:
        end_leftover(directory)
        mongod = Mongod(executable, directory, cache_megabytes=settings.embedded_cache_mb)
        mongod.start()
        try:
            yield RunningMongo(mongod.url, f"{executable}, data in {directory.path}", mongod)
        finally:
            mongod.stop()


@contextmanager
def url_of_running(settings: Settings) -> Iterator[str | None]:
    """Give the address of the MongoDB of the server that uses the data directory now; None if none does.

    It is good until the block ends, and for this process.
    """
    directory = DataDirectory(settings.data_dir.absolute())
    try:
        is_used = directory.socket.exists() and is_held(directory)
    except OSError:
        is_used = False  # who starts one there will hear why it cannot be
    if not is_used:
        yield None
        return
    folder = os.open(directory.socket.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield url_at(reachable(directory.socket, folder))
    finally:
        os.close(folder)
