"""Ends a `mongod` that outlived its server, so that the next server can have the data."""

import os
import signal
import time
from pathlib import Path

import structlog

from fhir_server.store.embedded.data_directory import DataDirectory

# A clean shutdown took 1.0 s on a small machine; a mongod that is still there after this long hangs.
_PATIENCE_SECONDS = 20.0


def end_leftover(directory: DataDirectory) -> None:
    """End the `mongod` that still has the database files open, if there is one.

    To be called by whoever holds the directory: no living server owns that `mongod` then. It is given time
    to shut down cleanly; killed, MongoDB recovers from its journal.
    """
    lock_file = directory.database_files / "mongod.lock"
    pid = _holder(lock_file)
    if pid is None:
        return
    structlog.get_logger().warning("a MongoDB outlived its server and is ended", pid=pid)
    for number in (signal.SIGTERM, signal.SIGKILL):
        _send(pid, number)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if _holder(lock_file) is None:
                return
            time.sleep(0.01)


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it ended by itself in the meantime


def _holder(lock_file: Path) -> int | None:
    """Return the id of the process that MongoDB's lock file names, if it has that very file open.

    The id alone proves nothing: by now it may be another program's. The open file proves it even if the
    folder was moved while `mongod` ran.
    """
    try:
        pid = int(lock_file.read_text("ascii").strip())
        identity = _identity(lock_file)
        descriptors = list(Path(f"/proc/{pid}/fd").iterdir())
    except (OSError, ValueError):
        return None
    return pid if any(_identity(descriptor) == identity for descriptor in descriptors) else None


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
