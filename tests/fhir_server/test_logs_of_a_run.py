"""A whole run of the server, in which all goes wrong that can: nothing of a patient is in what it writes.

The lines that are written on standard error and standard output are searched for the names, birth dates,
addresses and identifiers of the demo patients, and for secrets.
"""

import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from pymongo import MongoClient

from fhir_server.demo.generation import hospital_parts, today
from fhir_server.secrets_at_rest import new_key
from tests.fhir_server.faults.raw_http import Connection
from tests.fhir_server.faults.server_process import ServerProcess, running

Json = dict[str, Any]

_PATIENTS = 5
# What has numbers or times in it that could be anything, and nothing of a request.
_MACHINE_FIELDS = ("timestamp", "request_id", "milliseconds")
_SECRET_IN_URL = "Zq9SecretOfTheDatabase"


@dataclass(frozen=True, slots=True)
class Run:
    """What was written in a run, who the patients were, and what nobody may know."""

    lines: list[str]
    patients: list[Json]
    secrets: tuple[str, ...]
    statuses: set[int]
    commands: list[str]


def _patients(parts: list[Any]) -> list[Json]:
    resources = (resource for part in parts for resource in part.resources)
    return [resource for resource in resources if resource["resourceType"] == "Patient"]


def _words(patient: Json) -> set[str]:
    """Return what a line must not have in it about a patient."""
    names = [text for name in patient["name"] for text in (*name.get("given", ()), name.get("family", ""))]
    identifiers = [identifier["value"] for identifier in patient.get("identifier", ())]
    contacts = [contact["value"] for contact in patient.get("telecom", ())]
    streets = [line for address in patient.get("address", ()) for line in address.get("line", ())]
    words = {*names, *identifiers, *contacts, *streets, patient["birthDate"]}
    return {form for word in words if len(word) > 2 for form in (word, quote(word))}


def _texts(patient: Json) -> tuple[str, str, str]:
    name = patient["name"][0]
    return name["family"], name["given"][0], patient["identifier"][0]["value"]


def _good(http: httpx.Client, patient: Json) -> Iterator[httpx.Response]:
    """What a client does with a patient who is there."""
    family, given, identifier = _texts(patient)
    by_name: dict[str, str] = {"family": family, "given": given, "birthdate": patient["birthDate"]}
    yield http.get("/Patient", params=by_name)
    yield http.post("/Patient/_search", data=by_name)
    yield http.get("/Patient", params={"identifier": identifier, "_revinclude": "*"})
    yield http.get("/Observation", params={"patient.name": family, "_count": "3"})
    yield http.get(f"/Patient/{patient['id']}/_history")
    yield http.get(f"/Patient/{patient['id']}/$everything")
    yield http.get("/Patient", params=by_name, headers={"prefer": "respond-async"})
    yield http.put(f"/Patient/{patient['id']}", json={**patient, "active": False})


def _bad(http: httpx.Client, patient: Json) -> Iterator[httpx.Response]:
    """What is refused, with the patient's data in each place where data can stand."""
    family, given, identifier = _texts(patient)
    birth = patient["birthDate"]
    yield http.get(f"/Patient/{family}%20{given}")
    yield http.get(f"/{family}/{identifier}")
    yield http.get(f"/Patient/{identifier}/${family}")
    yield http.get("/Patient", params={family: given})
    yield http.get("/Patient", params={"birthdate": f"{birth}-{family}", "_sort": given})
    yield http.get("/Patient", params={"_filter": f"name eq {family} or ("})
    yield http.get("/Patient", params={"_format": family}, headers={b"accept": given.encode()})
    yield http.get("/Patient", params={"name:contains": f"{family}\x00"})
    yield http.put(f"/Patient/{family}", json=patient)
    yield http.post("/Patient", json={**patient, "birthDate": f"{birth} {family}", given: identifier})
    yield http.post("/Patient", json={**patient, "gender": family})
    yield http.post("/Patient", json=patient, headers={b"if-none-exist": f"name={family}".encode()})
    yield http.post("/Patient", json=patient, headers={b"if-none-exist": f"{family}={given}".encode()})
    yield http.post("/Patient", content=f'{{"resourceType":"Patient","name":[{{"family":"{family}"'.encode())
    yield http.post("/Patient", content=b"\xff" + f"{family} {identifier}".encode())
    yield http.post("/Patient", content=patient["id"], headers={b"content-type": f"text/{given}".encode()})
    xml = f'<Patient xmlns="http://hl7.org/fhir"><name><family value="{family}"/><{given}/></name>'
    yield http.post("/Patient", content=xml.encode(), headers={"content-type": "application/fhir+xml"})
    change = [{"op": "replace", "path": f"/{family}", "value": given}]
    patch = {"content-type": "application/json-patch+json"}
    yield http.patch(f"/Patient/{patient['id']}", content=json.dumps(change), headers=patch)
    yield http.post("/$graphql", json={"query": f'{{ PatientList(name: "{family}") {{ {given} }} }}'})
    full_name = f"{family} {given}".encode()
    yield http.get("/Patient", headers={b"x-request-id": full_name, b"host": full_name})
    yield http.delete("/Patient", params={"name": family})
    entry = {
        "resource": {**patient, "gender": family},
        "request": {"method": "POST", "url": f"{given}?x={birth}"},
    }
    for kind in ("batch", "transaction"):
        yield http.post("", json={"resourceType": "Bundle", "type": kind, "entry": [entry]})


