"""Messages in files: taken whole and once, answered in a response file, and none lost by a crash."""

import asyncio
import fcntl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.channels import Drop, Peer
from adapters.file_drop import ANSWERS, DONE, TAKEN, FileDrop, FolderLine
from hl7.ack import acknowledge
from hl7.errors import HL7Error
from hl7.parser import parse


def _message(control_id: str, end: str = "\r") -> str:
    return f"MSH|^~\\&|ADT|H|FHIR|H|20260301||ADT^A08^ADT_A01|{control_id}|P|2.5.1{end}PID|1||4711{end}"


@dataclass(frozen=True, slots=True)
class _Answers:
    application: bytes | None
    accept: bytes | None = None


class _Hospital:
    """Takes messages, and refuses those whose control id begins with BAD."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []

    async def receive(self, data: bytes, _peer: Peer) -> _Answers:
        """Take a message."""
        self.taken.append(data)
        message = parse(data)
        is_bad = message.header.control_id.startswith("BAD")
        errors = [HL7Error("no such patient", code="204")] if is_bad else []
        now = datetime(2026, 3, 1, tzinfo=UTC)
        answer = acknowledge(message, "AE" if is_bad else "AA", errors, now=now, control_id="R1")
        return _Answers(answer)

    @property
    def control_ids(self) -> list[str]:
        """MSH-10 of what was taken."""
        return [parse(one).header.control_id for one in self.taken]


def _look(folder: Path, hospital: _Hospital, *, times: int = 1, stable: float = 0.0) -> int:
    async def run() -> int:
        drop = FileDrop(Drop("in", folder, stable), hospital.receive)
        return sum([await drop.look() for _ in range(times)])

    return asyncio.run(run())


def test_a_file_is_taken_once_and_answered(tmp_path: Path) -> None:
    """A message in a file gets its acknowledgment in a file of the same name."""
    hospital = _Hospital()
    (tmp_path / "a.hl7").write_text(_message("M1"))
    assert _look(tmp_path, hospital, times=3) == 1
    assert hospital.control_ids == ["M1"]
    answer = parse((tmp_path / ANSWERS / "a.hl7").read_bytes())
    assert answer.first("MSA").get(2) == "M1"  # type: ignore[union-attr]
    assert (tmp_path / DONE / "a.hl7").exists()
    assert not (tmp_path / "a.hl7").exists()


@pytest.mark.failure_story("batch-count")
def test_a_batch_with_wrong_counts_undoes_nothing(tmp_path: Path) -> None:
    """BTS says 96 of 2.

    The good messages are taken, the wrong count is told (CDC prime-reportstream#17340).
    """
    hospital = _Hospital()
    batch = (
        f"FHS|^~\\&|A|B\rBHS|^~\\&|ADT|H|FHIR|H|||||B77\r{_message('M1')}{_message('BAD2')}BTS|96\rFTS|1\r"
    )
    (tmp_path / "b.hl7").write_text(batch)
    assert _look(tmp_path, hospital) == 1
    assert hospital.control_ids == ["M1", "BAD2"]
    told = (tmp_path / ANSWERS / "b.hl7").read_bytes().decode()
    assert "MSA|AA|M1" in told
    assert "MSA|AE|BAD2" in told
    assert "AE 100: the trailer says 96" in told
    header = next(line for line in told.split("\r") if line.startswith("BHS"))
    assert header.split("|")[11] == "B77"  # BHS-12 is BHS-11 of the batch that is answered


def test_a_file_of_bare_messages_with_line_feeds_is_read(tmp_path: Path) -> None:
    """Files from other systems often have neither headers nor CR."""
    hospital = _Hospital()
    (tmp_path / "c.txt").write_text(_message("M1", "\n") + _message("M2", "\n"))
    _look(tmp_path, hospital)
    assert hospital.control_ids == ["M1", "M2"]


def test_a_file_that_grows_is_left_alone(tmp_path: Path) -> None:
    """It is taken when it has not changed for a while; names of unfinished files are never taken."""
    hospital = _Hospital()
    growing = tmp_path / "d.hl7"

    async def run() -> None:
        drop = FileDrop(Drop("in", tmp_path, 0.2), hospital.receive)
        for control_id in ("M1", "M2", "M3"):
            with growing.open("a") as file:
                file.write(_message(control_id))
            assert await drop.look() == 0
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.2)
        assert await drop.look() == 1

    for name in (".hidden.hl7", "e.hl7.tmp", "f.part"):
        (tmp_path / name).write_text(_message("NO"))
    asyncio.run(run())
    assert hospital.control_ids == ["M1", "M2", "M3"]


def test_what_a_dead_process_left_is_done_by_another(tmp_path: Path) -> None:
    """A file that was taken and not answered is taken again; one that another process works on is not."""
    hospital = _Hospital()
    (tmp_path / TAKEN).mkdir()
    left = tmp_path / TAKEN / "g.hl7"
    left.write_text(_message("M1"))
    with left.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert _look(tmp_path, hospital) == 0
    assert _look(tmp_path, hospital) == 1
    assert hospital.control_ids == ["M1"]


def test_the_same_name_again_is_another_file(tmp_path: Path) -> None:
    """Nothing that was there before is overwritten, whatever names a system gives to its files."""
    hospital = _Hospital()
    for control_id in ("M1", "M2"):
        (tmp_path / "h.hl7").write_text(_message(control_id))
        _look(tmp_path, hospital)
    assert hospital.control_ids == ["M1", "M2"]
    assert len(list((tmp_path / DONE).iterdir())) == len(list((tmp_path / ANSWERS).iterdir())) == 2


def test_a_file_without_a_message_is_put_away_with_a_reason(tmp_path: Path) -> None:
    """What is no HL7 v2 at all is not looked at again and again."""
    hospital = _Hospital()
    (tmp_path / "i.hl7").write_bytes(b"\x00\xff invoice.pdf")
    assert _look(tmp_path, hospital, times=2) == 1
    assert "100" in (tmp_path / ANSWERS / "i.hl7.error").read_text()
    assert hospital.taken == []


def test_messages_for_others_appear_whole_and_once(tmp_path: Path) -> None:
    """One file a message, in the order of their names; the same message is not put there twice."""

    async def run() -> None:
        line = FolderLine(tmp_path / "out")
        for control_id in ("M1", "M2", "M1"):
            await line.send(_message(control_id).encode(), control_id)
        await line.close()

    asyncio.run(run())
    names = sorted(one.name for one in (tmp_path / "out").iterdir())
    assert [name.rpartition("-")[2] for name in names] == ["M1.hl7", "M2.hl7"]
