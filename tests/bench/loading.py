"""How fast resources are taken in, beside the raw `insert_many` of the finished documents."""

import asyncio
import bz2
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bson.raw_bson import RawBSONDocument
from pymongo import IndexModel, MongoClient
from pymongo.database import Database

from tests.bench.traffic import post, send_all

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Bundles:
    """Bundles ready to be posted: those that the others refer to, and the rest; `entries` in all."""

    first: tuple[bytes, ...]
    rest: tuple[bytes, ...]
    entries: int


def synthea(folder: Path) -> Bundles:
    """Read the Synthea bundles in `folder`, hospitals and practitioners apart from the patients."""
    texts = {path.name: bz2.decompress(path.read_bytes()) for path in sorted(folder.glob("*.json.bz2"))}
    # Without line ends and indentation, as a program that sends FHIR writes it.
    bundles = {name: json.loads(text, parse_float=_Literal) for name, text in texts.items()}
    compact = {name: _compact(bundle) for name, bundle in bundles.items()}
    return Bundles(
        tuple(body for name, body in compact.items() if name.startswith("0-")),
        tuple(body for name, body in compact.items() if not name.startswith("0-")),
        sum(len(bundle["entry"]) for bundle in bundles.values()),
    )


class _Literal(float):
    """A number that is written with the digits with which it was read."""

    def __new__(cls, text: str) -> "_Literal":
        number = super().__new__(cls, text)
        number.text = text
        return number

    text: str

    def __repr__(self) -> str:
        return self.text


def _compact(bundle: dict[str, Any]) -> bytes:
    return json.dumps(bundle, separators=(",", ":"), ensure_ascii=False).encode()


def renamed(bundles: Bundles, copy: int) -> Bundles:
    """Return the bundles with other people in them: each patient with names and identifiers of their own.

    Loaded again as they are they would make 20 patients of one name; a hospital of 20 times the size has 20
    times as many names.
    """
    return Bundles(bundles.first, tuple(_renamed(body, copy) for body in bundles.rest), bundles.entries)


def _renamed(body: bytes, copy: int) -> bytes:
    bundle = json.loads(body, parse_float=_Literal)
    for entry in bundle["entry"]:
        resource = entry["resource"]
        if resource["resourceType"] == "Patient":
            for name in resource["name"]:
                name["family"] += f"x{copy}"
            for identifier in resource["identifier"]:
                identifier["value"] += f"-{copy}"
    return _compact(bundle)


def load(port: int, bundles: Bundles, connections: int) -> float:
    """Post all bundles, those referred to first; return the seconds it took."""
    total = 0.0
    for group in (bundles.first, bundles.rest):
        largest_first = sorted(group, key=len, reverse=True)
        seconds, _ = asyncio.run(send_all(port, [post("/fhir", body) for body in largest_first], connections))
        total += seconds
    return total


def insert_many_rate(mongo_url: str, source: str, threads: int) -> float:
    """Insert all live documents of database `source` into a new database with the same indexes.

    Returns documents per second; reading the documents is not counted, making the indexes neither.
    """
    with MongoClient[RawBSONDocument](mongo_url, document_class=RawBSONDocument) as client:
        batches = _batches(client[source])
        target = client.get_database("bench-floor")
        _copy_indexes(client[source], target)
        waiting = iter(batches)
        lock = threading.Lock()

        def insert() -> None:
            while True:
                with lock:
                    batch = next(waiting, None)
                if batch is None:
                    return
                target[batch[0]].insert_many(batch[1], ordered=False)

        workers = [threading.Thread(target=insert) for _ in range(threads)]
        started = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        seconds = time.perf_counter() - started
        client.drop_database("bench-floor")
    return sum(len(documents) for _, documents in batches) / seconds


def _types(database: Database[RawBSONDocument]) -> list[str]:
    return [name for name in database.list_collection_names() if name[0].isupper()]


def _batches(database: Database[RawBSONDocument]) -> list[tuple[str, Sequence[RawBSONDocument]]]:
    found: list[tuple[str, Sequence[RawBSONDocument]]] = []
    for name in _types(database):
        documents = list(database[name].find())
        found += [(name, documents[i : i + _BATCH]) for i in range(0, len(documents), _BATCH)]
    return found


def _copy_indexes(source: Database[RawBSONDocument], target: Database[RawBSONDocument]) -> None:
    for name in _types(source):
        models = []
        for index_name, index in source[name].index_information().items():
            if index_name != "_id_":
                options = (
                    {"partialFilterExpression": index["partialFilterExpression"]}
                    if ("partialFilterExpression" in index)
                    else {}
                )
                models.append(IndexModel(index["key"], name=index_name, **options))
        target[name].create_indexes(models)
