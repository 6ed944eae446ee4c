"""Kills of the server and of MongoDB in the middle of writing lose nothing and leave nothing half done.

No write is there without its AuditEvent and its Provenance, and none of these without the write.

A few rounds; crash_rounds.py runs as many as one likes. What is stored is stored by transactions with write
concern majority: https://www.mongodb.com/docs/manual/core/transactions/
"""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.fhir_server.faults.crash_rounds import CrashTest
from tests.sweeps import IS_WHOLE, sampled

CASES = {
    "one process": (1, sampled(("early", "server", "mongod", "starting", "both"), 2)),
    "two workers": (2, sampled(("worker", "both", "server"), 2)),
}


@pytest.mark.parametrize(("workers", "kinds"), CASES.values(), ids=CASES.keys())
def test_what_was_acknowledged_is_there_and_no_half_transaction(
    tmp_path: Path, workers: int, kinds: Sequence[str]
) -> None:
    """After each kill the server starts by itself on the same data, and all that it acknowledged is there."""
    test = CrashTest(tmp_path, seed=1, workers=workers)
    for kind in kinds:
        test.carry_out(kind)
    history = test.finish()
    least = 50 if IS_WHOLE else 15
    assert len(test.ledger.acknowledged) > least
    assert len({entry.stored.address for entry in history}) > least
    log = (tmp_path / "server.log").read_text()
    assert "crash-test" not in log
    assert "Traceback" not in log
