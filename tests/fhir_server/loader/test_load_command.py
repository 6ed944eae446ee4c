"""`fhir-server load` from the outside: what it prints, sends, and returns."""

import gzip
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from fhir_server.commands.load import load
from fhir_server.loader import progress
from fhir_server.loader.loading import Report
from fhir_server.loader.submission import Failure

if TYPE_CHECKING:
    from tests.fhir_server.loader.conftest import FakeServer


def run(*arguments: object) -> Result:
    """Run the command; nothing but SystemExit may come out of it."""
    result = CliRunner().invoke(load, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of a hospital, a patient who refers to it, and two lines of observations."""
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "resource": {"resourceType": "Patient", "id": "p1"},
                "request": {"method": "PUT", "url": "Patient/p1"},
            }
        ],
    }
    (tmp_path / "a-patient.json").write_text(json.dumps(bundle))
    (tmp_path / "sub").mkdir()
    lines = "".join(json.dumps({"resourceType": "Observation", "id": f"o{n}"}) + "\n" for n in range(2))
    (tmp_path / "sub" / "observations.ndjson.gz").write_bytes(gzip.compress(lines.encode()))
    (tmp_path / "z-hospital.json").write_text(json.dumps({"resourceType": "Organization", "id": "h1"}))
    return tmp_path


def test_a_folder_is_loaded(server: "FakeServer", url: str, folder: Path) -> None:
    """Everything arrives, the hospital first; the summary counts by type; the exit code is 0."""
    result = run(folder, "--url", url)
    assert result.exit_code == 0, result.output
    assert next(iter(server.resources)) == "Organization/h1"
    assert set(server.resources) == {"Organization/h1", "Patient/p1", "Observation/o0", "Observation/o1"}
    assert [line.split() for line in result.output.splitlines() if line.startswith("Observation")] == [
        ["Observation", "2", "0", "0"]
    ]
    assert "4 resources in" in result.output
    assert ", 0 failed" in result.output


def test_loading_again_updates(server: "FakeServer", url: str, folder: Path) -> None:
    """The second time nothing is created, and the summary says so."""
    run(folder, "--url", url)
    result = run(folder, "--url", url)
    assert len(server.resources) == 4
    counts = [line.split() for line in result.output.splitlines() if line.startswith("Observation")]
    assert counts == [["Observation", "0", "2", "0"]]


def test_failures_are_listed_and_make_the_exit_code(server: "FakeServer", url: str, folder: Path) -> None:
    """An unreadable file and a refused entry are listed with file, entry and reason; the exit code is 1."""
    (folder / "broken.json").write_text("{")
    server.refuse = lambda resource: "too vague" if resource.get("id") == "o1" else None
    result = run(folder, "--url", url)
    assert result.exit_code == 1
    assert f"FAILED {folder}/broken.json: The body is not JSON" in result.output
    line = f"FAILED {folder}/sub/observations.ndjson.gz: line 2 Observation/o1: too vague (Patient.birthDate)"
    assert line in result.output
    assert "3 resources in" in result.output
    assert ", 2 failed" in result.output


def test_headers_are_sent(server: "FakeServer", url: str, folder: Path) -> None:
    """--header gives what a server needs to know, such as who is asking."""
    assert run(folder, "--url", url, "--header", "Authorization: Bearer abc").exit_code == 0
    assert {request.headers["authorization"] for request in server.requests} == {"Bearer abc"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--url", "http://127.0.0.1:1/fhir"], "No FHIR server answers at http://127.0.0.1:1/fhir"),
        (["--url", "nonsense"], "No FHIR server answers at nonsense"),
        (["--header", "nonsense"], "is not NAME: VALUE"),
        (["--concurrency", "0"], "concurrency"),
        (["/no/such/folder"], "does not exist"),
    ],
)
def test_what_cannot_work_is_said_in_one_line(folder: Path, arguments: list[str], message: str) -> None:
    """A wrong address or option ends at once, with its reason and no trace."""
    result = run(folder, *arguments)
    assert result.exit_code != 0
    assert message in result.output


def test_a_folder_without_files_is_an_error(tmp_path: Path, url: str) -> None:
    """Nothing to load is more likely a mistake than a wish."""
    result = run(tmp_path, "--url", url)
    assert result.exit_code == 1
    assert "There is no .json" in result.output


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_shows_rate_and_time_left(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal gets a bar and anything else a line now and then, with the failures in between."""
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=terminal, width=100)
    report = Report(total=1000, done=250, failures=1)
    report.created["Patient"] = 1234
    report.started -= 10
    with progress.watching(console) as watch:
        watch.failed(Failure("[red]file", "", "why"))
        watch.advanced(report)
    shown = screen.getvalue()
    assert "FAILED [red]file: why" in shown
    assert "25%" in shown
    assert "1,234 resources" in shown
    assert "123/s" in shown
    assert ("-:--:--" in shown or "0:00" in shown) if terminal else "about 30 s left" in shown
