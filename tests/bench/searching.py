"""How long each shape of search takes, beside the bare MongoDB queries that would answer it."""

import asyncio
import json
import random
import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.database import Database

from tests.bench.shapes import SHAPES, Sample, Shape, answer
from tests.bench.traffic import Connection, get

_QUESTIONS = 60
_SEED = 20_261_127
_HIGHEST_GROWTH = 1.5


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds: percentiles of a shape over HTTP, and the median of its bare answer."""

    shape: str
    p50: float
    p95: float
    p99: float
    bare: float


@dataclass(frozen=True, slots=True)
class Hospital:
    """A server and its database: `port` on the loopback interface, and the URL of the MongoDB behind it."""

    port: int
    mongo_url: str


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a hospital is asked about, over what, and the milliseconds of the answers, ours and bare ones."""

    connection: Connection
    bare: Database[RawBSONDocument]
    samples: Sequence[Sample]
    ours: Mapping[str, list[float]]
    theirs: Mapping[str, list[float]]


def measure(hospitals: Sequence[Hospital]) -> list[list[Latency]]:
    """Ask each hospital about `_QUESTIONS` samples, every shape in turns with its bare answer.

    A shape is asked of one hospital after the other, and every shape about a sample before any about the
    next: the machine's own speed drifts, and so it is the same for all of them. First MongoDB writes down
    what it holds of the load.
    """
    with ExitStack() as stack:
        databases: list[Database[RawBSONDocument]] = []
        samples: list[list[Sample]] = []
        for hospital in hospitals:
            reader: MongoClient[dict[str, Any]] = MongoClient(hospital.mongo_url, tz_aware=True)
            bare = MongoClient(hospital.mongo_url, document_class=RawBSONDocument)
            stack.enter_context(reader)
            databases.append(stack.enter_context(bare)["fhir"])
            reader.admin.command("fsync")
            samples.append(_samples(reader["fhir"]))
        return asyncio.run(_latencies([hospital.port for hospital in hospitals], databases, samples))


async def _latencies(
    ports: Sequence[int],
    databases: Sequence[Database[RawBSONDocument]],
    samples: Sequence[Sequence[Sample]],
) -> list[list[Latency]]:
    asked: list[_Asked] = []
    for port, database, about in zip(ports, databases, samples, strict=True):
        ours, theirs = ({shape.name: list[float]() for shape in SHAPES} for _ in range(2))
        asked.append(_Asked(await Connection.open(port), database, about, ours, theirs))
    for number in range(_QUESTIONS):
        for shape in SHAPES:
            for one in asked:
                one.ours[shape.name].append(await _answered(one.connection, shape, one.samples[number]))
                started = time.perf_counter()
                answer(one.bare, shape, one.samples[number])
                one.theirs[shape.name].append((time.perf_counter() - started) * 1000)
    for one in asked:
        one.connection.close()
    return [
        [_latency(shape.name, one.ours[shape.name], one.theirs[shape.name]) for shape in SHAPES]
        for one in asked
    ]


async def _answered(connection: Connection, shape: Shape, sample: Sample) -> float:
    """Ask the server; return the milliseconds that its answer took."""
    path = f"/fhir/{_address(shape.search, sample)}"
    for _ in range(shape.follow):
        path = await _next(connection, path) or path
    request = get(path)
    started = time.perf_counter()
    status, body = await connection.send(request)
    taken = (time.perf_counter() - started) * 1000
    if status != 200:
        raise RuntimeError(f"{shape.name}: {status} {body[:300]!r}")
    return taken


def _latency(shape: str, ours: Sequence[float], theirs: Sequence[float]) -> Latency:
    p50, p95, p99 = (_percentile(ours, share) for share in (0.5, 0.95, 0.99))
    return Latency(shape, p50, p95, p99, statistics.median(theirs))


