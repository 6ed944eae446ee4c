"""HL7 v2 messages that come in by MLLP: how many a second, and how soon each is answered.

`python -m tests.bench.intake`. An ORU^R01 with 20 OBX, each result a new resource that is stored, kept by the
rules and searchable when the AA is there, and an ADT^A01 that registers and admits somebody; one connection,
and eight about different people, two workers. Then messages come at a steady pace, those of the busiest hour
of a hospital of 445 beds, and it is measured how long each waits for its AA. At last how many are kept safe
in a second (CA), while they are applied in their turn.

The floor is what MongoDB takes to store the same documents in the same transactions, and nothing else.
"""

import asyncio
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from pymongo import MongoClient

from fhir_server.settings import Settings
from fhir_server.store.embedded import running_mongo
from hl7.framing import frame
from tests.bench.messages import hl7apy_rate, result
from tests.bench.servers import fhir_server, free_port

CONNECTIONS = 8
MANY_CONNECTIONS = 64
"""What is kept safe together is on disk together, so that it takes many to see how many a second may be."""
BUSIEST = 44.0
"""Messages a second in the busiest hour of a hospital of 445 beds."""
_SECONDS = 10.0
_PEOPLE = 40
_WORKERS = 2
_CHANNELS = """
[[channel]]
name = "lab"
sending_application = "LAB"
sending_facility = "LABFAC"
time_zone = "Europe/Berlin"
unknown_authority = "urn"

[[channel]]
name = "adt"
sending_application = "ADT"
sending_facility = "HOSP"
time_zone = "Europe/Berlin"
unknown_authority = "urn"
"""

Make = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Pace:
    """Messages a second, and the milliseconds within which half and 99 of 100 were answered."""

    rate: float
    p50: float
    p99: float


@dataclass(frozen=True, slots=True)
class Intake:
    """What was measured: rates by connections, the paces of a steady stream, and the floor."""

    oru: dict[int, Pace]
    adt: dict[int, Pace]
    steady: Pace
    safe: dict[int, Pace]
    floor: float
    hl7apy: float


