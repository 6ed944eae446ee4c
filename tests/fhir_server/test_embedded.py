"""The server's own MongoDB: private, whole after every kill, and there again by itself."""

import os
import resource
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click
import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from pymongo.write_concern import WriteConcern

from fhir_server.commands.databases import with_store
from fhir_server.settings import Settings
from fhir_server.store.embedded import CannotStart, RunningMongo, running_mongo, url_of_running
from fhir_server.store.embedded.data_directory import DataDirectory, held
from fhir_server.store.embedded.executable import find_mongod
from fhir_server.store.embedded.leftover import end_leftover

# What a server does, in a process that can be killed: prints the ids and the address, then waits.
_HOLDER = """
import sys
from pathlib import Path
from fhir_server.settings import Settings
from fhir_server.store.embedded import running_mongo
with running_mongo(Settings(mongo_url=None, data_dir=Path(sys.argv[1]))) as mongo:
    print(mongo.process.pid, mongo.url, flush=True)
    sys.stdin.read()
"""

Documents = MongoClient[dict[str, Any]]


@pytest.fixture(scope="module")
def mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMongo]:
    """One MongoDB for the tests that only look at it."""
    with _running(tmp_path_factory.mktemp("data")) as running:
        yield running


@contextmanager
def _running(data_dir: Path) -> Iterator[RunningMongo]:
    with running_mongo(Settings(mongo_url=None, data_dir=data_dir)) as running:
        yield running


def _pid(running: RunningMongo) -> int:
    assert running.process is not None
    assert running.process.pid is not None
    return running.process.pid


def _write(url: str, number: int) -> None:
    with Documents(url) as client:
        collection = client["test"].get_collection("written", write_concern=WriteConcern("majority", j=True))
        collection.insert_one({"_id": number})


def _written(url: str) -> list[int]:
    with Documents(url) as client:
        return [document["_id"] for document in client["test"]["written"].find(sort=[("_id", 1)])]


