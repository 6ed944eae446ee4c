"""README's commands do what README says.

They run in a folder that is set up as `make install` leaves it, but with the Python that runs the tests: what
is not tried here is the download of the dependencies.
"""

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
from pathlib import Path
from typing import Any

import pytest

from fhir_server.secret_files import file_variable
from fhir_server.settings import Settings, secret_variables

_ROOT = Path(__file__).parents[1]
_README = (_ROOT / "README.md").read_text()
_BLOCKS = [block.strip() for block in re.findall(r"^```sh\n(.*?)^```", _README, re.MULTILINE | re.DOTALL)]
_START, _TEST, _WITHOUT_MAKE, _REQUESTS, _LOAD = _BLOCKS
_CURLS = [line for line in _REQUESTS.splitlines() if line.startswith("curl")]
_LOADED = re.compile(r"^([\d,]+) resources in .*, 0 failed$")

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like a clone in which `make install` was run."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
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
    return {**inherited, "FHIR_PORT": str(port), "FHIR_LOG_LEVEL": "error", "HOME": str(clone)}


@pytest.fixture(scope="module")
def printed(clone: Path, port: int) -> Iterator[list[str]]:
    """What `make run` prints until the demo hospital is loaded; its server runs on for the tests."""
    server = subprocess.Popen(
        ["/bin/sh", "-euc", _START],
        cwd=clone,
        env=_environment(clone, port),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert server.stdout is not None
    patience = threading.Timer(300, os.killpg, (server.pid, signal.SIGKILL))
    patience.start()
    with server:
        try:
            lines = []
            for line in server.stdout:
                lines.append(line.rstrip())
                if _LOADED.match(line):
                    break
            yield lines
            os.killpg(server.pid, signal.SIGINT)  # what Ctrl-C does
            server.stdout.read()
        finally:
            patience.cancel()


def _run(command: str, clone: Path, port: int) -> str:
    """Run a command of README in the clone, on our port, and return what it prints."""
    return subprocess.run(
        ["/bin/sh", "-euc", command.replace("127.0.0.1:8000", f"127.0.0.1:{port}")],
        cwd=clone,
        env=_environment(clone, port),
        capture_output=True,
        text=True,
        timeout=120,
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
def test_the_first_command_serves_a_demo_hospital(printed: list[str], port: int) -> None:
    """`make run` prints what is where, and loads all of the hospital."""
    assert any(line.endswith(f"http://127.0.0.1:{port}/fhir") for line in printed)
    loaded = _LOADED.match(printed[-1])
    assert loaded is not None, printed
    assert int(loaded[1].replace(",", "")) > 1000


@needs_make
@needs_curl
@pytest.mark.parametrize("command", _CURLS)
@pytest.mark.usefixtures("printed")
def test_the_first_requests_are_answered(command: str, clone: Path, port: int) -> None:
    """Each search finds something, the right patient is taken, and the wrong one refused with its place."""
    answer: dict[str, Any] = json.loads(_run(f"{command} --silent", clone, port))
    match answer["resourceType"]:
        case "Bundle":
            assert answer["entry"]
        case "Patient":
            assert answer["meta"]["versionId"] == "1"
        case _:
            assert '"birthDate": "yesterday"' in command
            assert answer["issue"][0]["expression"] == ["Patient.birthDate"]


@needs_make
@pytest.mark.usefixtures("printed")
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