def oru(number: int) -> bytes:
    """Return an ORU^R01 with 20 OBX: a new report on one of some people who are known already."""
    text, person = result(20).decode(), number % _PEOPLE
    for old, new in (
        ("|L-1|", f"|L-{number}|"),
        ("P1^PLACER", f"P{number}^PLACER"),
        ("F1^FILLER", f"F{number}^FILLER"),
        ("S1&", f"S{number}&"),
        ("|4711^^^", f"|47{person:02}^^^"),
        ("998-99-9999^", f"998-99-{person:04}^"),
        ("ACC-1^", f"ACC-{person}^"),
        ("V-1^", f"V-{person}^"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    return text.encode()


def adt(number: int) -> bytes:
    """Return an ADT^A01 about somebody new, in a bed of their own."""
    letters = "".join(chr(97 + number // 26**place % 26) for place in range(4))
    born = f"19{30 + number % 70}{1 + number % 12:02}{1 + number % 28:02}"
    rows = [
        "MSH|^~\\&|ADT|HOSP|FHIR|HOSP|20240102030405.123+0100||ADT^A01^ADT_A01|"
        f"A-{number}|P|2.5.1||||||UNICODE UTF-8",
        "EVN|A01|20240102030405+0100",
        f"PID|1||N{number}^^^HOSP&1.2.3&ISO^MR||{letters.title()}quill^Otto^Q^^Dr.^^L||{born}|M|||"
        f"{number} Main St^^Springfield^IL^62701^USA^H||^PRN^PH^^1^217^{number:07}|||M",
        f"PV1|1|I|W{number // 30}^{number % 30}^A^HOSP|R|||1234^Welby^Marcus^^^Dr.^^^NPI|||MED||||1|||"
        f"1234^Welby^Marcus|INP|VN{number}^^^HOSP^VN|||||||||||||||||||||||||20240102030000+0100",
    ]
    return "".join(f"{row}\r" for row in rows).encode()


def enhanced(make: Make, prefix: str) -> Make:
    """Return what makes the same messages in enhanced mode: CA at once, and no AA."""

    def made(number: int) -> bytes:
        head, _, rest = make(number).decode().partition("\r")
        fields = [*head.split("|"), *[""] * 20]
        fields[9] = f"{prefix}{number}"
        fields[14:16] = ["AL", "NE"]
        return "\r".join(["|".join(fields).rstrip("|"), rest]).encode()

    return made


class _Line:
    """One connection, on which a message is sent and its answer awaited."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> "_Line":
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def ask(self, message: bytes) -> str:
        """Return MSA-1 of the answer."""
        self._writer.write(frame(message))
        answer = await self._reader.readuntil(b"\x1c\r")
        start = answer.index(b"\rMSA|") + 5
        return answer[start : start + 2].decode()

    def close(self) -> None:
        self._writer.close()


async def as_fast_as_may_be(port: int, make: Make, numbers: "count[int]", lines: int, wanted: str) -> Pace:
    """Send over so many connections, each message after the answer to the one before it."""
    waits: list[float] = []
    codes: Counter[str] = Counter()
    give_up = time.perf_counter() + _SECONDS

    async def work() -> None:
        line = await _Line.open(port)
        while (began := time.perf_counter()) < give_up:
            codes[await line.ask(make(next(numbers)))] += 1
            waits.append(time.perf_counter() - began)
        line.close()

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(lines)))
    return _pace(waits, codes, time.perf_counter() - began, wanted)


async def steadily(port: int, makes: Sequence[Make], numbers: "count[int]", rate: float) -> Pace:
    """Send at a pace, whether or not the answers keep up: waits count from when each message was due."""
    waits: list[float] = []
    codes: Counter[str] = Counter()
    began = time.perf_counter()
    places = count()

    async def work() -> None:
        line = await _Line.open(port)
        while (due := began + next(places) / rate) < began + _SECONDS:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            number = next(numbers)
            codes[await line.ask(makes[number % len(makes)](number))] += 1
            waits.append(time.perf_counter() - due)
        line.close()

    await asyncio.gather(*(work() for _ in range(CONNECTIONS)))
    return _pace(waits, codes, time.perf_counter() - began, "AA")


def _pace(waits: list[float], codes: Counter[str], seconds: float, wanted: str) -> Pace:
    assert set(codes) == {wanted}, codes
    waits.sort()
    return Pace(len(waits) / seconds, *(waits[int(len(waits) * share)] * 1000 for share in (0.5, 0.99)))


def floor_rate(url: str) -> float:
    """Return how often a second one client stores the documents of one ORU^R01 as MongoDB alone can."""
    names = ("ServiceRequest", "Specimen", "Observation", "DiagnosticReport", "Provenance")
    with MongoClient[dict[str, Any]](url, tz_aware=True) as client:
        database = client["fhir"]
        report = database["DiagnosticReport"].find_one({}, sort=[("seq", -1)])
        assert report is not None
        numbers = count(2**62)
        samples = {
            name: list(database[name].find({}, sort=[("seq", -1)], limit=_size(name))) for name in names
        }
        done, began = 0, time.perf_counter()
        while time.perf_counter() - began < _SECONDS / 2:
            with client.start_session() as session, session.start_transaction():
                for name, documents in samples.items():
                    fresh = [
                        {**one, "_id": f"floor-{next(numbers)}", "seq": next(numbers)} for one in documents
                    ]
                    database[name].insert_many(fresh, ordered=False, session=session)
            done += 1
        return done / (time.perf_counter() - began)


def _size(name: str) -> int:
    return 20 if name == "Observation" else 1


def measured() -> Intake:
    """Measure all of it, in a database of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "channels.toml"
        path.write_text(_CHANNELS)
        port = free_port()
        wanted = {"FHIR_CHANNELS": str(path), "FHIR_MLLP_PORT": str(port)}
        settings = Settings(data_dir=Path(folder), mongo_url=None)
        os.environ.update(wanted)
        try:
            with (
                running_mongo(settings) as mongo,
                fhir_server(settings.data_dir, _WORKERS, mongo.url) as server,
            ):
                return asyncio.run(_all(port, server.port, mongo.url))
        finally:
            for name in wanted:
                del os.environ[name]


async def _all(port: int, http: int, url: str) -> Intake:
    reports, people = count(), count()
    await as_fast_as_may_be(
        port, oru, reports, CONNECTIONS, "AA"
    )  # the people of the reports, and warm caches
    rates = {lines: await as_fast_as_may_be(port, oru, reports, lines, "AA") for lines in (1, CONNECTIONS)}
    admitted = {lines: await as_fast_as_may_be(port, adt, people, lines, "AA") for lines in (1, CONNECTIONS)}
    both = count(1_000_000)
    steady = await steadily(port, (oru, adt, adt), both, BUSIEST)
    floor = await asyncio.to_thread(floor_rate, url)
    accepted = count(2_000_000)
    safe = {
        lines: await as_fast_as_may_be(port, enhanced(adt, "E"), accepted, lines, "CA")
        for lines in (CONNECTIONS, MANY_CONNECTIONS)
    }
    _check_searchable(http)
    return Intake(rates, admitted, steady, safe, floor, hl7apy_rate())


def _check_searchable(http: int) -> None:
    """What was answered with AA is there to be found."""
    url = f"http://127.0.0.1:{http}/fhir"
    found = httpx.get(f"{url}/DiagnosticReport?identifier=F1", timeout=60).json()
    assert len(found["entry"]) == 1
    assert len(found["entry"][0]["resource"]["result"]) == 20


def main() -> None:
    """Measure and print."""
    found = measured()
    for name, rates in (("ORU^R01, 20 OBX", found.oru), ("ADT^A01", found.adt)):
        for lines, pace in rates.items():
            _tell(f"{name}, {lines} connections", pace)
    _tell(f"steady {BUSIEST:.0f}/s, one ORU to two ADT", found.steady)
    for lines, pace in found.safe.items():
        _tell(f"CA, {lines} connections", pace)
    print(f"MongoDB alone stores {found.floor:.1f} ORU/s; hl7apy alone parses {found.hl7apy:.1f}/s")  # noqa: T201


def _tell(name: str, pace: Pace) -> None:
    print(f"{name}: {pace.rate:.1f}/s, p50 {pace.p50:.1f} ms, p99 {pace.p99:.1f} ms")  # noqa: T201


if __name__ == "__main__":
    main()
