"""Kills while HL7 v2 messages come in: each that is acknowledged is applied exactly once, and in its order.

Several systems send, each about people of its own, as legacy systems do: the same message again until it is
acknowledged. Meanwhile the server, its workers and MongoDB are killed at random moments and come again. Each
message changes one patient, so that the history of each patient tells which messages were applied, and when.
The tests send a few hundred; for more:

    python -m tests.fhir_server.faults.message_crashes --messages 5000 --kills 40
"""

import argparse
import os
import random
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.adapters.senders import code, connected, error_codes
from tests.fhir_server.faults.server_process import (
    ServerProcess,
    free_port,
    kill_mongod,
    start,
    wait_until_ended,
    worker_pids,
)

CHANNELS = """
[[channel]]
name = "adt"
sending_application = "ADT"
sending_facility = "GENHOSP"
time_zone = "Europe/Berlin"
authorities = { GENHOSP = "urn:oid:1.2.3.4.5.1" }
"""
_SYSTEM = "urn:oid:1.2.3.4.5.1"
_SENDERS = 6
_PEOPLE_OF_A_SENDER = 4
# MongoDB keeps the transaction of a process that was killed for a minute; others wait for it.
_PATIENCE_SECONDS = 180.0
KINDS = ("worker", "server", "mongod", "both")


