"""The server is killed while it sends: every acknowledged change is told, in the same bytes, in order."""

import threading
import time
from pathlib import Path

import httpx

from hl7.framing import frame
from tests.adapters import receiver
from tests.adapters.receiver import Receiver
from tests.fhir_server.conftest import FHIR_JSON
from tests.fhir_server.faults.server_process import ServerProcess, start
from tests.fhir_server.hl7v2.told import destination, hospital_number

_PATIENTS = 8
_SECONDS_BETWEEN_KILLS = (1.5, 2.5)


def _slowly(message: object, connection: object) -> None:
    time.sleep(0.02)
    connection.sendall(frame(receiver.ack(message)))  # type: ignore[attr-defined,arg-type]


class _Writer(threading.Thread):
    """Changes patients one after the other, and keeps what was acknowledged."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.base_url = ""
        self.acknowledged: dict[str, list[str]] = {f"p{number}": [] for number in range(_PATIENTS)}
        self.stopped = threading.Event()

    def run(self) -> None:
        """Go on until told to stop, whatever becomes of the server."""
        turn = 0
        while not self.stopped.is_set():
            turn += 1
            for patient in self.acknowledged:
                born = f"{1900 + turn // 12}-{turn % 12 + 1:02d}-01"
                try:
                    answer = httpx.put(
                        f"{self.base_url}/Patient/{patient}",
                        json=_patient(patient, born),
                        headers={"content-type": FHIR_JSON},
                        timeout=10,
                    )
                except httpx.TransportError:
                    time.sleep(0.05)
                    continue
                if answer.is_success:
                    self.acknowledged[patient].append(born.replace("-", ""))


def _patient(patient: str, born: str) -> dict[str, object]:
    number = {"system": "urn:oid:2.999.1.1", "value": patient}
    return {
        "resourceType": "Patient",
        "id": patient,
        "identifier": [number],
        "name": [{"family": f"Invented {patient}"}],
        "birthDate": born,
    }


def test_kills_while_sending_lose_nothing(tmp_path: Path) -> None:
    """What was acknowledged before a kill arrives after it: at least once, with the same MSH-10, in order."""
    there = Receiver([_slowly])
    channels = tmp_path / "channels.toml"
    channels.write_text(destination("adt", there.port, connections="2"))
    environment = {"FHIR_CHANNELS": str(channels), "FHIR_WORKFLOWS_OFF": "W1"}
    writer, server = _Writer(), start(tmp_path, environment=environment)
    try:
        writer.base_url = server.base_url
        writer.start()
        for seconds in _SECONDS_BETWEEN_KILLS:
            time.sleep(seconds)
            server = _killed(server, tmp_path, environment)
            writer.base_url = server.base_url
        time.sleep(1)
        writer.stopped.set()
        writer.join(30)
        _until_all_came(there, writer)
    finally:
        server.stop()
        _forget(server)
        there.close()
    _check(there, writer)


def _killed(server: ServerProcess, folder: Path, environment: dict[str, str]) -> ServerProcess:
    server.kill()
    _forget(server)
    return start(folder, environment=environment)


def _forget(server: ServerProcess) -> None:
    assert server.process.stdout is not None
    server.process.stdout.close()


def _until_all_came(there: Receiver, writer: _Writer) -> None:
    """Wait until all that was acknowledged has come; a busy machine takes its time over it."""
    wanted = {(patient, born) for patient, listed in writer.acknowledged.items() for born in listed}
    until = time.monotonic() + 180
    while time.monotonic() < until:
        came = {
            (hospital_number(one), pid.get(7)) for one in list(there.received) if (pid := one.first("PID"))
        }
        if wanted <= came:
            return
        time.sleep(0.5)


def _check(there: Receiver, writer: _Writer) -> None:
    by_id: dict[str, set[bytes]] = {}
    arrived: dict[str, list[str]] = {}
    for one in there.received:
        is_new = one.header.control_id not in by_id
        by_id.setdefault(one.header.control_id, set()).add(one.data)
        pid = one.first("PID")
        assert pid is not None
        if is_new:
            arrived.setdefault(hospital_number(one), []).append(pid.get(7))
    assert all(len(texts) == 1 for texts in by_id.values()), "one MSH-10 has several texts"
    assert sum(map(len, writer.acknowledged.values())) > _PATIENTS
    for patient, changes in writer.acknowledged.items():
        # One that was stored and not acknowledged may be among them.
        came = arrived[patient]
        assert sorted(came) == came
        assert set(changes) <= set(came), patient
        assert len(set(came)) == len(came), "a change was told by two messages"
