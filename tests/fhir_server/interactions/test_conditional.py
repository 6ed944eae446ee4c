"""Conditional update and delete (https://hl7.org/fhir/R4/http.html#cond-update, #cdelete)."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from fhir_server.settings import Settings
from tests.fhir_server.conftest import running_server


def patient(value: str, resource_id: str | None = None, **elements: Any) -> dict[str, Any]:
    """Return a Patient with an identifier."""
    resource = {"resourceType": "Patient", "identifier": [{"system": "urn:c", "value": value}], **elements}
    return resource if resource_id is None else {**resource, "id": resource_id}


def criteria(value: str) -> str:
    """Return the address of the patients with an identifier."""
    return f"/Patient?identifier=urn:c|{value}"


@pytest.mark.feature("http.conditional.update")
def test_no_match_creates_and_one_match_updates(client: httpx.Client) -> None:
    """Without a match the server gives an id; with one the match has a new version."""
    first = client.put(criteria("cu1"), json=patient("cu1"))
    second = client.put(criteria("cu1"), json=patient("cu1", active=True))
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    assert second.json()["meta"]["versionId"] == "2"


def test_no_match_creates_under_the_id_that_was_sent(client: httpx.Client) -> None:
    """The resource's own id is where it is created."""
    answer = client.put(criteria("cu2"), json=patient("cu2", "cu2-own"))
    assert (answer.status_code, answer.json()["id"]) == (201, "cu2-own")


def test_an_id_that_is_taken_is_not_overwritten(client: httpx.Client) -> None:
    """A resource that does not meet the criteria is another one, whatever its id."""
    client.put("/Patient/cu3", json=patient("other", "cu3"))
    answer = client.put(criteria("cu3"), json=patient("cu3", "cu3"))
    assert answer.status_code == 412
    assert client.get("/Patient/cu3").json()["meta"]["versionId"] == "1"


def test_a_match_with_another_id_is_refused(client: httpx.Client) -> None:
    """https://hl7.org/fhir/R4/http.html#cond-update: one match, other id: 400."""
    client.put("/Patient/cu4", json=patient("cu4", "cu4"))
    assert client.put(criteria("cu4"), json=patient("cu4", "cu4-other")).status_code == 400


@pytest.mark.feature("http.conditional.update")
def test_several_matches_are_refused(client: httpx.Client) -> None:
    """Neither an update nor a single delete picks one of several."""
    for _ in range(2):
        client.post("/Patient", json=patient("cu5"))
    assert client.put(criteria("cu5"), json=patient("cu5")).status_code == 412
    assert client.delete(criteria("cu5")).status_code == 412
    assert client.get(criteria("cu5")).json()["total"] == 2


@pytest.mark.parametrize("query", ["", "?", "?_format=json", "?_count=1", "?nonsense=1", "?identifier="])
def test_conditions_that_say_nothing_are_refused(client: httpx.Client, query: str) -> None:
    """An update or delete of just anything is never meant."""
    assert client.put(f"/Patient{query}", json=patient("x")).status_code == 400
    assert client.delete(f"/Patient{query}").status_code == 400


def test_a_stale_version_is_refused(client: httpx.Client) -> None:
    """If-Match holds for the match as well."""
    client.put("/Patient/cu6", json=patient("cu6", "cu6"))
    stale = {"if-match": 'W/"7"'}
    assert client.put(criteria("cu6"), json=patient("cu6"), headers=stale).status_code == 412
    assert client.delete(criteria("cu6"), headers=stale).status_code == 412
    assert client.get("/Patient/cu6").json()["meta"]["versionId"] == "1"


@pytest.mark.feature("http.conditional.concurrent")
def test_simultaneous_conditional_updates_make_one_resource(base_url: str, client: httpx.Client) -> None:
    """Of twenty at once one creates, and nineteen update what it created."""

    async def race() -> list[int]:
        headers = {"content-type": "application/fhir+json"}
        async with httpx.AsyncClient(headers=headers, timeout=60) as http:
            calls = [http.put(base_url + criteria("cu7"), json=patient("cu7")) for _ in range(20)]
            return [answer.status_code for answer in await asyncio.gather(*calls)]

    assert sorted(asyncio.run(race())) == [200] * 19 + [201]
    assert client.get(criteria("cu7")).json()["total"] == 1


@pytest.mark.feature("http.conditional.delete")
def test_conditional_delete_of_one_and_of_none(client: httpx.Client) -> None:
    """The match is deleted; if nothing matches there is nothing to do."""
    client.put("/Patient/cd1", json=patient("cd1", "cd1"))
    assert [client.delete(criteria("cd1")).status_code for _ in range(2)] == [204, 204]
    assert client.get("/Patient/cd1").status_code == 410


@pytest.mark.feature("http.transaction.conditional")
def test_conditions_in_a_transaction(client: httpx.Client) -> None:
    """Links lead to what a conditional update creates or finds; a conditional delete takes part."""
    client.put("/Patient/ct-old", json=patient("ct-old", "ct-old"))
    full_url = "urn:uuid:8f5f4a6c-1111-4b0e-9d6a-00000000000c"
    basic = {"resourceType": "Basic", "code": {"text": "x"}, "subject": {"reference": full_url}}
    entries = [
        {
            "fullUrl": full_url,
            "resource": patient("ct"),
            "request": {"method": "PUT", "url": "Patient?identifier=urn:c|ct"},
        },
        {"resource": basic, "request": {"method": "POST", "url": "Basic"}},
        {"request": {"method": "DELETE", "url": "Patient?identifier=urn:c|ct-old"}},
        {"request": {"method": "DELETE", "url": "Patient?identifier=urn:c|ct-none"}},
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    subjects = set()
    for statuses in (["201", "201", "204", "204"], ["200", "201", "204", "204"]):
        answer = client.post("", json=bundle)
        assert answer.status_code == 200, answer.text
        assert [entry["response"]["status"][:3] for entry in answer.json()["entry"]] == statuses
        stored = client.get(answer.json()["entry"][1]["response"]["location"]).json()
        subjects.add(stored["subject"]["reference"])
    assert subjects == {f"Patient/{client.get(criteria('ct')).json()['entry'][0]['resource']['id']}"}
    assert client.get("/Patient/ct-old").status_code == 410


@pytest.fixture(scope="module")
def generous(settings: Settings) -> Iterator[httpx.Client]:
    """A client of a server that deletes several at once."""
    with (
        running_server(settings.model_copy(update={"conditional_delete": "multiple"})) as url,
        httpx.Client(base_url=url, headers={"content-type": "application/fhir+json"}) as http,
    ):
        yield http


@pytest.mark.feature("http.conditional.delete.multiple")
def test_several_are_deleted_where_the_settings_say_so(generous: httpx.Client) -> None:
    """FHIR_CONDITIONAL_DELETE=multiple deletes all matches, and the CapabilityStatement says so."""
    for _ in range(3):
        generous.post("/Patient", json=patient("cd2"))
    assert generous.delete(criteria("cd2")).status_code == 204
    assert generous.get(criteria("cd2")).json()["total"] == 0
    resource = generous.get("/metadata").json()["rest"][0]["resource"][0]
    assert resource["conditionalDelete"] == "multiple"
