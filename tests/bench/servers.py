"""The programs that are measured: our server, and the bare ones that show what is the least possible."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx


@dataclass(frozen=True, slots=True)
class Running:
    """A program that answers on a port of the loopback interface; `seconds` from start to first 200."""

    port: int
    process: subprocess.Popen[bytes]
    seconds: float


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def started(command: list[str], port: int, path: str, **environment: str) -> Iterator[Running]:
    """Run `command` until the block ends; begin when `path` answers 200."""
    before = time.perf_counter()
    process = subprocess.Popen(
        command,
        env={**os.environ, "FHIR_LOG_LEVEL": "info", **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}{path}", process)
        yield Running(port, process, time.perf_counter() - before)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    with httpx.Client(timeout=5) as client:
        while True:
            if process.poll() is not None:
                raise RuntimeError(f"the program ended with {process.returncode} before it answered")
            try:
                if client.get(url).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.005)


@contextmanager
def fhir_server(data_dir: Path, workers: int, mongo_url: str | None = None) -> Iterator[Running]:
    """Run our server as users do, but without tokens; with a MongoDB of its own unless `mongo_url` names one.

    The floor that its figures stand beside asks nobody for a token either.
    """
    port = free_port()
    command = [sys.executable, "-m", "fhir_server", "serve", "--no-auth", "--port", str(port)]
    command += ["--workers", str(workers), "--data-dir", str(data_dir)]
    environment = {"FHIR_MONGO_URL": mongo_url} if mongo_url else {}
    with started(command, port, "/health/ready", **environment) as running:
        yield running


@contextmanager
def bare_server(mongo_url: str, workers: int) -> Iterator[Running]:
    """Run the bare FastAPI application of `tests/bench/bare.py`."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "tests.bench.bare:app", "--no-access-log"]
    command += ["--log-level", "error", "--port", str(port), "--workers", str(workers)]
    with started(command, port, "/ready", BARE_MONGO_URL=mongo_url) as running:
        yield running


def resident_bytes(process_id: int) -> int:
    """Return the memory of a process that is in RAM and not shared with others."""
    for line in Path(f"/proc/{process_id}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("the kernel does not tell the memory of the process")
