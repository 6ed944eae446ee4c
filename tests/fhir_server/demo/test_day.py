"""A day in the demo hospital, from the command line to its papers."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from pypdf import PdfReader

from fhir_server.__main__ import main
from fhir_server.demo.day.story import CHAPTERS
from fhir_server.demo.day.trace import Trace


@pytest.mark.workflow("0-01", "4-54")
def test_all_goes_well(tmp_path: Path) -> None:
    """Each part of the day is told, nothing is refused that has to be done, and each paper can be read."""
    result = CliRunner().invoke(main, ["demo", "day", "--papers", str(tmp_path / "papers")])
    assert result.exit_code == 0, result.output
    for title, _ in CHAPTERS:
        assert title in result.output
    papers = sorted((tmp_path / "papers").glob("*.pdf"))
    assert {paper.stem for paper in papers} == {
        *("discharge-summary", "invoice", "laboratory-report", "prescription"),
        *("receipt-1", "receipt-2", "specimen-label"),
    }
    for paper in papers:
        assert len(PdfReader(paper).pages) >= 1


def test_what_is_wrong_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day on which something is not as it has to be ends with it, and with exit code 1."""
    from fhir_server.demo.day import story

    def wrong(day: Trace) -> None:
        day.send("PT", "GET", "/AuditEvent/none", status=200)

    monkeypatch.setattr(story, "CHAPTERS", (("Wrong", wrong),))
    result = CliRunner().invoke(main, ["demo", "day", "--papers", str(tmp_path)])
    assert result.exit_code == 1
    assert "PT GET /AuditEvent/none was answered" in result.output
