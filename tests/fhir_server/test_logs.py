"""Log lines: their form, and what they leave out."""

import json
import os
import pty
import subprocess
import sys

import pytest

_SCRIPT = """
import logging, structlog
from fhir_server.logs import configure_logs
from fhir_server.settings import Settings
configure_logs(Settings())
log = structlog.get_logger()
log.info("started", number=1)
log.debug("not of interest")
try:
    {}["Doe, Jane"]
except KeyError:
    log.exception("failed")
    logging.getLogger("asyncio").exception("Task failed\\ntask: <name='Doe, Jane'>")
logging.getLogger("some.library").info("not of interest")
"""


def _log(**environment: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", _SCRIPT],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    ).stderr


def test_each_line_is_an_object_where_no_person_looks() -> None:
    """Into a pipe or a file goes JSON, with level and time on each line."""
    lines = [json.loads(line) for line in _log(FHIR_LOG_FORMAT="auto").splitlines()]
    assert [(line["event"], line["level"]) for line in lines] == [
        ("started", "info"),
        ("failed", "error"),
        ("Task failed", "error"),
    ]
    assert lines[0]["number"] == 1
    assert all(line["timestamp"].endswith("Z") for line in lines)


@pytest.mark.parametrize("form", ["json", "console"])
def test_what_an_exception_quotes_is_left_out(form: str) -> None:
    """Of an exception its class and its way through the code are told, not its message."""
    told = _log(FHIR_LOG_FORMAT=form)
    assert "KeyError" in told
    assert "<string>:10 <module>" in told
    assert "Doe" not in told


def test_the_level_can_be_set() -> None:
    """What is less severe is not written."""
    assert "started" not in _log(FHIR_LOG_LEVEL="error")
    assert "failed" in _log(FHIR_LOG_LEVEL="error")
    assert "not of interest" in _log(FHIR_LOG_LEVEL="debug")


def test_a_person_at_a_terminal_reads_no_json() -> None:
    """On a terminal the lines are for people, unless set otherwise."""
    reader, writer = pty.openpty()
    environment = {**os.environ, "FHIR_LOG_FORMAT": "auto", "NO_COLOR": "1"}
    subprocess.run([sys.executable, "-c", _SCRIPT], env=environment, stderr=writer, check=True)
    os.close(writer)
    first_line = os.read(reader, 200)
    os.close(reader)
    assert b"started" in first_line
    assert not first_line.startswith(b"{")