def _percentile(milliseconds: Sequence[float], share: float) -> float:
    listed = sorted(milliseconds)
    return listed[min(int(len(listed) * share), len(listed) - 1)]


async def _next(connection: Connection, path: str) -> str | None:
    status, body = await connection.send(get(path))
    if status != 200:
        raise RuntimeError(f"a page was answered with {status}")
    urls = [link["url"] for link in json.loads(body)["link"] if link["relation"] == "next"]
    return f"/fhir{urls[0].partition('/fhir')[2]}" if urls else None


def _address(search: str, sample: Sample) -> str:
    address, _, query = search.partition("?")
    pairs = [pair.partition("=") for pair in query.split("&")] if query else []
    filled = "&".join(f"{name}={quote(value.format_map(sample.texts))}" for name, _, value in pairs)
    return address.format_map(sample.texts) + (f"?{filled}" if filled else "")


def _samples(database: Database[dict[str, Any]]) -> list[Sample]:
    """Draw observations, each with its patient, by a fixed seed from whatever is stored."""
    chance = random.Random(_SEED)
    patients = {found["_id"]: found["resource"] for found in database["Patient"].find()}
    condition = {"resource.effectiveDateTime": {"$exists": True}, "search.encounter": {"$exists": True}}
    samples: list[Sample] = []
    for patient_id in chance.sample(sorted(patients), min(_QUESTIONS, len(patients))):
        mine = {**condition, "search.patient": f"Patient/{patient_id}"}
        observations = list(database["Observation"].find(mine).limit(100))
        if observations:
            samples.append(_sample(patients[patient_id], chance.choice(observations), observations))
    return [samples[index % len(samples)] for index in range(_QUESTIONS)]


def _sample(
    patient: dict[str, Any], document: dict[str, Any], observations: Sequence[dict[str, Any]]
) -> Sample:
    resource = document["resource"]
    coding = resource["code"]["coding"][0]
    identifier = patient["identifier"][0]
    family = patient["name"][0]["family"]
    day = document["search"]["date"]["lo"].replace(hour=0, minute=0, second=0, microsecond=0)
    ids = [observations[index % len(observations)]["_id"] for index in range(3)]
    texts = {
        "patient": f"Patient/{patient['id']}",
        "patient_id": patient["id"],
        "encounter": resource["encounter"]["reference"].rpartition("/")[2],
        "code": f"{coding['system']}|{coding['code']}",
        "bare_code": coding["code"],
        "identifier": f"{identifier['system']}|{identifier['value']}",
        "family": family,
        "folded_family": family.casefold(),
        "gender": patient["gender"],
        "birth_date": patient["birthDate"],
        "day": day.date().isoformat(),
        "next_day": (day + timedelta(days=1)).date().isoformat(),
        "ids": ",".join(ids),
        **{f"id{index}": found for index, found in enumerate(ids)},
    }
    birth_date = datetime.fromisoformat(patient["birthDate"]).replace(tzinfo=UTC)
    return Sample(texts, {"day": day, "next_day": day + timedelta(days=1), "birth_date": birth_date})


def table(small: Sequence[Latency], large: Sequence[Latency], sizes: tuple[int, int]) -> str:
    """Return the latencies at both sizes as a table, with how much slower each shape became."""
    heads = [f"p50 / p95 / p99 at {size:,} (bare p50)" for size in sizes]
    lines = [f"| shape | {' | '.join(heads)} | growth |", "|---|---|---|---|"]
    for before, after in zip(small, large, strict=True):
        growth = after.p50 / before.p50
        told = f"{growth:.2f}" + ("" if growth <= _HIGHEST_GROWTH else f" (over {_HIGHEST_GROWTH})")
        cells = [f"{one.p50:.1f} / {one.p95:.1f} / {one.p99:.1f} ({one.bare:.1f})" for one in (before, after)]
        lines.append(f"| {before.shape} | {' | '.join(cells)} | {told} |")
    return "\n".join(lines)
