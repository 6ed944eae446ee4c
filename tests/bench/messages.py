"""How many HL7 v2 messages are read in a second: `python -m tests.bench.messages`.

An ORU^R01 with 20 OBX is read, and 60 of its fields; the same with its groups and checks; and the same by
hl7apy, in turns in the same run. Then a frame of 30 MB in pieces of 4 KiB, and a message of 10,000 OBX. Rates
are of processor time, as readers wait for nothing, so that other work on the machine changes them less.
"""

import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime

from hl7apy.parser import parse_message

from hl7.ack import acknowledge
from hl7.framing import Framer, frame
from hl7.message import Message
from hl7.parser import parse
from hl7.structure import grouped
from hl7.validation import violations
from tests.bench.machine import machine

_ROUNDS = 5
_SECONDS = 1.0
_MEGABYTE = 2**20
_NOW = datetime(2024, 1, 2, tzinfo=UTC)


def result(count: int) -> bytes:
    """Return an ORU^R01 with so many OBX, about somebody who was never born."""
    rows = [
        "MSH|^~\\&|LAB|LABFAC^1.2.3.4^ISO|FHIR|HOSP|20240102030405.123+0100||ORU^R01^ORU_R01|L-1|P|2.5.1||||||"
        "UNICODE UTF-8",
        "PID|1||4711^^^HOSP&1.2.3&ISO^MR~998-99-9999^^^STATE^SS||Quill^Otto^Q^^Dr.^^L||19700102|M|||"
        "1 Main St^^Springfield^IL^62701^USA^H||^PRN^PH^^1^217^5550100|||M||ACC-1^^^HOSP^AN",
        "PV1|1|I|W1^101^A^HOSP|R|||1234^Welby^Marcus^^^Dr.^^^NPI|||MED||||1|||1234^Welby^Marcus|INP|V-1^^^HOSP^VN",
        "ORC|RE|P1^PLACER|F1^FILLER||CM||||20240102030000|||1234^Welby^Marcus",
        "OBR|1|P1^PLACER|F1^FILLER|58410-2^CBC panel^LN|||20240102020000||||||||BLD|1234^Welby^Marcus||||||"
        "20240102030000||HM|F",
        "SPM|1|S1&PLACER^S1&FILLER||BLD^Blood^HL70487|||||||||||||20240102020000",
    ]
    rows[5:5] = [
        f"OBX|{number}|NM|718-{number}^Hemoglobin \\T\\ more^LN||{number}.50|g/dL^gram^UCUM|"
        f"12.0-16.0|N^Normal^HL70078|||F|||20240102020000||77^Lab^Anna"
        for number in range(1, count + 1)
    ]
    return "".join(f"{row}\r" for row in rows).encode()


def read_fields(message: Message) -> int:
    """Read 60 fields, as a mapping does, and return how many had a text."""
    texts = [message.segments[0].get(number) for number in (3, 4, 7, 9, 10, 12)]
    pid, obr = message.all("PID")[0], message.all("OBR")[0]
    texts += [
        pid.get(3),
        pid.get(3, 4),
        pid.get(3, 5),
        pid.get(5),
        pid.get(5, 2),
        pid.get(7),
        pid.get(8),
        pid.get(11),
    ]
    texts += [obr.get(2), obr.get(3), obr.get(4), obr.get(4, 2), obr.get(22), obr.get(25)]
    for obx in message.all("OBX"):
        texts += [obx.get(3), obx[5].text]
    return sum(map(bool, texts))


def _read(data: bytes) -> None:
    assert read_fields(parse(data)) == 60


def _whole(data: bytes) -> None:
    message = parse(data)
    assert not violations(message)
    assert read_fields(message) == 60
    grouped(message)


def _hl7apy(data: bytes) -> None:
    message = parse_message(data.decode(), find_groups=False)
    values = [message.obr.obr_4.to_er7(), message.pid.pid_3.to_er7()]
    for obx in message.obx:
        values += [obx.obx_3.to_er7(), obx.obx_5.to_er7()]
    assert len(values) == 42


def _hl7apy_alone(data: bytes) -> None:
    assert parse_message(data.decode(), find_groups=False)


def hl7apy_rate() -> float:
    """Return how many ORU^R01 with 20 OBX hl7apy parses in a second of processor time."""
    return rate(_hl7apy_alone, result(20))


def rate(work: Callable[[bytes], None], data: bytes, seconds: float = _SECONDS) -> float:
    """Return how often it is done in a second of processor time."""
    started, count = time.thread_time(), 0
    while time.thread_time() - started < seconds:
        work(data)
        count += 1
    return count / (time.thread_time() - started)


def in_turns(*works: Callable[[bytes], None]) -> list[float]:
    """Return the median rate of each; they take turns, as the machine's own speed drifts."""
    data = result(20)
    rounds = [[rate(work, data) for work in works] for _ in range(_ROUNDS)]
    return [sorted(column)[_ROUNDS // 2] for column in zip(*rounds, strict=True)]


def framing_rate(megabytes: int) -> float:
    """Return the MB/s of one large frame in pieces of 4 KiB."""
    stream = frame(b"x" * (megabytes * _MEGABYTE))
    framer, events = Framer(), 0
    started = time.thread_time()
    for start in range(0, len(stream), 4096):
        events += len(framer.feed(stream[start : start + 4096]))
    assert events == 1
    return megabytes / (time.thread_time() - started)


def large(count: int) -> tuple[float, float, int]:
    """Return the seconds that a message of so many OBX takes, the megabytes above it, and its own bytes."""
    data = result(count)
    started = time.thread_time()
    read = parse(data)
    read_all = [obx[5].text for obx in read.all("OBX")]
    grouped(read)
    assert not violations(read)
    seconds = time.thread_time() - started
    del read, read_all
    tracemalloc.start()
    grouped(parse(data))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return seconds, peak / _MEGABYTE, len(data)


def _answer(data: bytes) -> None:
    assert acknowledge(parse(data), "AA", now=_NOW, control_id="1")


def main() -> None:
    """Measure and print."""
    reading, whole, answering, fields, theirs = in_turns(_read, _whole, _answer, _hl7apy, _hl7apy_alone)
    seconds, megabytes, size = large(10_000)
    lines = [
        machine(),
        "",
        "| an ORU^R01 with 20 OBX, one core | messages/s | of hl7apy |",
        "|---|---|---|",
        f"| read, and 60 fields of it | {reading:,.0f} | {reading / theirs:,.0f} times |",
        f"| read, checked, grouped, and 60 fields of it | {whole:,.0f} | {whole / theirs:,.0f} times |",
        f"| read and acknowledged | {answering:,.0f} | {answering / theirs:,.0f} times |",
        f"| hl7apy 1.3.5, without groups | {theirs:,.1f} | |",
        f"| hl7apy 1.3.5, without groups, and 42 fields of it | {fields:,.1f} | |",
        "",
        f"A frame of 30 MB in pieces of 4 KiB: {framing_rate(30):,.0f} MB/s.",
        f"10,000 OBX ({size / _MEGABYTE:.1f} MB), read, checked and grouped: {seconds:.2f} s; "
        f"read and grouped: {megabytes:.0f} MB.",
    ]
    print("\n".join(lines))  # noqa: T201 - the command's output


if __name__ == "__main__":
    main()
