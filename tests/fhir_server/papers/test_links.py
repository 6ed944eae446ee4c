"""Links to papers, and the codes on them: what they open and tell, and that others open nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from fhir_server.asynchronous.jobs import Jobs
from fhir_server.context import Context
from fhir_server.identifiers import new_id
from fhir_server.papers.filing import filed
from fhir_server.papers.links import code_of, link_to
from fhir_server.papers.paper import Paper
from fhir_server.routes import match
from fhir_server.settings import Settings
from fhir_server.store import open_store
from tests.fhir_server.conftest import running_server

Resource = dict[str, Any]

PAPER = Paper("Prescription", ("Hospital",), "RX-1", ())
KIND = {"coding": [{"system": "http://loinc.org", "code": "57833-6"}], "text": "Prescription for medication"}
NOPAT = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "NOPAT"}


@pytest.fixture(scope="module")
def settings(settings: Settings) -> Settings:
    """Settings of a hospital with an audit log, in which patients are mostly an id."""
    off = "W1.incomplete,W1.duplicate-patient,W1.record-number"
    changes = {"audit": "on", "workflows_off": off, "auth": "off"}
    return settings.model_copy(update=changes)


@pytest.fixture(scope="module")
def base_url(settings: Settings) -> Iterator[str]:
    """The address of a running server."""
    with running_server(settings) as url:
        yield url


def run(settings: Settings, base_url: str, call: Callable[[Context], Awaitable[Any]]) -> Any:
    """Return what `call` gives with a context of the server's own."""

    async def called() -> Any:
        assert settings.mongo_url is not None
        store = open_store(settings, settings.mongo_url)
        jobs = Jobs(store.async_jobs)
        context = Context(base_url, store, settings, lambda: datetime.now(UTC), new_id, match, jobs)
        try:
            return await call(context)
        finally:
            await store.close()

    return asyncio.run(called())


@pytest.fixture
def paper(client: httpx.Client) -> Resource:
    """A paper of the patient `p` on file."""
    for patient in ("p", "q"):
        client.put(f"/Patient/{patient}", json={"resourceType": "Patient", "id": patient})
    about = {"resourceType": "MedicationRequest", "id": new_id(), "meta": {"versionId": "1"}}
    document, binary = filed(
        PAPER,
        b"%PDF-1.4 what is in it",
        about=about,
        kind=KIND,
        subject={"reference": "Patient/p"},
        now=datetime.now(UTC),
    )
    del document["context"]
    for one in (document, binary):
        answer = client.put(f"/{one['resourceType']}/{one['id']}", json=one)
        assert answer.status_code == 201, answer.text
    return document


def link(
    settings: Settings, base_url: str, paper: Resource, patient: str = "Patient/p", hours: float = 1
) -> Any:
    """Return a link to a paper."""
    lasting = timedelta(hours=hours)
    return run(
        settings,
        base_url,
        lambda context: link_to(context, f"DocumentReference/{paper['id']}", patient, lasting),
    )


def _nothing(answer: httpx.Response) -> str:
    assert answer.status_code == 404
    assert b"what is in it" not in answer.content
    return answer.text


@pytest.mark.workflow("0-12", "0-36")
def test_a_link_opens_one_paper_and_that_is_on_record(
    settings: Settings, base_url: str, client: httpx.Client, paper: Resource
) -> None:
    """Nobody keeps it on the way, no other page learns of it, and the patient sees that it was opened."""
    answer = httpx.get(link(settings, base_url, paper))
    assert (answer.status_code, answer.content) == (200, b"%PDF-1.4 what is in it")
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["content-disposition"] == 'inline; filename="Prescription.pdf"'
    binary = paper["content"][0]["attachment"]["url"]
    events = client.get("/AuditEvent", params={"entity": binary, "action": "R"}).json()["entry"]
    assert [one["resource"]["agent"][0]["who"]["identifier"]["value"] for one in events] == ["paper-link"]


@pytest.mark.workflow("0-12", "0-36")
def test_what_is_wrong_with_a_link_is_not_told(
    settings: Settings, base_url: str, client: httpx.Client, paper: Resource
) -> None:
    """Expired, tampered with, of another paper, or of nothing at all: the same page."""
    good = link(settings, base_url, paper)
    head, _, token = good.rpartition("/")
    document, until, signature = token.split("~")
    pages = {
        _nothing(httpx.get(link(settings, base_url, paper, hours=-1))),
        _nothing(httpx.get(f"{head}/{document}~{int(until) + 3600}~{signature}")),
        _nothing(httpx.get(f"{head}/{new_id()}~{until}~{signature}")),
        _nothing(httpx.get(f"{head}/{document}~x~{signature}")),
        _nothing(httpx.get(f"{head}/{document}~{until}~{signature[:-2]}")),
        _nothing(httpx.get(f"{head}/%C3%A9")),
        _nothing(httpx.get(f"{head}/{document}")),
    }
    assert len(pages) == 1
    assert link(settings, base_url, paper, "Patient/q") is None
    client.put(
        f"/DocumentReference/{document}", json={**paper, "subject": {"reference": "Patient/q"}}
    ).raise_for_status()
    assert _nothing(httpx.get(good)) in pages


@pytest.mark.parametrize("change", [{"status": "superseded"}, {"meta": {"security": [NOPAT]}}])
def test_a_paper_that_is_withdrawn_or_withheld_is_not_opened(
    settings: Settings, base_url: str, client: httpx.Client, paper: Resource, change: Resource
) -> None:
    """Whatever links to it there are."""
    good = link(settings, base_url, paper)
    assert httpx.get(good).status_code == 200
    client.put(f"/DocumentReference/{paper['id']}", json={**paper, **change}).raise_for_status()
    _nothing(httpx.get(good))


def test_the_code_on_a_paper_tells_whether_it_is_valid(
    settings: Settings, base_url: str, client: httpx.Client, paper: Resource
) -> None:
    """And kind and date of it, but nothing of the patient; a code that is made up is unknown."""
    code = run(settings, base_url, lambda context: code_of(context, paper["id"]))
    answer = httpx.get(code)
    assert answer.json() == {
        "state": "valid",
        "kind": "Prescription for medication",
        "date": paper["date"][:10],
    }
    assert "is valid" in httpx.get(code, headers={"accept": "text/html"}).text
    client.put(f"/DocumentReference/{paper['id']}", json={**paper, "status": "superseded"})
    assert httpx.get(code).json()["state"] == "superseded"
    made_up = httpx.get(code[:-1] + ("A" if code[-1] != "A" else "B"))
    assert (made_up.status_code, made_up.json()) == (404, {"state": "unknown"})
