"""README's commands do what README says.

They run in a folder that is set up as `make install` leaves it, but with the Python that runs the tests: what
is not tried here is the download of the dependencies.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhir_server.secret_files import file_variable
from fhir_server.settings import Settings, secret_variables
from fhir_server.smart.principal import ROLES
from tests.adapters.senders import Sender, code
from tests.fhir_server.faults.server_process import free_port

_ROOT = Path(__file__).parents[1]
_README = (_ROOT / "README.md").read_text()
_BLOCKS = [block.strip() for block in re.findall(r"^```sh\n(.*?)^```", _README, re.MULTILINE | re.DOTALL)]
_START, _TEST, _WITHOUT_MAKE, _REQUESTS, _MESSAGE, _DAY, _LOAD = _BLOCKS
_TOKENS = [line for line in _REQUESTS.splitlines() if line.startswith("TOKEN=")]
_LOADED = re.compile(r"^([\d,]+) resources in .*, 0 failed$")
_USER = re.compile(r"^  [a-z ]+?  +([a-z]+) +([a-z2-9]{4}(?:-[a-z2-9]{4}){3})$")
_MLLP_PORT = free_port()
_LAST = "  Another password: fhir-server users reset-password doctor"
# A token of the server, or the hash of one.
_SECRET = re.compile(r"(?<![\w-])[\w-]{43}(?![\w-])")

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like a clone in which `make install` was run."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "channels.example.toml"):
        shutil.copy(_ROOT / name, folder)
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, arguments in (("python", ""), ("fhir-server", "-m fhir_server ")):
        program = programs / name
        program.write_text(f'#!/bin/sh\nPYTHONPATH="{_ROOT}" exec "{sys.executable}" {arguments}"$@"\n')
        program.chmod(0o755)
    (folder / ".venv" / ".installed").touch()
    return folder


@pytest.fixture(scope="module")
def port() -> int:
    """A port that is free, to be used where README says 8000."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        number: int = probe.getsockname()[1]
        return number


def _environment(clone: Path, port: int) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("FHIR_", "MAKE"))}
    ours = {"FHIR_PORT": str(port), "MLLP_PORT": str(_MLLP_PORT), "FHIR_LOG_LEVEL": "error"}
    return {**inherited, **ours, "HOME": str(clone)}


@dataclass
class Seen:
    """What everybody sees of `make run`: what it prints, and the command lines of the machine meanwhile."""

    lines: list[str] = field(default_factory=list)
    commands: set[str] = field(default_factory=set)
    is_over: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Look at the command lines, again and again until it is over."""
        while not self.is_over.wait(0.02):
            for file in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    self.commands.add(file.read_text().replace("\0", " "))

    @property
    def passwords(self) -> dict[str, str]:
        """The passwords of the demo's users, by their names."""
        return {found[1]: found[2] for line in self.lines if (found := _USER.match(line))}


@pytest.fixture(scope="module")
def seen(clone: Path, port: int) -> Iterator[Seen]:
    """What is seen of `make run` until the users are told; its server runs on for the tests."""
    seen, log = Seen(), (clone / "log").open("wb")
    server = subprocess.Popen(
        ["/bin/sh", "-euc", _START],
        cwd=clone,
        env={**_environment(clone, port), "FHIR_LOG_LEVEL": "debug", "FHIR_LOG_FORMAT": "json"},
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        start_new_session=True,
    )
    assert server.stdout is not None
    watching = threading.Thread(target=seen.watch, daemon=True)
    watching.start()
    patience = threading.Timer(300, os.killpg, (server.pid, signal.SIGKILL))
    patience.start()
    with server, log:
        try:
            for line in server.stdout:
                seen.lines.append(line.rstrip())
                if seen.lines[-1] == _LAST:
                    break
            seen.is_over.set()
            watching.join()
            yield seen
            os.killpg(server.pid, signal.SIGINT)  # what Ctrl-C does
            server.stdout.read()
        finally:
            seen.is_over.set()
            patience.cancel()


def _run(command: str, clone: Path, port: int) -> str:
    """Run a command of README in the clone, on our port, and return what it prints."""
    return _printed(command, clone, port).decode()


def _printed(command: str, clone: Path, port: int) -> bytes:
    return subprocess.run(
        ["/bin/sh", "-euc", command.replace("127.0.0.1:8000", f"127.0.0.1:{port}")],
        cwd=clone,
        env=_environment(clone, port),
        capture_output=True,
        timeout=300,
        check=True,
    ).stdout


@needs_make
def test_the_plain_commands_are_what_make_runs(clone: Path) -> None:
    """A person without make types the very commands that make runs, each of them."""
    assert (_START, _TEST) == ("make run", "make test")
    told = subprocess.run(
        ["make", "--dry-run", "--always-make", "install", "run", "test"],
        cwd=clone,
        capture_output=True,
        text=True,
        check=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
    ).stdout.splitlines()
    commands = [re.sub(r'^.*"\$python" -m venv', "python3 -m venv", line).strip() for line in told]
    assert [line for line in commands if not line.startswith("touch ")] == _WITHOUT_MAKE.splitlines()


@needs_make
def test_the_first_command_serves_a_demo_hospital(seen: Seen, port: int) -> None:
    """`make run` prints what is where, and loads all of the hospital."""
    assert any(line.endswith(f"http://127.0.0.1:{port}/fhir") for line in seen.lines)
    [loaded] = [found for line in seen.lines if (found := _LOADED.match(line))]
    assert int(loaded[1].replace(",", "")) > 1000


