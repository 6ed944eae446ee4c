"""`fhir-server serve` as a process of its own, to be killed, watched and started again."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# No server needs that long, however busy the machine is.
START_SECONDS = 120.0
STOP_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """A running server: its process, its port, and the file with all that it logged."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def base_url(self) -> str:
        """The address of the FHIR interface."""
        return f"http://127.0.0.1:{self.port}/fhir"

    @property
    def pid(self) -> int:
        """The process that was started: the only one, or the one that supervises the workers."""
        return self.process.pid

    def kill(self) -> None:
        """End the process as a power cut would, and wait until it is gone."""
        self.process.kill()
        self.process.wait(STOP_SECONDS)

    def stop(self) -> int:
        """Ask the server to end, and return its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise


def free_port() -> int:
    """Return a port on which nobody listens now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def launch(
    folder: Path, *, port: int = 0, workers: int = 1, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a server on the data directory `folder / "data"`, and return without waiting for it.

    What it logs is added to `folder / "server.log"`; its standard output is a pipe. Requests need no token,
    unless `environment` says that they do.
    """
    folder.mkdir(parents=True, exist_ok=True)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("FHIR_")}
    command = [sys.executable, "-m", "fhir_server", "serve", "--port", str(port), "--workers", str(workers)]
    with (folder / "server.log").open("ab") as log:
        return subprocess.Popen(
            [*command, "--data-dir", str(folder / "data")],
            env={**inherited, "FHIR_AUTH": "off", "FHIR_WORKFLOWS_OFF": "all", **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )


def start(folder: Path, *, workers: int = 1, environment: Mapping[str, str] | None = None) -> ServerProcess:
    """Start a server, and return when it says that it is ready. What it prints tells the port."""
    process = launch(folder, workers=workers, environment=environment)
    patience = threading.Timer(START_SECONDS, process.kill)
    patience.start()
    try:
        return ServerProcess(process, _announced_port(process, folder), folder / "server.log")
    finally:
        patience.cancel()


def _announced_port(process: subprocess.Popen[bytes], folder: Path) -> int:
    assert process.stdout is not None
    for line in process.stdout:
        if b"FHIR interface" in line:
            return int(line.rpartition(b":")[2].partition(b"/")[0])
    raise AssertionError(f"the server did not start: {(folder / 'server.log').read_text()[-2000:]}")


@contextmanager
def running(
    folder: Path, *, workers: int = 1, environment: Mapping[str, str] | None = None
) -> Iterator[ServerProcess]:
    """Give a server that is stopped at the end of the block."""
    server = start(folder, workers=workers, environment=environment)
    try:
        yield server
    finally:
        server.stop()
        assert server.process.stdout is not None
        server.process.stdout.close()


def mongod_pid(folder: Path) -> int | None:
    """Return the process of the MongoDB of the server on `folder`, or None if none runs."""
    try:
        pid = int((folder / "data" / "mongo" / "mongod.lock").read_text().strip())
        program = Path(f"/proc/{pid}/comm").read_text().strip()
    except (OSError, ValueError):
        return None
    return pid if program == "mongod" else None


def kill_mongod(folder: Path) -> bool:
    """Kill the MongoDB of the server on `folder`; False if there was none to kill."""
    pid = mongod_pid(folder)
    if pid is None:
        return False
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def worker_pids(server: ServerProcess) -> list[int]:
    """Return the processes that answer requests for a server of several workers."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    return [int(child) for child in children if b"spawn_main" in _command_line(child)]


def _command_line(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def resident_bytes(pid: int) -> int:
    """Return how much memory of its own a process has now."""
    return _status(pid, "VmRSS")


def peak_resident_bytes(pid: int) -> int:
    """Return the most memory that a process ever had."""
    return _status(pid, "VmHWM")


def _status(pid: int, field: str) -> int:
    """https://man7.org/linux/man-pages/man5/proc_pid_status.5.html"""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    line = next(line for line in lines if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024


def wait_until_ended(pid: int) -> None:
    """Return when no process has the id `pid`, or only one that nobody has asked after yet."""
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline:
        try:
            if "State:\tZ" in Path(f"/proc/{pid}/status").read_text():
                return
        except OSError:
            return
        time.sleep(0.01)
    raise AssertionError(f"process {pid} did not end")
