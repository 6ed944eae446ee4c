"""The log of the server's own MongoDB: read for why it failed, and kept from growing without an end."""

import json
import tempfile
from pathlib import Path

from fhir_server.store.embedded.mongod_log import last_failure, last_words, rotate


def test_the_last_failure_of_this_start_is_read() -> None:
    """Lines before the given place, and lines that are no JSON, are passed over."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "mongod.log"
        log.write_text('{"s":"F","msg":"old"}\n')
        start = log.stat().st_size
        assert last_failure(log, start) is None
        with log.open("a") as file:
            file.write('{"s":"E","msg":"Cannot read","attr":{"error":"disk\\n full"}}\n')
            file.write('no json\n{"s":"I","msg":"end"}\n')
        assert last_failure(log, start) == "Cannot read disk full"


def test_a_log_that_grew_large_is_put_aside_once(tmp_path: Path) -> None:
    """Two files of bounded size are kept, however often MongoDB starts."""
    log = tmp_path / "mongod.log"
    for content in (b"a", b"b"):
        log.write_bytes(content * (9 * 1024 * 1024))
        rotate(log)
        assert not log.exists()
        assert (tmp_path / "mongod.log.1").read_bytes()[:1] == content
    log.write_bytes(b"small")
    rotate(log)
    assert log.exists()


def test_why_it_gave_up_is_read() -> None:
    """The storage engine's complaint and the first fatal line, and no complaint that may quote a record."""
    lines = [
        {"s": "E", "c": "WT", "msg": "WiredTiger error message", "attr": {"error": 24, "message": {}}},
        {"s": "E", "c": "COMMAND", "msg": "Assertion", "attr": {"error": "dup key: Arenberg"}},
        {
            "s": "E",
            "c": "WT",
            "msg": "WiredTiger error message",
            "attr": {"message": {"error_str": "Gone"}},
        },
        {"s": "E", "c": "QUERY", "msg": "Assertion", "attr": {"error": "dup key: Arenberg"}},
        {"s": "F", "c": "ASSERT", "msg": "Fatal assertion", "attr": {"msgid": 50853}},
        {"s": "F", "c": "CONTROL", "msg": "Got signal: 6 (Aborted)"},
    ]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "mongod.log"
        assert last_words(log, 0) is None
        log.write_text("".join(json.dumps(line) + "\n" for line in lines))
        assert last_words(log, 0) == (
            "WiredTiger error message 24; WiredTiger error message Gone; Fatal assertion 50853"
        )
        log.write_text(json.dumps(lines[1]) + "\n")
        assert last_words(log, 0) is None