@needs_make
def test_the_users_of_the_demo_sign_in(seen: Seen, port: int) -> None:
    """One of each role, with the password that was printed, to an account that tells the role."""
    assert len(seen.passwords) == len(ROLES)
    shown = set()
    for name, password in seen.passwords.items():
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", follow_redirects=True) as browser:
            fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', browser.get("/auth/login").text))
            form = {**fields, "user_name": name, "password": password}
            account = browser.post("/auth/login", data=form)
            assert account.url.path == "/auth/account", name
            shown |= {role for role in ROLES.values() if re.search(rf"\b{role}\b", account.text)}
    assert shown == set(ROLES.values())


@needs_make
def test_nothing_secret_is_seen_by_others(seen: Seen, clone: Path) -> None:
    """No token and no password stands in a command line or in the log, also not while the demo is loaded."""
    assert [command for command in seen.commands if "--token-stdin" in command]
    # Whoever follows README writes the token into a command of their own.
    ours = [command for command in seen.commands if "fhir" in command and not command.startswith("curl ")]
    log = (clone / "log").read_text()
    assert '"interaction"' in log
    for text in (*ours, log):
        assert not _SECRET.findall(text)
        assert not [name for name, password in seen.passwords.items() if password in text]


@needs_make
@needs_curl
@pytest.mark.parametrize("token", _TOKENS)
@pytest.mark.usefixtures("seen")
def test_the_first_requests_are_answered(token: str, clone: Path, port: int) -> None:
    """Each search finds something, the right patient is taken, and the wrong one refused with its place."""
    block = _REQUESTS[_REQUESTS.index(token) + len(token) :].partition("TOKEN=")[0]
    commands = [line for line in block.splitlines() if line.startswith("curl")]
    assert commands
    for command in commands:
        _check(command, json.loads(_run(f"{token}; {command} --silent", clone, port)))


def _check(command: str, answer: dict[str, Any]) -> None:
    match answer["resourceType"]:
        case "Bundle":
            assert answer["entry"]
        case "Patient":
            assert answer["meta"]["versionId"] == "1"
        case _:
            assert '"birthDate": "yesterday"' in command
            assert answer["issue"][0]["expression"] == ["Patient.birthDate"]


@needs_make
@needs_curl
@pytest.mark.usefixtures("seen")
def test_the_doctor_sees_fewer(clone: Path, port: int) -> None:
    """What each of the tokens shows is counted."""
    count = 'curl -s -H "Authorization: Bearer $TOKEN" "http://127.0.0.1:8000/fhir/Patient?_summary=count"'
    everybody, treated = (json.loads(_run(f"{token}; {count}", clone, port))["total"] for token in _TOKENS)
    assert 10 < treated < 100 < everybody


@needs_make
@needs_curl
@pytest.mark.usefixtures("seen")
def test_a_result_travels_from_the_laboratory_to_fhir(clone: Path, port: int) -> None:
    """What README sends by `nc` is answered with AA, and the report and its value are found at once."""
    token, result, send, ask = _MESSAGE.splitlines()
    printed, netcat, command = send.rpartition(" | ")
    assert (netcat, command) == (" | ", "nc -w 3 127.0.0.1 2575")
    with socket.create_connection(("127.0.0.1", _MLLP_PORT), timeout=60) as connection:
        connection.sendall(_printed(f"{result}\n{printed}", clone, port))
        assert code(Sender(connection).answer()) == "AA"
    found = json.loads(_run(f"{token}\n{ask} --silent", clone, port))
    kinds = [one["resource"]["resourceType"] for one in found["entry"]]
    assert kinds == ["DiagnosticReport", "Observation"]
    assert found["entry"][1]["resource"]["valueQuantity"]["value"] == 13.5


@needs_make
def test_the_day_in_the_hospital_goes_well(clone: Path, port: int) -> None:
    """It needs nothing that runs already, and leaves its papers where README says."""
    _run(_DAY, clone, port)
    papers = sorted((clone / "demo-day").glob("*.pdf"))
    assert len(papers) >= 4
    assert all(paper.read_bytes().startswith(b"%PDF-") for paper in papers)


@needs_make
@pytest.mark.usefixtures("seen")
def test_patients_of_ones_own_are_loaded(clone: Path, port: int) -> None:
    """`fhir-server load` takes a folder as Synthea leaves it."""
    folder = clone / "synthea" / "output" / "fhir"
    folder.mkdir(parents=True)
    patient = {"resourceType": "Patient", "id": "synthetic-1", "gender": "unknown"}
    entry = {"fullUrl": "urn:uuid:1", "resource": patient, "request": {"method": "POST", "url": "Patient"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    (folder / "Synthetic.json").write_text(json.dumps(bundle))
    url = f" --url http://127.0.0.1:{port}/fhir"
    assert "1 resources" in _run(_LOAD + url, clone, port)
    assert "1 resources" in _run(f"{_LOAD.splitlines()[1]}{url}", clone, port)  # another day


def test_links_lead_somewhere() -> None:
    """Every link of README and of the documents to a file of this repository is to one that exists."""
    for document in (_ROOT / "README.md", *sorted((_ROOT / "docs").rglob("*.md"))):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_variables_that_are_told_of_exist() -> None:
    """A FHIR_ variable that a document names is a setting, of the server or of the tests."""
    of_tests = {"FHIR_TEST_MONGO_URL", "FHIR_TEST_CLAIMS", "FHIR_TEST_SWEEPS"}
    files = {file_variable(name) for name in secret_variables()}
    known = {f"FHIR_{name.upper()}" for name in Settings.model_fields} | files | of_tests
    for document in (_ROOT / "README.md", *sorted((_ROOT / "docs").rglob("*.md"))):
        assert set(re.findall(r"\bFHIR_[A-Z_]+\b", document.read_text())) <= known, document
