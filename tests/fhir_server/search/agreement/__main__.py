"""Ask a server many drawn questions, and tell each one that the plain evaluator answers in another way.

    python -m tests.fhir_server.search.agreement --queries 10000 --seed 1

Questions go in turns to Synthea's resources, where ../shared/data has them, and to invented ones that are
drawn anew after every thousand questions.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import httpx

from fhir_server.settings import Settings
from fhir_server.store.embedded import running_mongo
from tests.fhir_server.conftest import FHIR_JSON, running_server
from tests.fhir_server.search.agreement import comparison, invented, worlds
from tests.fhir_server.search.agreement.evaluator import World
from tests.fhir_server.search.agreement.features import SUPPORTED
from tests.fhir_server.search.agreement.questions import Drawing

_BEFORE_NEW_RESOURCES = 1_000


@contextmanager
def _served(mongo_url: str, name: str) -> Iterator[httpx.Client]:
    settings = Settings(
        mongo_url=mongo_url, database=name, log_level="error", auth="off", workflows_off="all"
    )
    with (
        running_server(settings) as base_url,
        httpx.Client(base_url=base_url, headers={"content-type": FHIR_JSON}, timeout=60) as client,
    ):
        yield client


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _compare(client: httpx.Client, world: World, random: Random, queries: int) -> Counter[str]:
    """Ask `queries` questions; print those that are answered in another way, and count what there was."""
    drawing = Drawing(world, SUPPORTED)
    counts: Counter[str] = Counter()
    for _ in range(queries):
        question = drawing.question(random)
        counts["asked"] += 1
        counts["with matches"] += bool(comparison.expected(world, question).ids)
        told = comparison.difference(client, world, question)
        if told:
            counts["different"] += 1
            smallest = comparison.smallest(client, world, question)
            _say(f"{smallest}\n  {comparison.difference(client, world, smallest)}")
    return counts


def _run(mongo_url: str, queries: int, seed: int, patients: int) -> Counter[str]:
    counts: Counter[str] = Counter()
    random = Random(seed)
    for number, start in enumerate(range(0, queries, _BEFORE_NEW_RESOURCES)):
        some = min(_BEFORE_NEW_RESOURCES, queries - start)
        with _served(mongo_url, f"agreement-{number}") as client:
            if number % 2 and worlds.SYNTHEA.is_dir():
                addresses = worlds.store_synthea(client, patients)
            else:
                addresses = invented.store(client, random)
            counts += _compare(client, worlds.world(client, addresses), random, some)
        _say(f"{dict(counts)}")
    return counts


def main() -> int:
    """Return 0 if server and evaluator agree on everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--patients", type=int, default=6, help="how many of Synthea's patients")
    asked = parser.parse_args()
    started = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="fhir-agreement-") as folder,
        running_mongo(Settings(data_dir=Path(folder))) as mongo,
    ):
        counts = _run(mongo.url, asked.queries, asked.seed, asked.patients)
    _say(f"{dict(counts)} in {time.monotonic() - started:.0f} s")
    return 1 if counts["different"] else 0


if __name__ == "__main__":
    sys.exit(main())
