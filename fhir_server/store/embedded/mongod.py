"""One `mongod` as a child process: started, watched, started again when it dies, stopped with the server.

https://www.mongodb.com/docs/manual/reference/program/mongod/
"""

import os
import resource
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import structlog

from fhir_server.processes.parent_death import ending_with
from fhir_server.secret_files import without_secrets
from fhir_server.settings import secret_variables
from fhir_server.store.embedded.data_directory import DataDirectory
from fhir_server.store.embedded.executable import LIBCURL, environment_with_libcurl
from fhir_server.store.embedded.failure import CannotStart
from fhir_server.store.embedded.mongod_log import last_failure, last_words, rotate
from fhir_server.store.embedded.replica_set import REPLICA_SET, make_primary
from fhir_server.store.embedded.socket_paths import reachable, url_at

# Relative to the folder that mongod works in: the member keeps its name when that folder is moved, and the
# limit for the length of a socket's path is not met.
_MEMBER = "./mongod.sock"
_START_SECONDS = 120.0  # a usual start takes 0.3 s; recovery after a kill reads the whole journal
_STOP_SECONDS = 30.0  # a usual stop takes 1.0 s
_STABLE_SECONDS = 60.0
_LONGEST_PAUSE_SECONDS = 10.0
_OPEN_FILES = 64_000


class Mongod:
    """The MongoDB of one data directory, from `start` to `stop`; `url` leads to it all the time.

    Nobody but the owner of this process reaches it: it listens on a Unix socket in a folder of mode 0700 and
    on no port. The directory must be held, see data_directory.held.
    """

    def __init__(self, executable: Path, directory: DataDirectory, *, cache_megabytes: int) -> None:
        self._executable = executable
        self._directory = directory
        self._cache_megabytes = cache_megabytes
        self._environment: dict[str, str] | None = None
        self._folder = os.open(directory.socket.parent, os.O_RDONLY | os.O_DIRECTORY)
        self._socket_path = reachable(directory.socket, self._folder)
        self._process: subprocess.Popen[bytes] | None = None
        self._failure: CannotStart | None = None
        self._settled = threading.Event()
        self._stopping = threading.Event()
        self._forking = threading.Lock()
        # All starts are made in this thread: mongod is told to end when the thread that started it ends.
        self._watcher = threading.Thread(target=self._watch, name="mongod-watcher", daemon=True)

    @property
    def url(self) -> str:
        """The address for MongoDB's drivers, good for this process and its children."""
        return url_at(self._socket_path)

    @property
    def pid(self) -> int | None:
        """The id of the process, another one after it was started again; None before the first start."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Return when MongoDB takes writes. Raise CannotStart, with MongoDB's reason, if it does not."""
        self._watcher.start()
        self._settled.wait()
        if self._failure is not None:
            self.stop()
            raise self._failure

    def stop(self) -> None:
        """Shut MongoDB down cleanly and return when it has ended."""
        self._stopping.set()
        with self._forking:
            process = self._process
        if process is not None:
            _end(process)
        self._watcher.join()
        os.close(self._folder)

    def _watch(self) -> None:
        pause = 0.0
        while not self._stopping.wait(pause):
            started = time.monotonic()
            try:
                process = self._launch()
            except CannotStart as failure:
                if not self._settled.is_set():
                    self._failure = failure
                    self._settled.set()
                    return
                structlog.get_logger().error("MongoDB could not be started again", reason=str(failure))
            else:
                self._settled.set()
                log_start = self._directory.log_size
                exit_code = process.wait()
                if self._stopping.is_set():
                    return
                told = {"exit_code": exit_code, "reason": last_words(self._directory.log, log_start)}
                structlog.get_logger().error("MongoDB ended and is started again", **told)
            was_stable = time.monotonic() - started > _STABLE_SECONDS
            pause = 0.0 if was_stable else min(max(0.05, pause * 2), _LONGEST_PAUSE_SECONDS)

    def _launch(self) -> subprocess.Popen[bytes]:
        rotate(self._directory.log)
        log_start = self._directory.log_size
        with tempfile.TemporaryFile() as output:
            try:
                return self._launch_once(output)
            except CannotStart as failure:
                output.seek(0)
                printed = output.read().decode("utf-8", "replace").strip()
                if LIBCURL in printed and self._environment is None:
                    self._environment = environment_with_libcurl(self._directory.path / "lib")
                    if self._environment is not None:
                        return self._launch()
                reason = last_failure(self._directory.log, log_start) or printed or "it gave no reason"
                raise CannotStart(f"{failure}: {reason} (its log is {self._directory.log})") from None

    def _launch_once(self, output: IO[bytes]) -> subprocess.Popen[bytes]:
        with self._forking:
            if self._stopping.is_set():
                raise CannotStart("MongoDB is being stopped")
            process = self._process = self._fork(output)
        try:
            make_primary(
                self._socket_path,
                self.url,
                _MEMBER,
                seconds=_START_SECONDS,
                is_alive=lambda: process.poll() is None and not self._stopping.is_set(),
            )
        except CannotStart:
            _end(process)
            raise
        return process

    def _fork(self, output: IO[bytes]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(  # noqa: S603 - the program is the one that find_mongod found
                [str(self._executable), *_arguments(self._directory, self._cache_megabytes)],
                cwd=self._directory.socket.parent,
                env=without_secrets(secret_variables(), self._environment or os.environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C in a terminal is for the server, which then stops MongoDB
                preexec_fn=_prepared(ending_with(os.getpid())),
            )
        except OSError as failure:
            raise CannotStart(f"{self._executable} cannot be run: {failure.strerror}") from None


def _prepared(end_with_us: Callable[[], None]) -> Callable[[], None]:
    """Return what MongoDB's process calls before the program starts: `end_with_us`, and more open files.

    Each collection and each index is a file, some 4,000 in all, and one that cannot be opened ends MongoDB;
    most systems allow 1,024 unless they are asked.
    https://www.mongodb.com/docs/manual/reference/ulimit/#recommended-ulimit-settings
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)

    def prepare() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        end_with_us()

    return prepare


def _arguments(directory: DataDirectory, cache_megabytes: int) -> tuple[str, ...]:
    return (
        *("--dbpath", str(directory.database_files)),
        *("--logpath", str(directory.log), "--logappend", "--quiet"),
        *("--replSet", REPLICA_SET, "--oplogSize", "512"),
        *("--bind_ip", _MEMBER, "--nounixsocket"),  # the second is about the public one in /tmp
        *("--wiredTigerCacheSizeGB", f"{cache_megabytes / 1024:.3f}"),
        "--noscripting",
        *("--slowms", "2147483647"),  # the log of a slow operation would hold a patient's data
        # Files of collections that were dropped, or that nobody uses, would stay open for ten minutes: 20,000
        # in a run of the tests, which drop a database each few seconds.
        *("--wiredTigerEngineConfigString", "file_manager=(close_idle_time=60,close_scan_interval=10)"),
        # Saves 8 MB of memory (measured), and files that only MongoDB's makers read.
        *("--setParameter", "diagnosticDataCollectionEnabled=false"),
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
