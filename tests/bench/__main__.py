"""`make bench`: what the server does in a second, each figure beside its floor in the same run.

Prints a table, and writes it with the machine it ran on to bench-results/results.json and results.md.
"""

import argparse
import asyncio
import json
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
from pymongo import MongoClient

from fhir_server.settings import Settings
from fhir_server.store.embedded import running_mongo
from tests.bench import beds, intake
from tests.bench.billing import LINES, invoice_seconds
from tests.bench.everything import whole_record
from tests.bench.loading import Bundles, insert_many_rate, load, renamed, synthea
from tests.bench.machine import machine
from tests.bench.outbound import measured
from tests.bench.scheduling import attempts, contend, open_hours
from tests.bench.searching import Hospital, Latency, measure, table
from tests.bench.servers import Running, bare_server, fhir_server, resident_bytes
from tests.bench.traffic import get, repeat

_SHARED = Path(__file__).parents[3] / "shared" / "data" / "synthea"
_RESULTS = Path("bench-results")
_ROUNDS = 3
_SECONDS = 4.0
_WORKERS = 2
_LOADERS = 4
_READERS = 16


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: the figure, its floor in the same run, and what it should be."""

    work: str
    unit: str
    figure: float
    floor: float | None
    target: str
    reached: bool

    @property
    def share(self) -> str:
        """The figure as a share of the floor."""
        return f"{self.figure / self.floor:.0%}" if self.floor else ""


def loading_rows(server: Running, bundles: Bundles, mongo_url: str) -> list[Row]:
    """Load Synthea once, and compare with `insert_many` of what came of it."""
    rate = bundles.entries / load(server.port, bundles, _LOADERS)
    floor = insert_many_rate(mongo_url, "fhir", _LOADERS)
    name = f"load Synthea ({bundles.entries} entries), {_LOADERS} clients, {_WORKERS} workers"
    reached = rate >= 0.15 * floor and rate >= 3000
    return [Row(name, "resources/s", rate, floor, "15 % of the floor and 3,000/s", reached)]


def reading_rows(server: Running, bare: Running, mongo_url: str) -> list[Row]:
    """Read by id, and search by patient and code, in turns with the bare routes."""
    ids, questions = _samples(mongo_url)
    ours = [get(f"/fhir/Observation/{resource_id}") for resource_id in ids]
    theirs = [get(f"/Observation/{resource_id}") for resource_id in ids]
    reads = _in_turns(server, bare, ours, theirs)
    ours = [get(f"/fhir/Observation?patient={p}&code={c}&_count=20") for p, c in questions]
    theirs = [get(f"/Observation?patient={p}&code={c}&count=20") for p, c in questions]
    searches = _in_turns(server, bare, ours, theirs)
    return [
        Row(f"read by id, {_READERS} connections", "requests/s", *reads, "70 %", reads[0] >= 0.7 * reads[1]),
        Row(
            "Observation?patient=&code=&_count=20",
            "requests/s",
            *searches,
            "50 %",
            searches[0] >= 0.5 * searches[1],
        ),
    ]


def _in_turns(server: Running, bare: Running, ours: list[bytes], theirs: list[bytes]) -> tuple[float, float]:
    """Return the medians of both rates; the two take turns, since the machine's own speed drifts."""
    rates: list[tuple[float, float]] = []
    for _ in range(_ROUNDS):
        figure = asyncio.run(repeat(server.port, ours, _READERS, _SECONDS)).rate
        floor = asyncio.run(repeat(bare.port, theirs, _READERS, _SECONDS)).rate
        rates.append((figure, floor))
    return sorted(rate[0] for rate in rates)[_ROUNDS // 2], sorted(rate[1] for rate in rates)[_ROUNDS // 2]


def _samples(mongo_url: str) -> tuple[list[str], list[tuple[str, str]]]:
    with MongoClient[dict[str, Any]](mongo_url) as client:
        sample = list(client["fhir"]["Observation"].aggregate([{"$sample": {"size": 500}}]))
    ids = [document["_id"] for document in sample]
    questions = []
    for document in sample:
        resource = document["resource"]
        coding = resource["code"]["coding"][0]
        questions.append((resource["subject"]["reference"], f"{coding['system']}%7C{coding['code']}"))
    return ids, questions


def bed_board_row(server: Running, mongo_url: str) -> Row:
    """Load a hospital of many beds, and ask for its board beside the aggregation alone."""
    figure, floor = beds.measure(server.port, mongo_url)
    return Row(f"bed board, {beds.BEDS:,} beds", "ms", figure, floor, "under 50 ms", figure < 50)


def growth_rows(server: Running, bundles: Bundles, stored: int, resources: int) -> list[Row]:
    """Go on loading until `resources` are stored; compare the rates at the start and at the end."""
    rates: list[float] = []
    while stored < resources:
        people = renamed(bundles, len(rates) + 1)
        rates.append(bundles.entries / load(server.port, people, _LOADERS))
        stored += bundles.entries
    first, last = max(rates[:2]), sum(rates[-2:]) / 2
    name = f"load rate at {stored:,} resources, beside that at the start"
    return [Row(name, "resources/s", last, first, "90 %", last >= 0.9 * first)]


def outbound_rows() -> list[Row]:
    """Make HL7 v2 messages, and send those that wait; a hospital of 445 beds has some 44 a second at most."""
    found = measured()
    rows = [
        Row("make an ADT^A01", "messages/s", found.adt, None, "500", found.adt >= 500),
        Row("make an ORU^R01 with 20 OBX", "messages/s", found.oru, None, "250", found.oru >= 250),
    ]
    for connections, rate in found.sent.items():
        name = f"send ADT^A31 until acknowledged, {connections} connections, {_WORKERS} workers"
        rows.append(Row(name, "messages/s", rate, None, "88", rate >= 88))
    return rows


def intake_rows() -> list[Row]:
    """Take HL7 v2 messages in, also as many as come in the busiest hour of a hospital of 445 beds."""
    found = intake.measured()
    rows = []
    for name, target, rates in (("ORU^R01 with 20 OBX", 250, found.oru), ("ADT^A01", 500, found.adt)):
        for lines, pace in rates.items():
            work = f"{name} by MLLP until AA, {lines} connections, {_WORKERS} workers"
            floor = found.floor if rates is found.oru else None
            is_reached = pace.rate >= target
            rows.append(Row(work, "messages/s", pace.rate, floor, f"{target}/s, on 8", is_reached))
    steady = f"p99 of AA at {intake.BUSIEST:.0f} messages/s, one ORU to two ADT"
    for lines, pace in found.safe.items():
        safe = f"ADT^A01 by MLLP until CA, {lines} connections"
        rows.append(Row(safe, "messages/s", pace.rate, None, "1,500/s", pace.rate >= 1_500))
    rows += [
        Row(steady, "ms", found.steady.p99, None, "50 ms", found.steady.p99 < 50),
        Row("hl7apy parses the same ORU^R01", "messages/s", found.hl7apy, None, "", reached=True),
    ]
    return rows


def everything_rows(server: Running) -> list[Row]:
    """Read the whole record of one patient, page by page, and look at what the workers take for it."""
    found = whole_record(server)
    name = f"Patient/$everything of {found.resources:,} resources"
    megabytes = found.growth / 2**20
    return [
        Row(name, "resources/s", found.rate, None, "2,000/s", found.rate >= 2_000),
        Row("memory that both workers take for it", "MB", megabytes, None, "under 100 MB", megabytes < 100),
    ]


def billing_rows(server: Running) -> list[Row]:
    """Write an invoice of many lines."""
    seconds = invoice_seconds(server.port)
    name = f"Account/$invoice, {LINES} lines"
    return [Row(name, "s", seconds, None, "3 s", seconds <= 3)]


def booking_rows(server: Running) -> list[Row]:
    """Book 200 Slots that 50 patients each want at once; each is booked once, the others are refused."""
    open_hours(server.port)
    found = asyncio.run(contend([server.port], attempts(server.port, 50), _READERS))
    booked, decided = found.statuses[201], sum(found.statuses.values())
    name = f"bookings under contention, {decided:,} attempts, {booked} booked, {_READERS} connections"
    is_right = booked == 200 and set(found.statuses) == {201, 409}
    return [Row(name, "attempts/s", found.rate, None, "each Slot once", is_right)]


def startup_rows(settings: Settings) -> list[Row]:
    """Start on the data that is there now, and look at the memory of the one process."""
    before = time.perf_counter()
    with running_mongo(settings):
        floor = time.perf_counter() - before
    with fhir_server(settings.data_dir, 1) as server:
        url = f"http://127.0.0.1:{server.port}/fhir"
        for path in ("/metadata", "/Patient?_count=100", "/Observation?_count=100"):
            httpx.get(url + path).raise_for_status()
        httpx.post(url + "/Patient", json={"resourceType": "Patient"}).raise_for_status()
        memory = resident_bytes(server.process.pid)
    megabytes = memory / 2**20
    return [
        Row(
            "start to first 200, data present", "s", server.seconds, floor, "3 s in all", server.seconds <= 3
        ),
        Row("memory of one worker", "MB", megabytes, None, "under 250 MB", megabytes < 250),
    ]


def main() -> None:
    """Run what is asked for and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--synthea", type=Path, default=_SHARED, help="folder of Synthea bundles (.json.bz2)")
    parser.add_argument("--resources", type=int, default=300_000, help="size of the database at the end")
    options = parser.parse_args()
    bundles = synthea(options.synthea)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), mongo_url=None)
        with running_mongo(settings) as mongo, fhir_server(settings.data_dir, _WORKERS, mongo.url) as server:
            rows += loading_rows(server, bundles, mongo.url)
            with bare_server(mongo.url, _WORKERS) as bare:
                rows += reading_rows(server, bare, mongo.url)
            rows.append(bed_board_row(server, mongo.url))
            rows += growth_rows(server, bundles, bundles.entries, options.resources)
            rows += everything_rows(server)
            rows += billing_rows(server)
            rows += booking_rows(server)
            small, large = _searches(Hospital(server.port, mongo.url), bundles)
        rows += startup_rows(settings)
    rows += outbound_rows()
    rows += intake_rows()
    _report(rows, small, large, (bundles.entries, options.resources))


def _searches(grown: Hospital, bundles: Bundles) -> list[list[Latency]]:
    """Return how long searches take in a hospital with Synthea loaded once, and in the one that has grown."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), mongo_url=None)
        with running_mongo(settings) as mongo, fhir_server(settings.data_dir, _WORKERS, mongo.url) as server:
            load(server.port, bundles, _LOADERS)
            return measure([Hospital(server.port, mongo.url), grown])


def _report(rows: list[Row], small: list[Latency], large: list[Latency], sizes: tuple[int, int]) -> None:
    lines = ["| work | figure | floor | share | target | reached |", "|---|---|---|---|---|---|"]
    for row in rows:
        floor = f"{row.floor:,.1f} {row.unit}" if row.floor else ""
        cells = (row.work, f"{row.figure:,.1f} {row.unit}", floor, row.share, row.target)
        lines.append(f"| {' | '.join(cells)} | {'yes' if row.reached else 'no'} |")
    searches = table(small, large, sizes)
    text = (
        f"{machine()}\n\n" + "\n".join(lines) + f"\n\nMilliseconds, one question at a time:\n\n{searches}\n"
    )
    _RESULTS.mkdir(exist_ok=True)
    (_RESULTS / "results.md").write_text(text)
    results = {
        "machine": machine(),
        "rows": [asdict(row) for row in rows],
        "searches": [[asdict(one) for one in measured] for measured in (small, large)],
    }
    (_RESULTS / "results.json").write_text(json.dumps(results, indent=2))
    print(text)  # noqa: T201 - the command's output


if __name__ == "__main__":
    main()