def _broken(http: httpx.Client, database: Any, patient: Json) -> Iterator[httpx.Response]:
    """What fails in the server itself, on what somebody else did to its database."""
    family, given, _ = _texts(patient)
    database.Patient.update_many({}, {"$set": {"version": family, "resource": {family: given, "x": [given]}}})
    database.Patient.insert_one({"_id": "damaged", family: given})
    for search in ("/Patient/damaged", f"/Patient/{patient['id']}", f"/Patient?name={family}", "/Patient"):
        yield http.get(search)
    yield http.get(f"/Patient/{patient['id']}/$everything")
    yield http.put(f"/Patient/{patient['id']}", json=patient)
    yield http.get("/Observation", params={"_include": "*", "patient": patient["id"]})


def _no_http(port: int, patient: Json) -> None:
    family, given, identifier = _texts(patient)
    for sent in (
        f"GET /fhir/Patient?name={family} HTTP/9.9\r\n{given}\r\n\r\n",
        f"GET /fhir/Patient?name={family} {given} HTTP/1.1\r\n\r\n",
        f"{family} {given} {identifier}\r\n\r\n",
        f"GET /fhir/Patient?name={family} HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: {given}\r\n\r\n",
    ):
        with Connection(port) as connection:
            connection.send([sent.encode()])
            connection.answer()


def _commands(server: ServerProcess) -> list[str]:
    """Return the command lines of the server's processes, as every user of the machine sees them."""
    lines = []
    for folder in Path("/proc").iterdir():
        try:
            status, line = (folder / "status").read_text(), (folder / "cmdline").read_text()
        except OSError:
            continue
        if folder.name == str(server.pid) or f"\nPPid:\t{server.pid}\n" in status:
            lines.append(line)
    return lines


@pytest.fixture(scope="module")
def run(mongo_url: str, mongo_client: MongoClient[Json], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of two processes that log all they ever log."""
    folder, name, key = tmp_path_factory.mktemp("run"), f"logs-{uuid.uuid4().hex[:12]}", new_key()
    (folder / "url").write_text(f"{mongo_url}&appName={_SECRET_IN_URL}")
    environment = {
        "FHIR_MONGO_URL_FILE": str(folder / "url"),
        "FHIR_DATABASE": name,
        "FHIR_ENCRYPTION_KEY": key,
        "FHIR_LOG_LEVEL": "debug",
        "FHIR_LOG_FORMAT": "json",
    }
    parts = hospital_parts(today(), patients=_PATIENTS)
    patients, statuses = _patients(parts), set()
    with running(folder, workers=2, environment=environment) as server:
        headers = {"content-type": "application/fhir+json"}
        with httpx.Client(base_url=server.base_url, headers=headers, timeout=60) as http:
            for patient in patients:
                statuses.add(http.put(f"/Patient/{patient['id']}", json=patient).status_code)
            for patient in patients:
                statuses |= {answer.status_code for answer in (*_good(http, patient), *_bad(http, patient))}
                _no_http(server.port, patient)
            broken = _broken(http, mongo_client[name], patients[0])
            statuses |= {answer.status_code for answer in broken}
        commands = _commands(server)
        server.stop()
        assert server.process.stdout is not None
        printed = server.process.stdout.read().decode()
    mongo_client.drop_database(name)
    lines = [*server.log.read_text().splitlines(), *printed.splitlines()]
    return Run(lines, patients, (key, _SECRET_IN_URL), statuses, commands)


def test_everything_went_wrong(run: Run) -> None:
    """The run is worth searching: it has successes, refusals and failures in it, all of them logged."""
    assert {200, 201, 202, 400, 404, 415, 422, 500} <= run.statuses
    events = [json.loads(line) for line in run.lines if line.startswith("{")]
    logged = {event["status"] for event in events if event["event"] == "request"}
    assert run.statuses <= logged
    assert any("exception" in event for event in events)
    assert len(events) > 100


def test_no_line_tells_of_a_patient(run: Run) -> None:
    """No name, birth date, address, telephone number or identifier stands in any line."""
    words = set().union(*(_words(patient) for patient in run.patients))
    assert len(words) > 5 * _PATIENTS
    searched = re.compile("|".join(rf"\b{re.escape(word)}\b" for word in sorted(words)), re.IGNORECASE)
    told = [(found[0], line) for line in run.lines if (found := searched.search(_told(line)))]
    assert not told, told[:5]


def _told(line: str) -> str:
    if not line.startswith("{"):
        return line
    event = json.loads(line)
    told = {name: value for name, value in event.items() if name not in _MACHINE_FIELDS}
    return json.dumps(told, ensure_ascii=False)


def test_no_line_tells_a_secret(run: Run) -> None:
    """Nor does one quote a key, or the address of the database with what is secret in it."""
    for secret in run.secrets:
        assert not [line for line in run.lines if secret in line]


def test_no_command_line_tells_a_secret(run: Run) -> None:
    """The workers get their settings in a way that `ps` does not show."""
    assert len(run.commands) >= 3
    for secret in run.secrets:
        assert not [command for command in run.commands if secret in command]
