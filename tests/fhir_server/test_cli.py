"""The `fhir-server` program as a person runs it: in processes of its own, with signals and exit codes."""

import asyncio
import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from fhir_server import __version__
from fhir_server.key_file import KEY_FILE
from fhir_server.settings import Settings
from fhir_server.store import open_store
from fhir_server.store.accounts import Account
from fhir_server.store.embedded import running_mongo
from fhir_server.store.embedded.data_directory import held
from tests.sweeps import sampled

_PROGRAM = [sys.executable, "-m", "fhir_server"]
_ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("FHIR_")}
_ROOT = Path(__file__).parents[2]
# What is tested here is the process: neither who asks matters, nor whether a patient has a name.
_PLAIN = {"FHIR_LOG_LEVEL": "error", "FHIR_AUTH": "off", "FHIR_WORKFLOWS_OFF": "all"}
_PATIENT = b'{"resourceType":"Patient","active":true}'


@dataclass(frozen=True, slots=True)
class Served:
    """A server that answers: its process, its port, and what it printed."""

    process: subprocess.Popen[str]
    port: int
    printed: str


def _run(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*_PROGRAM, *arguments],
        env={**_ENVIRONMENT, "PYTHONPATH": str(_ROOT), **environment},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextmanager
def _serving(data_dir: Path, *arguments: str, **environment: str) -> Iterator[Served]:
    process = subprocess.Popen(
        [*_PROGRAM, "serve", "--port", "0", "--data-dir", str(data_dir), *arguments],
        env={**_ENVIRONMENT, **_PLAIN, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process:
        try:
            lines = [process.stdout.readline() for _ in range(6)]
            port = int(lines[1].rsplit(":", 1)[1].split("/")[0])
            yield Served(process, port, "".join(lines))
        finally:
            process.kill()


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server of two processes, for tests that leave it whole."""
    with _serving(tmp_path_factory.mktemp("data"), "--workers", "2") as served:
        yield served


def _status(port: int, path: str = "/health/ready") -> int | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _body(port: int, path: str) -> bytes:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", path)
        return connection.getresponse().read()


def _children(pid: int, name: str) -> list[int]:
    threads = Path(f"/proc/{pid}/task").glob("*/children")
    pids = [int(child) for thread in threads for child in thread.read_text().split()]
    return [child for child in pids if name in Path(f"/proc/{child}/cmdline").read_text()]


def _workers(served: Served) -> list[int]:
    return _children(served.process.pid, "spawn_main")


def _is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def _eventually(holds: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass in time"
        time.sleep(0.02)


# --- Commands -----------------------------------------------------------------------------------------------


def test_help_names_the_commands() -> None:
    """A newcomer sees what the program can do."""
    told = _run("--help").stdout
    assert [line.split()[0] for line in told.split("Commands:")[1].splitlines() if line.strip()] == [
        "serve",
        "demo",
        "load",
        "token",
        "users",
        "clients",
        "audit",
        "secrets",
        "backup",
        "restore",
        "retention",
        "agenda",
        "hl7v2",
        "version",
    ]


def test_an_unknown_command_is_refused() -> None:
    """A typing error is exit code 2, as of all programs made with click."""
    refused = _run("server")
    assert refused.returncode == 2
    assert "No such command 'server'" in refused.stderr


def test_version_tells_what_a_report_of_a_fault_needs() -> None:
    """Server, FHIR, Python and the libraries that matter most."""
    lines = _run("version").stdout.splitlines()
    assert lines[:2] == [f"fhir-server {__version__}", "FHIR 4.0.1"]
    assert lines[2].startswith(f"Python {sys.version_info.major}.{sys.version_info.minor}")
    assert [line.split()[0] for line in lines[3:]] == ["fastapi", "pymongo", "uvicorn"]


# --- Starting and stopping ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("workers", "number"), [(1, signal.SIGINT), (2, signal.SIGTERM)])
def test_it_serves_until_told_to_stop(tmp_path: Path, workers: int, number: signal.Signals) -> None:
    """It prints what is where, answers, and ends with exit code 0, MongoDB last and cleanly."""
    with _serving(tmp_path, "--workers", str(workers)) as served:
        assert f"http://127.0.0.1:{served.port}/fhir/metadata" in served.printed
        assert f"data in {tmp_path}" in served.printed
        assert _status(served.port, "/fhir/metadata") == 200
        (mongod,) = _children(served.process.pid, "mongod")
        served.process.send_signal(number)
        assert served.process.wait(timeout=30) == 0
        assert _is_gone(mongod)
        assert (tmp_path / "mongo" / "mongod.lock").read_bytes() == b""


@pytest.mark.parametrize("workers", sampled([2, 1], 2))
def test_a_request_under_way_is_finished(tmp_path: Path, workers: int) -> None:
    """A client that was sending when the server was told to stop gets its answer, and the data are kept."""
    with _serving(tmp_path, "--workers", str(workers)) as served:
        with socket.create_connection(("127.0.0.1", served.port), timeout=30) as connection:
            head = f"POST /fhir/Patient HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(_PATIENT)}\r\n"
            connection.sendall(head.encode() + b"Content-Type: application/fhir+json\r\n\r\n" + _PATIENT[:9])
            time.sleep(0.3)
            served.process.terminate()
            time.sleep(0.7)
            connection.sendall(_PATIENT[9:])
            assert connection.recv(64).startswith(b"HTTP/1.1 201 ")
        assert served.process.wait(timeout=30) == 0


def test_it_starts_while_its_mongodb_is_away(tmp_path: Path) -> None:
    """The server says where it is all the same, and that it answers 503 for now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        away = f"mongodb://127.0.0.1:{probe.getsockname()[1]}/?replicaSet=fhir"
        with _serving(tmp_path, FHIR_MONGO_URL=away) as served:
            assert served.process.stdout is not None
            assert "MongoDB does not answer" in served.process.stdout.readline()
            assert _status(served.port) == 503


def test_tokens_are_asked_for_unless_told_not_to(tmp_path: Path) -> None:
    """The key is made at the first start, and what it has encrypted is opened after the next one."""
    published = []
    for _ in range(2):
        with _serving(tmp_path, FHIR_AUTH="") as served:
            assert _status(served.port, "/fhir/Patient") == 401
            keys = _body(served.port, "/oauth/jwks")
            published.append(sorted(one["kid"] for one in json.loads(keys)["keys"]))
            key = (tmp_path / KEY_FILE).read_text().strip()
            assert key not in served.printed
            served.process.terminate()
            assert served.process.wait(timeout=30) == 0
    assert published[0] == published[1]
    (tmp_path / KEY_FILE).chmod(0o640)
    refused = _run("serve", "--port", "0", "--data-dir", str(tmp_path))
    _assert_one_line(refused, f"chmod 600 {tmp_path / KEY_FILE}")
    with _serving(tmp_path, "--no-auth", FHIR_AUTH="") as served:
        assert served.process.stdout is not None
        assert "WARNING: no request needs a token" in [served.process.stdout.readline() for _ in range(2)][1]
        assert _status(served.port, "/fhir/Patient") == 200


def test_a_key_that_is_gone_is_missed(tmp_path: Path) -> None:
    """No new one takes its place where people have second factors, which it would not open."""
    with running_mongo(Settings(data_dir=tmp_path)) as mongo:
        asyncio.run(_with_second_factor(mongo.url))
    refused = _run("serve", "--port", "0", "--data-dir", str(tmp_path))
    _assert_one_line(refused, str(tmp_path / KEY_FILE), "put it back", "--remove-second-factor")
    assert not (tmp_path / KEY_FILE).exists()


async def _with_second_factor(url: str) -> None:
    store = open_store(Settings(), url)
    await store.accounts.add(Account("1", "ada", "Ada", "", ("AD",), totp="1.x.y"))
    await store.close()


# --- What is refused ----------------------------------------------------------------------------------------


def _assert_one_line(refused: subprocess.CompletedProcess[str], *parts: str) -> None:
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1
    for part in parts:
        assert part in refused.stderr


def test_a_data_directory_in_use_is_refused(tmp_path: Path) -> None:
    """The second server on the same records says why it does not start, and how to go on."""
    with held(tmp_path):
        refused = _run("serve", "--port", "0", "--data-dir", str(tmp_path))
    _assert_one_line(refused, f"(process {os.getpid()})", str(tmp_path), "--data-dir")


def test_a_port_in_use_is_refused(tmp_path: Path) -> None:
    """No MongoDB is started for a server that cannot listen."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = _run("serve", "--port", port, "--data-dir", str(tmp_path / "data"))
    _assert_one_line(refused, port, "Address already in use", "--port")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("arguments", "environment", "named"),
    [
        (["--workers", "0"], {}, "--workers"),
        ([], {"FHIR_PORT": "http"}, "FHIR_PORT"),
        ([], {"FHIR_MONGO_URL": "http://127.0.0.1"}, "FHIR_MONGO_URL"),
        (["--host", "256.0.0.1"], {}, "256.0.0.1 (Name or service not known)"),
        (["--no-auth", "--host", "0.0.0.0"], {}, "for this machine only"),
        (["--no-auth"], {"FHIR_HOST": "192.0.2.1"}, "and not 192.0.2.1"),
        (["--host", "::"], {"FHIR_AUTH": "off"}, "for this machine only"),
        (["--port", "0"], {"FHIR_MONGO_URL": "mongodb://127.0.0.1:1/?replicaSet=x"}, "FHIR_DATA_DIR"),
    ],
)
def test_a_setting_that_is_not_allowed_is_named(
    arguments: list[str], environment: dict[str, str], named: str, tmp_path: Path
) -> None:
    """The one line names the option or the variable, whichever was used."""
    refused = _run("serve", *arguments, cwd=tmp_path, **environment)
    _assert_one_line(refused, named)


@pytest.mark.parametrize("workers", sampled(["2", "1"], 2))
def test_an_application_that_cannot_start_ends_the_server(workers: str, tmp_path: Path) -> None:
    """Nobody starts it anew for ever: the exit code says that it failed, and MongoDB is stopped."""
    # Python imports this first of all, in each process.
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['fhir_server.app'] = None")
    path = f"{tmp_path}:{_ROOT}"
    data_dir = tmp_path / "data"
    failed = _run("serve", "--port", "0", "--workers", workers, "--data-dir", str(data_dir), PYTHONPATH=path)
    assert failed.returncode == 1
    assert "fhir_server.app" in failed.stderr
    assert (data_dir / "mongo" / "mongod.lock").read_bytes() == b""


# --- Several processes --------------------------------------------------------------------------------------


def _connections(pid: int, port: int) -> int:
    """Return how many connections to `port` the process has open."""
    sockets = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            sockets.add(str(descriptor.readlink()))
        except FileNotFoundError:
            continue
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    local = f":{port:04X}"
    established = [row for row in rows if row[1].endswith(local) and row[3] == "01"]
    return sum(f"socket:[{row[9]}]" in sockets for row in established)


def _burst(served: Served, workers: list[int]) -> list[int]:
    """Open 4 connections at once; return how many of them each worker got."""
    clients = [http.client.HTTPConnection("127.0.0.1", served.port) for _ in range(4)]
    try:
        for client in clients:
            client.request("GET", "/health/live")
        assert [client.getresponse().read() for client in clients] == [b'{"status":"up"}'] * 4
        return [_connections(pid, served.port) for pid in workers]
    finally:
        for client in clients:
            client.close()
        _eventually(lambda: not any(_connections(pid, served.port) for pid in workers))


def test_connections_are_shared_evenly(two_workers: Served) -> None:
    """Each of 2 processes gets its part of connections opened at once; by chance one often gets all."""
    workers = _workers(two_workers)
    assert len(workers) == 2
    _eventually(lambda: all(_burst(two_workers, workers)))  # the second may still be starting
    shares = [_burst(two_workers, workers) for _ in range(8)]
    # 16 each on an idle machine; where it is busy, a process is not waited for longer than 20 ms.
    assert min(map(sum, zip(*shares, strict=True))) >= 10, shares


def test_a_killed_process_is_replaced(two_workers: Served) -> None:
    """The others go on answering, and soon there are as many as before."""
    before = _workers(two_workers)
    os.kill(before[0], signal.SIGKILL)
    _eventually(lambda: _is_gone(before[0]))
    assert _status(two_workers.port) == 200
    _eventually(lambda: len(set(_workers(two_workers)) - set(before)) == 1)
    assert before[1] in _workers(two_workers)


def test_nothing_is_left_of_a_killed_server(tmp_path: Path) -> None:
    """After kill -9 of the supervisor its processes and MongoDB end, and the next server starts."""
    with _serving(tmp_path, "--workers", "2") as served:
        below = [*_workers(served), *_children(served.process.pid, "mongod")]
        assert len(below) == 3
        served.process.kill()
        served.process.wait()
        _eventually(lambda: all(_is_gone(pid) for pid in below))
        assert _status(served.port) is None
    with _serving(tmp_path) as served:
        assert _status(served.port) == 200
