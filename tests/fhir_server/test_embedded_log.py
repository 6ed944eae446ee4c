"""The log of the server's own MongoDB: read for why it failed, and kept from growing without an end."""

import tempfile
from pathlib import Path

from fhir_server.store.embedded.mongod_log import last_failure, rotate


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
