"""What /health, /ready and /metrics tell, and to whom."""

import os
import re
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from fhir_server.settings import Settings
from tests.fhir_server.conftest import running_server
from tests.fhir_server.faults.server_process import running, worker_pids


def metrics_of(origin: str, **headers: str) -> dict[str, float]:
    """Return each sample that /metrics tells, by its name and labels."""
    answer = httpx.get(f"{origin}/metrics", headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = [line for line in answer.text.splitlines() if line and not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


@pytest.mark.workflow("0-21")
@pytest.mark.parametrize("path", ["/health", "/health/live", "/ready", "/health/ready"])
def test_health_is_told_to_everybody(client: httpx.Client, base_url: str, path: str) -> None:
    """The machines that look after the server ask without a token."""
    answer = client.get(base_url.removesuffix("/fhir") + path)
    assert answer.status_code == 200
    assert answer.json()["status"] == "up"


@pytest.mark.workflow("0-21", "0-45")
def test_requests_are_counted_without_saying_of_whom(client: httpx.Client, base_url: str) -> None:
    """By interaction, type and status; what a client makes up is no label."""
    origin = base_url.removesuffix("/fhir")
    before = metrics_of(origin)
    patient = {"resourceType": "Patient", "id": "secret-id", "name": [{"family": "Secretname"}]}
    assert client.put("/Patient/secret-id", json=patient).status_code == 201
    assert client.get("/Patient/secret-id").status_code == 200
    assert client.get("/Patient?family=Secretname").status_code == 200
    assert client.get("/Invented/secret-id").status_code == 404
    after = metrics_of(origin)

    def grown(name: str) -> float:
        return after.get(name, 0) - before.get(name, 0)

    assert grown('fhir_requests_total{interaction="read",status="200",type="Patient"}') == 1
    assert grown('fhir_requests_total{interaction="search-type",status="200",type="Patient"}') == 1
    assert grown('fhir_request_seconds_count{interaction="read"}') >= 1
    assert grown('fhir_request_seconds_bucket{interaction="read",le="+Inf"}') >= 1
    assert after["fhir_open_transactions"] == 0
    text = httpx.get(f"{origin}/metrics").text
    assert "secret" not in text.lower()
    assert "Invented" not in text
    labels = set(re.findall(r'(\w+)="', text))
    assert labels <= {
        *("interaction", "status", "type", "le", "rule", "state", "name", "of"),
        *("channel", "code", "destination", "result"),
    }


def test_the_agenda_is_told_of(base_url: str) -> None:
    """How much is due, planned and parked, of it what is to be sent; and how late it is."""
    found = metrics_of(base_url.removesuffix("/fhir"))
    for name in ("fhir_agenda_entries", "fhir_outbox_messages"):
        assert {f'{name}{{state="{state}"}}' for state in ("due", "planned", "parked")} <= found.keys()
    assert found['fhir_agenda_lag_seconds{of="agenda"}'] == 0
    assert found['fhir_database_up{name="mongodb"}'] == 1


def test_metrics_are_for_this_machine(base_url: str) -> None:
    """Who asks through a proxy, or by another name, is nobody of this machine."""
    address = base_url.removesuffix("/fhir") + "/metrics"
    for headers in ({"x-forwarded-for": "203.0.113.9"}, {"forwarded": "for=203.0.113.9"}):
        assert httpx.get(address, headers=headers).status_code == 401


def test_metrics_are_for_those_with_the_token(settings: Settings) -> None:
    """Where there is a token nobody comes in without it."""
    guarded = settings.model_copy(update={"metrics_token": SecretStr("right")})
    with running_server(guarded) as url:
        origin = url.removesuffix("/fhir")
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "right"}):
            answer = httpx.get(f"{origin}/metrics", headers=headers)
            assert answer.status_code == 401
            assert "fhir_" not in answer.text
        assert metrics_of(origin, authorization="Bearer right")


def test_refusals_are_counted_by_rule(settings: Settings) -> None:
    """Each change that a rule refuses is counted, under the rule's own name."""
    with running_server(settings.model_copy(update={"workflows_off": None})) as url:
        origin = url.removesuffix("/fhir")
        name = 'fhir_rule_refusals_total{rule="W14.request-recipient"}'
        before = metrics_of(origin).get(name, 0)
        wrong = {"resourceType": "CommunicationRequest", "status": "active"}
        headers = {"content-type": "application/fhir+json"}
        for _ in range(2):
            answer = httpx.post(f"{url}/CommunicationRequest", json=wrong, headers=headers)
            assert answer.status_code == 422
        assert metrics_of(origin)[name] - before == 2


@pytest.mark.workflow("2-15", "0-21")
def test_all_processes_are_told_of_by_each(tmp_path: Path) -> None:
    """Of two processes each answers for both, also for one that was killed and replaced."""
    with running(tmp_path, workers=2, environment={"FHIR_AUTH": "off"}) as server:
        origin = server.base_url.removesuffix("/fhir")
        name = 'fhir_requests_total{interaction="read",status="404",type="Patient"}'

        def read(times: int) -> None:
            for _ in range(times):  # each in a connection of its own, so that both processes get some
                with pytest.raises(urllib.error.HTTPError):
                    urllib.request.urlopen(f"{server.base_url}/Patient/none", timeout=30)

        read(30)
        assert {metrics_of(origin)[name] for _ in range(10)} == {30}
        killed = worker_pids(server)[0]
        signal_to(killed)
        give_up = time.monotonic() + 60
        while killed in worker_pids(server) or len(worker_pids(server)) < 2:
            assert time.monotonic() < give_up
        read(5)
        assert {metrics_of(origin)[name] for _ in range(10)} == {35}


def signal_to(pid: int) -> None:
    """Kill a process."""

    os.kill(pid, signal.SIGKILL)
