"""The demo hospital on a real server, and in files."""

from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from fhir_server.commands.demo import demo
from fhir_server.commands.load import load
from fhir_server.demo.generation import hospital_parts
from fhir_server.demo.loading import in_waves, is_empty, load_demo, write_demo
from fhir_server.loader.loading import Report
from fhir_server.loader.order import in_waves as files_in_waves
from fhir_server.loader.submission import Failure

PATIENTS = 40
_SAMPLE = ("Patient", "Slot", "Organization")
TOUR = Path(__file__).parents[3] / "docs" / "demo.md"


class Watch:
    """Remembers the failures that it is told."""

    def __init__(self) -> None:
        """Begin with none."""
        self.failures: list[Failure] = []

    def failed(self, failure: Failure) -> None:
        """Remember `failure`."""
        self.failures.append(failure)

    def advanced(self, report: Report) -> None:
        """Nothing to show."""


def expected(today: date) -> Counter[str]:
    """Return how many resources of each type there should be."""
    parts = hospital_parts(today, patients=PATIENTS)
    return Counter(one["resourceType"] for part in parts for one in part.resources)


def stored(client: httpx.Client, counts: Counter[str]) -> Counter[str]:
    """Return how many resources of each of these types the server has."""
    answers = {name: client.get(f"/{name}", params={"_summary": "count"}) for name in counts}
    return Counter({name: answer.json()["total"] for name, answer in answers.items()})


def test_it_is_loaded_once_and_again(client: httpx.Client, base_url: str, today: date) -> None:
    """Everything arrives, nothing fails; another day's hospital takes its place and adds nothing."""
    assert is_empty(base_url)
    counts = expected(today)
    result = CliRunner().invoke(demo, ["--url", base_url, "--patients", str(PATIENTS)])
    assert result.exit_code == 0, result.output
    assert [line.split() for line in result.output.splitlines() if line.startswith("Patient ")] == [
        ["Patient", str(PATIENTS), "0", "0"]
    ]
    assert f"{counts.total():,} resources in" in result.output
    assert stored(client, counts) == counts
    report, watch = Report(), Watch()
    load_demo(base_url, hospital_parts(today, patients=PATIENTS), report, watch)
    assert (watch.failures, report.failures, report.created.total()) == ([], 0, 0)
    assert report.saved == report.done == report.total == counts.total()
    assert stored(client, counts) == counts
    assert not is_empty(base_url)


def tour() -> Iterator[str]:
    """Return the searches of docs/demo.md: the lines of the blocks that are no shell commands."""
    block = ""
    for line in TOUR.read_text().splitlines():
        if line.startswith("```"):
            block = "" if block else line
        elif block == "```":
            yield line


def test_every_stop_of_the_tour_shows_something(client: httpx.Client, base_url: str, today: date) -> None:
    """Each search in docs/demo.md is one that this server answers, with at least one match."""
    if is_empty(base_url):
        load_demo(base_url, hospital_parts(today, patients=PATIENTS), Report(), Watch())
    found = {}
    for stop in tour():
        answer = client.get(f"/{stop}")
        assert answer.status_code == 200, (stop, answer.text)
        found[stop] = len(answer.json().get("entry", [])) or answer.json().get("total", 0)
    assert len(found) > 12
    assert [stop for stop, number in found.items() if not number] == []


def test_a_server_in_use_is_left_alone(client: httpx.Client, base_url: str) -> None:
    """--if-empty does nothing, and says so, where there are records already."""
    client.put("/Patient/somebody", json={"resourceType": "Patient", "id": "somebody"}).raise_for_status()
    before = stored(client, Counter(_SAMPLE))
    result = CliRunner().invoke(demo, ["--url", base_url, "--if-empty"])
    assert (result.exit_code, result.output) == (
        0,
        "The server has records already: the demo hospital is not loaded.\n",
    )
    assert stored(client, Counter(_SAMPLE)) == before


def test_it_can_be_written_and_loaded_from_files(base_url: str, today: date, tmp_path: Path) -> None:
    """--output writes Bundles that `load` takes as they are."""
    parts = hospital_parts(today, patients=3)
    written = CliRunner().invoke(demo, ["--output", str(tmp_path), "--patients", "3"])
    assert written.exit_code == 0
    assert f"{len(parts)} Bundles written" in written.output
    assert len(list(tmp_path.iterdir())) == len(parts)
    for file in tmp_path.glob("3-schedule-*"):
        file.unlink()  # alike, and many
    loaded = CliRunner().invoke(load, [str(tmp_path), "--url", base_url])
    assert loaded.exit_code == 0, loaded.output
    number = sum(len(part.resources) for part in parts if not part.name.startswith("schedule"))
    assert f"{number:,} resources in" in loaded.output


def test_the_order_of_files_is_that_of_the_parts(tmp_path: Path, today: date) -> None:
    """`load`, which looks at contents alone, comes to an order in which all references lead backwards."""
    parts = hospital_parts(today, patients=PATIENTS)
    write_demo(tmp_path, parts)
    homes = {f"{part.wave}-{part.name}.json": part.wave for part in parts}
    waves = [{homes[file.name] for file in wave} for wave in files_in_waves(sorted(tmp_path.iterdir()))]
    assert [{part.wave for part in wave} for wave in in_waves(parts)] == [{0}, {1}, {2}, {3}, {4}]
    assert waves == [{0}, {1}, {2, 3}, {4}]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (httpx.Response(404), "does not say what it has"),
        (httpx.Response(200, text="hello"), "does not say what it has"),
        (httpx.Response(200, json={}), "does not say what it has"),
    ],
)
def test_a_server_that_is_no_fhir_server_is_named(
    monkeypatch: pytest.MonkeyPatch, answer: httpx.Response, message: str
) -> None:
    """What answers, but not as FHIR demands, is told in one line."""
    answer.request = httpx.Request("GET", "http://fhir.example")
    monkeypatch.setattr(httpx.Client, "get", lambda *arguments, **options: answer)
    monkeypatch.setattr(httpx, "get", lambda *arguments, **options: answer)
    result = CliRunner().invoke(demo, ["--url", "http://fhir.example", "--if-empty"])
    assert result.exit_code == 1
    assert message in result.output


def test_failures_make_the_exit_code(monkeypatch: pytest.MonkeyPatch, base_url: str) -> None:
    """If anything is refused, it is listed, and the exit code is 1."""
    parts = hospital_parts(date(2026, 3, 17), patients=1)[-2:]
    parts[0].resources[0]["gender"] = "unknown to FHIR"
    monkeypatch.setattr("fhir_server.commands.demo.hospital_parts", lambda *arguments, **options: parts)
    result = CliRunner().invoke(demo, ["--url", base_url])
    assert result.exit_code == 1
    assert "FAILED patient-001: all" in result.output
    assert ", 1 failed" in result.output
