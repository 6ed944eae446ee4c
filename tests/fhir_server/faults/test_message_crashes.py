"""Kills of the server, of its workers and of MongoDB while HL7 v2 messages come in (see message_crashes)."""

from pathlib import Path

from tests.fhir_server.faults.message_crashes import KINDS, MessageCrashes
from tests.sweeps import IS_WHOLE


def test_each_message_is_applied_once_and_in_order_whatever_is_killed(tmp_path: Path) -> None:
    """All that was acknowledged is in the histories, once, in the order in which it was sent."""
    messages, kills = (1_200, 8) if IS_WHOLE else (240, len(KINDS))
    MessageCrashes(tmp_path, messages=messages, workers=2, seed=1).carry_out(kills)
    log = (tmp_path / "server.log").read_text()
    assert "muster" not in log.lower()
    assert "Traceback" not in log