def _eventually(holds: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass in time"
        time.sleep(0.02)


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _open_files(pid: int) -> set[str]:
    files = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed while we look
            files.add(str(descriptor.readlink()))
    return files


# --- Nobody else reaches it ---------------------------------------------------------------------------------


def test_only_the_owner_may_enter_the_folder_of_the_socket(mongo: RunningMongo, tmp_path: Path) -> None:
    """The socket, which is the only way in, lies in a folder of mode 0700."""
    with Documents(mongo.url) as client:
        client.admin.command("ping")
        address = client.address
    assert address is not None
    folder = Path(address[0]).parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_it_listens_on_no_port(mongo: RunningMongo) -> None:
    """No socket of the process is among those that listen for TCP."""
    own = _open_files(_pid(mongo))
    listening = set()
    for table in ("tcp", "tcp6"):
        rows = [line.split() for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
        listening |= {f"socket:[{row[9]}]" for row in rows if row[3] == "0A"}
    assert any(name.startswith("socket:") for name in own)
    assert not own & listening


def test_it_makes_no_public_socket(mongo: RunningMongo) -> None:
    """MongoDB's usual socket in the folder for temporary files, which all may see, is not made."""
    rows = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    open_files = _open_files(_pid(mongo))
    names = {row[7] for row in rows if len(row) > 7 and f"socket:[{row[6]}]" in open_files}
    assert names == {"./mongod.sock"}


def test_its_log_tells_nothing_of_slow_operations(mongo: RunningMongo) -> None:
    """A slow operation would be logged with what was asked for: a patient's name, for one."""
    with Documents(mongo.url) as client:
        assert client.admin.command({"profile": -1})["slowms"] == 2**31 - 1


def test_it_may_open_as_many_files_as_the_system_lets_it(tmp_path: Path) -> None:
    """Systems allow 1,024 at first, and all collections and indexes are some 4,000."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    try:
        with _running(tmp_path) as running:
            given = resource.prlimit(_pid(running), resource.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert given[0] == (64_000 if hard == resource.RLIM_INFINITY else min(64_000, hard))


# --- It is a whole MongoDB ----------------------------------------------------------------------------------


def test_transactions_commit_and_abort(mongo: RunningMongo) -> None:
    """A transaction, which only a replica set knows, keeps all of its writes or none."""
    with Documents(mongo.url) as client, client.start_session() as session:
        collection = client["test"]["transactions"]
        with session.start_transaction():
            collection.insert_one({"_id": 1}, session=session)
        with session.start_transaction():
            collection.insert_one({"_id": 2}, session=session)
            session.abort_transaction()
        assert [document["_id"] for document in collection.find()] == [1]


def test_it_stops_cleanly_and_starts_again_with_its_data(tmp_path: Path) -> None:
    """After a stop no process is left, MongoDB called its end clean, and the next start has the data."""
    with _running(tmp_path) as running:
        _write(running.url, 1)
        pid = _pid(running)
    assert not _is_alive(pid)
    assert (tmp_path / "mongo" / "mongod.lock").read_bytes() == b""
    with _running(tmp_path) as running:
        assert _written(running.url) == [1]


def test_the_data_directory_can_be_moved(tmp_path: Path) -> None:
    """The replica set's member has a name that does not depend on where the directory is."""
    with _running(tmp_path / "before") as running:
        _write(running.url, 1)
    (tmp_path / "before").rename(tmp_path / "after")
    with _running(tmp_path / "after") as running:
        _write(running.url, 2)
        assert _written(running.url) == [1, 2]


def test_the_path_may_be_longer_than_a_socket_address(tmp_path: Path) -> None:
    """Linux allows 107 bytes for a socket's path (unix(7)); data directories may lie deeper."""
    deep = tmp_path / ("d" * 120) / "data"
    with _running(deep) as running:
        _write(running.url, 1)
        assert _written(running.url) == [1]


@pytest.mark.parametrize("is_deep", [False, True], ids=["short", "long"])
def test_a_command_finds_the_mongodb_of_a_server_that_runs(tmp_path: Path, *, is_deep: bool) -> None:
    """However long the path is; without a server there is none to be found, and no descriptor is left."""
    data_dir = tmp_path / ("d" * 120 if is_deep else "d")
    settings = Settings(mongo_url=None, data_dir=data_dir)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with _holder(data_dir), url_of_running(settings) as url:
        assert url is not None
        _write(url, 1)
        assert _written(url) == [1]
    with url_of_running(settings) as url:
        assert url is None
    _eventually(lambda: len(list(Path("/proc/self/fd").iterdir())) <= before)


def test_a_path_that_is_no_path_is_told_in_one_line(tmp_path: Path) -> None:
    """A name of more than 255 bytes is none; a command says so as a server does."""
    settings = Settings(mongo_url=None, data_dir=tmp_path / ("d" * 300), auth="off")
    with pytest.raises(
        click.ClickException, match=r"^The data directory .* cannot be used: File name too long$"
    ):
        with_store(settings, lambda store: store.ping())
    secure = Settings(mongo_url=None, data_dir=tmp_path / ("d" * 300), auth="on")
    with pytest.raises(
        click.ClickException, match=r"^No encryption key can be made at .* \(File name too long\)$"
    ):
        with_store(secure, lambda store: store.ping())


# --- Kills --------------------------------------------------------------------------------------------------


@contextmanager
def _holder(data_dir: Path) -> Iterator[tuple[subprocess.Popen[str], int, str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    with process:
        try:
            pid, url = process.stdout.readline().split()
            yield process, int(pid), url
        finally:
            process.kill()


def test_it_ends_with_a_server_that_is_killed(tmp_path: Path) -> None:
    """After kill -9 of the server MongoDB ends by itself; what was acknowledged is there afterwards."""
    with _holder(tmp_path) as (process, pid, url):
        _write(url, 1)
        process.kill()
        process.wait()
        _eventually(lambda: not _is_alive(pid))
    with _running(tmp_path) as running:
        assert _written(running.url) == [1]


def test_a_server_can_start_in_the_moment_after_the_kill(tmp_path: Path) -> None:
    """The next server does not wait for a person to end what the killed one left."""
    with _holder(tmp_path) as (process, pid, url):
        _write(url, 1)
        process.kill()
        process.wait()
        with _running(tmp_path) as running:
            assert not _is_alive(pid)
            assert _written(running.url) == [1]


def test_it_is_started_again_when_it_is_killed(tmp_path: Path) -> None:
    """After kill -9 of MongoDB the same address works again, with what was acknowledged."""
    with _running(tmp_path) as running:
        killed = _pid(running)
        _write(running.url, 1)
        os.kill(killed, signal.SIGKILL)
        _eventually(lambda: _pid(running) != killed)
        _eventually(lambda: _can_be_read(running.url))
        _write(running.url, 2)
        assert _written(running.url) == [1, 2]


def _can_be_read(url: str) -> bool:
    try:
        return _written(url) == [1]
    except PyMongoError:
        return False


def test_a_mongod_that_outlived_its_server_is_ended(tmp_path: Path) -> None:
    """Even one that was not told to end with its server does not keep the data from the next one."""
    (tmp_path / "mongo").mkdir()
    outliving = subprocess.Popen(
        [find_mongod(), "--dbpath", tmp_path / "mongo", "--bind_ip", "./other.sock", "--nounixsocket"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
    )
    try:
        _eventually((tmp_path / "other.sock").exists)
        end_leftover(DataDirectory(tmp_path))
        assert outliving.wait(timeout=10) == 0
    finally:
        outliving.kill()
        outliving.wait()


def test_a_process_that_only_has_the_same_number_is_let_live(tmp_path: Path) -> None:
    """The number in MongoDB's lock file may by now belong to a program that has nothing to do with it."""
    (tmp_path / "mongo").mkdir()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        (tmp_path / "mongo" / "mongod.lock").write_text(f"{other.pid}\n")
        end_leftover(DataDirectory(tmp_path))
        assert other.poll() is None
        other.kill()


# --- What is refused, and how it is said --------------------------------------------------------------------


def test_a_second_server_is_refused_by_one_line(tmp_path: Path) -> None:
    """A directory belongs to one server at a time; the message names the other."""
    with held(tmp_path), pytest.raises(CannotStart) as refusal, held(tmp_path):
        pass
    message = str(refusal.value)
    assert f"process {os.getpid()}" in message
    assert str(tmp_path) in message
    assert "\n" not in message
    with held(tmp_path):
        pass


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A file where the directory should be is told in one line."""
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(CannotStart, match=r"file/data cannot be used: Not a directory"),
        held(tmp_path / "file" / "data"),
    ):
        pass


def test_without_any_mongodb_the_three_ways_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person who has none reads how to get one."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(CannotStart) as refusal:
        find_mongod()
    for way in ("FHIR_MONGO_URL", "PATH", "pip install"):
        assert way in str(refusal.value)


def test_the_mongod_on_path_goes_before_the_one_in_the_wheel(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Who installed a MongoDB gets that one."""
    own = _program(tmp_path / "mongod", "exit 0")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_mongod() == own


def _program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_the_reason_why_mongodb_does_not_start_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What the program printed, and where its log is, stand in the one line of the error."""
    (tmp_path / "bin").mkdir()
    _program(tmp_path / "bin" / "mongod", "echo 'this machine is too old' >&2; exit 4")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    with (
        pytest.raises(CannotStart, match=r"this machine is too old \(its log is .*mongod\.log\)"),
        _running(tmp_path / "data"),
    ):
        pass


def test_libcurl_of_pycurl_is_used_where_the_system_has_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The wheel's mongod needs libcurl.so.4; the loader's complaint makes us offer PycURL's."""
    packages, programs = tmp_path / "packages", tmp_path / "bin"
    (packages / "pycurl.libs").mkdir(parents=True)
    (packages / "pycurl.libs" / "libcurl-0a1b.so.4.8.0").write_text("")
    (packages / "pycurl-7.1.dist-info").mkdir()
    (packages / "pycurl-7.1.dist-info" / "METADATA").write_text("Name: pycurl\nVersion: 7.1\n")
    (packages / "pycurl-7.1.dist-info" / "RECORD").write_text("pycurl.libs/libcurl-0a1b.so.4.8.0,,\n")
    programs.mkdir()
    mongod = find_mongod()
    complaint = "mongod: error while loading shared libraries: libcurl.so.4: cannot open shared object file"
    _program(
        programs / "mongod",
        f"""[ -L "${{LD_LIBRARY_PATH%%:*}}/libcurl.so.4" ] || {{ echo '{complaint}' >&2; exit 127; }}
unset LD_LIBRARY_PATH; exec '{mongod}' "$@" """,
    )
    monkeypatch.syspath_prepend(str(packages))
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    with _running(tmp_path / "data") as running:
        _write(running.url, 1)
    assert (tmp_path / "data" / "lib" / "libcurl.so.4").readlink().name == "libcurl-0a1b.so.4.8.0"
