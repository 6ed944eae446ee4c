"""The folder that holds the records of one server: its lock, its database files and its socket.

<data-dir>/lock           held (flock) by the server that uses the folder, with its process id in it
<data-dir>/mongo/         MongoDB's files
<data-dir>/mongod.log     MongoDB's log
<data-dir>/socket/        mode 0700, holds the only way to reach MongoDB: mongod.sock
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fhir_server.store.embedded.failure import CannotStart

_PRIVATE = 0o700


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """An absolute path, and what lies where in it."""

    path: Path

    @property
    def lock(self) -> Path:
        """The file that the server which uses the folder has locked."""
        return self.path / "lock"

    @property
    def database_files(self) -> Path:
        """The folder of MongoDB's own files."""
        return self.path / "mongo"

    @property
    def log(self) -> Path:
        """MongoDB's log, one JSON object a line."""
        return self.path / "mongod.log"

    @property
    def log_size(self) -> int:
        """How many bytes MongoDB has written to its log."""
        return self.log.stat().st_size if self.log.exists() else 0

    @property
    def socket(self) -> Path:
        """The Unix socket that MongoDB listens on."""
        return self.path / "socket" / "mongod.sock"


@contextmanager
def held(path: Path) -> Iterator[DataDirectory]:
    """Make the folder at `path` where it is missing, and hold it for this process until the block ends.

    Raises CannotStart if another server holds it, or if it cannot be written.
    """
    directory = DataDirectory(path.absolute())
    try:
        for folder in (directory.path, directory.database_files, directory.socket.parent):
            folder.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        directory.socket.parent.chmod(_PRIVATE)  # it may have been copied from elsewhere
        lock = os.open(directory.lock, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as failure:
        raise CannotStart(f"The data directory {directory.path} cannot be used: {failure.strerror}") from None
    try:
        _lock(lock, directory)
        yield directory
    finally:
        os.close(lock)


def _lock(lock: int, directory: DataDirectory) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(lock, 32, 0).decode("ascii", "replace").strip()
        raise CannotStart(
            f"Another server (process {holder or 'unknown'}) uses the data directory {directory.path}: "
            "stop it first, or choose another with --data-dir"
        ) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode("ascii"), 0)


def is_held(directory: DataDirectory) -> bool:
    """Tell whether a server uses the folder."""
    return not is_free(directory.lock)


def is_free(lock_file: Path) -> bool:
    """Tell whether no process has locked the file, which a server and a `mongod` do from first to last."""
    try:
        descriptor = os.open(lock_file, os.O_RDWR)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