def message(control_id: str, person: int, number: int, *, accept: bool) -> bytes:
    """Return an ADT^A31 that moves an invented person; in enhanced mode if it is to be accepted only (CA)."""
    modes = "AL|NE" if accept else "|"
    letters = "".join(chr(97 + person // 26**place % 26) for place in range(3)).title()
    rows = (
        f"MSH|^~\\&|ADT|GENHOSP|FHIR|HOSPITAL|20260301120000||ADT^A31^ADT_A05|{control_id}|P|2.5.1|||{modes}",
        "EVN|A31|20260301120000",
        f"PID|1||{person}^^^GENHOSP^MR||{letters}muster^Mara||19{30 + person}0101|F|||{number} Main St^^Town",
        "PV1|1|N",
    )
    return "".join(f"{row}\r" for row in rows).encode()


@dataclass
class Sending:
    """What the systems send, and what was acknowledged to them: control ids by person, in order."""

    each: int
    name: str
    confirmed: dict[int, list[str]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)
    _is_over: threading.Event = field(default_factory=threading.Event)

    @property
    def acknowledged(self) -> int:
        """How many messages were acknowledged so far."""
        return sum(map(len, self.confirmed.values()))

    @property
    def is_done(self) -> bool:
        """Whether all were."""
        return not any(thread.is_alive() for thread in self._threads)

    @contextmanager
    def to(self, port: int) -> Iterator[None]:
        """Send until the block ends, or all is acknowledged."""
        for sender in range(_SENDERS):
            thread = threading.Thread(target=self._send, args=(port, sender), daemon=True)
            self._threads.append(thread)
            thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            for thread in self._threads:
                thread.join(timeout=60)

    def _send(self, port: int, sender: int) -> None:
        people = range(sender * _PEOPLE_OF_A_SENDER, (sender + 1) * _PEOPLE_OF_A_SENDER)
        waiting = [(number, people[number % len(people)]) for number in range(self.each)]
        while waiting and not self._is_over.is_set():
            try:
                with connected(port) as line:
                    while waiting and not self._is_over.is_set():
                        number, person = waiting[0]
                        control_id = f"{self.name}-{sender}-{number}"
                        told = line.ask(message(control_id, person, number, accept=sender % 2 == 0))
                        if self._is_settled(person, control_id, told):
                            waiting.pop(0)
            except (OSError, EOFError):
                time.sleep(0.1)

    def _is_settled(self, person: int, control_id: str, told: bytes) -> bool:
        """Note an answer; False if the message is to be sent again later, as it could not be kept."""
        answer = code(told)
        if answer in ("AA", "CA"):
            self.confirmed.setdefault(person, []).append(control_id)
        elif answer in ("AE", "CE") and error_codes(told) != ["207"]:
            self.refused.append(told.decode())
        else:
            time.sleep(0.1)
            return False
        return True


class MessageCrashes:
    """One data directory, and what is sent to the server on it."""

    def __init__(self, folder: Path, *, messages: int, workers: int, seed: int) -> None:
        """Send so many `messages`; `seed` decides what is killed, and when."""
        self.sending = Sending(messages // _SENDERS, f"s{seed}")
        self._random = random.Random(seed)
        self._folder = folder
        self._workers = workers
        self._port = free_port()
        path = folder / "channels.toml"
        path.write_text(CHANNELS)
        self._environment = {
            "FHIR_CHANNELS": str(path),
            "FHIR_MLLP_PORT": str(self._port),
            "FHIR_WORKFLOWS_OFF": "",
        }

    def carry_out(self, kills: int) -> None:
        """Send everything, with so many kills spread over it, and compare what was stored."""
        server = self._start()
        try:
            total = self.sending.each * _SENDERS
            with self.sending.to(self._port):
                for number in range(1, kills + 1):
                    self._await(total * number // (kills + 1))
                    server = self._disturb(server, KINDS[number % len(KINDS)])
                self._await(total)
            self._check(server)
        finally:
            server.stop()
            assert server.process.stdout is not None
            server.process.stdout.close()

    def _start(self) -> ServerProcess:
        return start(self._folder, workers=self._workers, environment=self._environment)

    def _await(self, number: int) -> None:
        """Return when so many messages are acknowledged, or none is left to be sent."""
        last, moved = -1, time.monotonic()
        while self.sending.acknowledged < number and not self.sending.is_done:
            if self.sending.acknowledged > last:
                last, moved = self.sending.acknowledged, time.monotonic()
            assert time.monotonic() - moved < _PATIENCE_SECONDS, f"nothing is answered any more, after {last}"
            time.sleep(0.01)
        time.sleep(self._random.uniform(0, 0.05))

    def _disturb(self, server: ServerProcess, kind: str) -> ServerProcess:
        """Kill something; return the server that there is then."""
        if kind == "worker" and self._workers > 1:
            os.kill(self._random.choice(worker_pids(server)), signal.SIGKILL)
            return server
        if kind in ("mongod", "both"):
            self._kill_mongod()
        if kind == "mongod":
            return server
        children = worker_pids(server)
        server.kill()
        for child in children:  # they have the port until they have ended
            wait_until_ended(child)
        assert server.process.stdout is not None
        server.process.stdout.close()
        return self._start()

    def _kill_mongod(self) -> None:
        """Kill the MongoDB; it may just be coming again after it was killed before."""
        give_up = time.monotonic() + _PATIENCE_SECONDS
        while not kill_mongod(self._folder):
            assert time.monotonic() < give_up
            time.sleep(0.05)

    def _check(self, server: ServerProcess) -> None:
        sending = self.sending
        assert not sending.refused, sending.refused[:3]
        assert sending.acknowledged == sending.each * _SENDERS
        with httpx.Client(base_url=server.base_url, timeout=60) as http:
            for person, control_ids in sending.confirmed.items():
                applied = self._applied(http, person, len(control_ids))
                assert applied == control_ids, f"person {person}"

    def _applied(self, http: httpx.Client, person: int, wanted: int) -> list[str]:
        """Return the control ids of the messages that changed somebody, in order, when there are enough."""
        give_up = time.monotonic() + _PATIENCE_SECONDS
        while True:
            versions = list(_history(http, person))
            if len(versions) >= wanted or time.monotonic() > give_up:
                return [one["meta"]["source"].rpartition(":")[2] for one in reversed(versions)]
            time.sleep(0.2)


def _history(http: httpx.Client, person: int) -> Iterator[dict[str, Any]]:
    """Yield the versions of a person's record, the newest first."""
    found = http.get("/Patient", params={"identifier": f"{_SYSTEM}|{person}"}).raise_for_status().json()
    for entry in found.get("entry", ()):
        url = f"/Patient/{entry['resource']['id']}/_history?_count=500"
        while url:
            page = http.get(url).raise_for_status().json()
            yield from (one["resource"] for one in page["entry"])
            url = next((one["url"] for one in page["link"] if one["relation"] == "next"), "")


def main() -> None:
    """Send as many messages as the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--messages", type=int, default=5000, help="messages sent  [5000]")
    parser.add_argument("--kills", type=int, default=40, help="kills of something, spread over them  [40]")
    parser.add_argument("--seed", type=int, default=1, help="decides what is killed when  [1]")
    parser.add_argument("--workers", type=int, default=2, help="server processes  [2]")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fhir-messages-") as folder:
        test = MessageCrashes(
            Path(folder), messages=options.messages, workers=options.workers, seed=options.seed
        )
        began = time.monotonic()
        test.carry_out(options.kills)
        seconds = time.monotonic() - began
        told = f"{test.sending.acknowledged} messages acknowledged, each applied once and in order"
        print(f"{told}; {options.kills} kills, {seconds:.0f} s")  # noqa: T201 - the command's output


if __name__ == "__main__":
    main()
