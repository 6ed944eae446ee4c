"""Ends a `mongod` that outlived its server, so that the next server can have the data.

https://man7.org/linux/man-pages/man5/proc_pid_fdinfo.5.html
"""

import os
import signal
import time
from pathlib import Path

import structlog

from fhir_server.store.embedded.data_directory import DataDirectory, is_free
from fhir_server.store.embedded.failure import CannotStart

# A clean shutdown took 1.0 s on a small machine; a mongod that is still there after this long hangs.
_PATIENCE_SECONDS = 20.0


def end_leftover(directory: DataDirectory) -> None:
    """End the `mongod` that still has the database files, if there is one.

    To be called by whoever holds the directory: no living server owns that `mongod` then. It is given time
    to shut down cleanly; killed, MongoDB recovers from its journal. Raises CannotStart if it cannot be ended.
    """
    lock_file = directory.database_files / "mongod.lock"
    if is_free(lock_file):
        return
    pid = _holder(lock_file)
    if pid is not None:
        structlog.get_logger().warning("a MongoDB outlived its server and is ended", pid=pid)
        for number in (signal.SIGTERM, signal.SIGKILL):
            _send(pid, number)
            if _becomes_free(lock_file):
                return
    if not is_free(lock_file):
        raise CannotStart(f"Another MongoDB uses the files in {directory.database_files}: stop it first")


def _becomes_free(lock_file: Path) -> bool:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not is_free(lock_file):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it ended by itself in the meantime


def _holder(lock_file: Path) -> int | None:
    # What the file says is no proof: it is written late, and its number may by now be another program's.
    wanted = lock_file.stat()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(_is_locked(descriptor, wanted) for descriptor in (process / "fd").iterdir()):
                return int(process.name)
        except OSError:
            continue  # another user's, or it has just ended
    return None


def _is_locked(descriptor: Path, wanted: os.stat_result) -> bool:
    try:
        if not os.path.samestat(descriptor.stat(), wanted):
            return False
        return "FLOCK" in (descriptor.parents[1] / "fdinfo" / descriptor.name).read_text()
    except OSError:
        return False  # closed in the meantime
