"""Rounds of crashes: a load of writes, a kill at a random moment, a start on the same data, a reckoning.

The tests run a few rounds. For more, whatever the seed:

    python -m tests.fhir_server.faults.crash_rounds --rounds 100 --seed 7 --workers 2
"""

import argparse
import os
import random
import signal
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.fhir_server.faults.ledger import HistoryEntry, Ledger, disagreements
from tests.fhir_server.faults.server_process import (
    ServerProcess,
    kill_mongod,
    launch,
    running,
    start,
    worker_pids,
)
from tests.fhir_server.faults.writers import Client, all_entries, whole_history, writing

# How long recovery may take on a machine that is busy with other things.
PATIENCE_SECONDS = 120.0

KINDS = {
    "server": "the server, while it writes",
    "both": "server and MongoDB at the same time, while they write",
    "early": "both within the first writes, which on a new data directory make the indexes",
    "mongod": "MongoDB, twice, while the server goes on",
    "worker": "one of several workers, twice, while the others go on",
    "starting": "the server, and maybe MongoDB, before it is ready",
}
_ROUNDS_ON_A_DIRECTORY = 10
_ENVIRONMENT = {"FHIR_AUDIT": "on"}


class CrashTest:
    """One data directory, through as many rounds as one likes; the ledger is kept over all of them."""

    def __init__(self, folder: Path, *, seed: int, workers: int = 1) -> None:
        """Keep everything below `folder`; `seed` decides what is written and when it is killed."""
        self.ledger = Ledger()
        self._folder = folder
        self._random = random.Random(seed)
        self._seed = seed
        self._workers = workers
        self._round = 0

    def carry_out(self, kind: str) -> None:
        """Start the server, compare it with the ledger, write, and kill what `kind` says."""
        self._round += 1
        if kind == "starting":
            self._kill_while_starting()
            return
        server = start(self._folder, workers=self._workers, environment=_ENVIRONMENT)
        try:
            self._check(server)
            with writing(server.port, self.ledger, name=f"s{self._seed}-r{self._round}"):
                self._disturb(server, kind)
            if server.process.poll() is None:
                self._check(server)
        finally:
            server.stop()
            assert server.process.stdout is not None
            server.process.stdout.close()

    def finish(self) -> list[HistoryEntry]:
        """Start the server once more, compare it with the ledger and the log, and return all that it has."""
        with running(self._folder, workers=self._workers, environment=_ENVIRONMENT) as server:
            history = self._check(server)
            _check_log(server, history)
            return history

    def _at_a_random_moment(self) -> None:
        # By progress and not by time alone, so that a slow machine gets to the same places.
        self.ledger.await_more(self._random.randint(5, 150), PATIENCE_SECONDS)
        time.sleep(self._random.uniform(0, 0.02))

    def _disturb(self, server: ServerProcess, kind: str) -> None:
        if kind in ("mongod", "worker"):
            self._kill_what_comes_again(server, kind)
            return
        if kind == "early":
            time.sleep(self._random.uniform(0, 0.5))
        else:
            self._at_a_random_moment()
        if kind != "server":
            assert kill_mongod(self._folder)
        server.kill()

    def _kill_what_comes_again(self, server: ServerProcess, kind: str) -> None:
        """Kill what the server can do without for a moment, twice, and see that writing goes on."""
        for _ in range(2):
            self._at_a_random_moment()
            if kind == "mongod":
                assert kill_mongod(self._folder)
            else:
                self._kill_worker(server)
        self.ledger.await_more(20, PATIENCE_SECONDS)

    def _kill_worker(self, server: ServerProcess) -> None:
        workers = worker_pids(server)
        assert workers, "this server has no worker processes"
        os.kill(self._random.choice(workers), signal.SIGKILL)

    def _kill_while_starting(self) -> None:
        process = launch(self._folder, workers=self._workers, environment=_ENVIRONMENT)
        time.sleep(self._random.uniform(0, 2))
        if self._random.random() < 0.5:
            kill_mongod(self._folder)
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()

    def _check(self, server: ServerProcess) -> list[HistoryEntry]:
        history = whole_history(server.port)
        problems = list(disagreements(self.ledger, history))
        assert not problems, f"seed {self._seed}, round {self._round}: {problems[:10]}"
        self._check_reads(server, history)
        return history

    def _check_reads(self, server: ServerProcess, history: Sequence[HistoryEntry]) -> None:
        """Compare some resources, read one by one, with their newest version in the whole history."""
        newest: dict[str, HistoryEntry] = {}
        for entry in history:
            known = newest.get(entry.stored.address)
            if known is None or known.stored.number < entry.stored.number:
                newest[entry.stored.address] = entry
        client = Client(server.port)
        for address in self._random.sample(sorted(newest), min(40, len(newest))):
            status, headers, resource = client.ask("GET", f"/{address}")
            last = newest[address]
            assert status == (200 if last.resource is not None else 410), (address, status)
            assert headers["etag"] == f'W/"{last.stored.number}"'
            assert last.resource is None or resource == last.resource
        client.close()


def _check_log(server: ServerProcess, history: Sequence[HistoryEntry]) -> None:
    """Check that each version, and only those, has an event and a Provenance, and that the log is whole."""
    versions = {f"{one.stored.address}/_history/{one.stored.number}" for one in history}
    events = all_entries(server.port, "/AuditEvent?_count=500&subtype=create,update,delete&outcome=0")
    assert _references(events, "entity") == versions
    assert _references(all_entries(server.port, "/Provenance?_count=500"), "target") == versions
    client = Client(server.port)
    _, _, told = client.ask("GET", "/AuditEvent/$verify")
    client.close()
    assert told["parameter"][0] == {"name": "result", "valueBoolean": True}, told


def _references(entries: Iterable[dict[str, Any]], element: str) -> set[str]:
    """Return the versions that AuditEvents or Provenances tell of."""
    told = (one.get("what", one) for entry in entries for one in entry["resource"][element])
    return {one["reference"] for one in told if "/_history/" in one.get("reference", "")}


def main() -> None:
    """Run as many rounds as the command line asks for, and print one line for each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=20, help="number of crashes  [20]")
    parser.add_argument("--seed", type=int, default=1, help="decides what is written and killed when  [1]")
    parser.add_argument("--workers", type=int, default=1, help="server processes  [1]")
    parser.add_argument("--kind", choices=list(KINDS), help="what is killed  [any of them]")
    arguments = parser.parse_args()
    kinds = [kind for kind in KINDS if kind != "worker" or arguments.workers > 1]
    choice = random.Random(arguments.seed)
    for first in range(0, arguments.rounds, _ROUNDS_ON_A_DIRECTORY):
        number = min(_ROUNDS_ON_A_DIRECTORY, arguments.rounds - first)
        chosen = [arguments.kind or choice.choice(kinds) for _ in range(number)]
        _carry_out(chosen, arguments.seed + first, arguments.workers)


def _carry_out(kinds: Sequence[str], seed: int, workers: int) -> None:
    with tempfile.TemporaryDirectory(prefix="fhir-crash-") as folder:
        test = CrashTest(Path(folder), seed=seed, workers=workers)
        for kind in kinds:
            test.carry_out(kind)
            told = len(test.ledger.acknowledged)
            print(f"killed {KINDS[kind]}; {told} writes acknowledged so far", flush=True)  # noqa: T201
        print(f"all is there: {len(test.finish())} versions", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
