"""update, update as create, delete, and the conditions on them (https://hl7.org/fhir/R4/http.html#update)."""

import asyncio
from typing import Any

import httpx
import pytest


def patient(resource_id: str, **elements: Any) -> dict[str, Any]:
    """Return a Patient with the given id and elements."""
    return {"resourceType": "Patient", "id": resource_id, **elements}


@pytest.mark.feature("http.update", "http.update.create")
def test_update_as_create_then_update(client: httpx.Client) -> None:
    """201 with a location for the first version, 200 for the next."""
    first = client.put("/Patient/u1", json=patient("u1"))
    second = client.put("/Patient/u1", json=patient("u1", active=True))
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.headers["location"].endswith("/Patient/u1/_history/1")
    assert second.json()["meta"]["versionId"] == "2"
    assert second.json()["meta"]["lastUpdated"] > first.json()["meta"]["lastUpdated"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"resourceType": "Patient"}, 400),
        ({"resourceType": "Patient", "id": "other"}, 400),
        ({"resourceType": "Group", "id": "u2"}, 400),
    ],
)
@pytest.mark.feature("http.update")
def test_the_body_must_be_of_the_url(client: httpx.Client, body: dict[str, Any], status: int) -> None:
    """Type and id of the resource are those of the URL."""
    assert client.put("/Patient/u2", json=body).status_code == status
    assert client.get("/Patient/u2").status_code == 404


@pytest.mark.parametrize(
    ("if_match", "status"),
    [('W/"1"', 200), ('"1"', 200), ("1", 200), ('W/"2"', 412), ('W/"x"', 412), ("<>", 400)],
)
@pytest.mark.feature("http.update.version-aware")
def test_if_match(client: httpx.Client, if_match: str, status: int) -> None:
    """https://hl7.org/fhir/R4/http.html#concurrency: a stale version is refused."""
    resource_id = f"m{if_match.encode().hex()}"
    client.put(f"/Patient/{resource_id}", json=patient(resource_id))
    headers = {"if-match": if_match}
    answer = client.put(f"/Patient/{resource_id}", json=patient(resource_id), headers=headers)
    assert answer.status_code == status


def test_if_match_on_nothing_is_refused(client: httpx.Client) -> None:
    """A version that must match cannot match where there is none."""
    answer = client.put("/Patient/nothing", json=patient("nothing"), headers={"if-match": 'W/"1"'})
    assert answer.status_code == 412


@pytest.mark.feature("http.update.if-none-match")
def test_if_none_match_star_never_replaces(client: httpx.Client) -> None:
    """If-None-Match: * creates, and refuses to replace."""
    headers = {"if-none-match": "*"}
    assert client.put("/Patient/star", json=patient("star"), headers=headers).status_code == 201
    assert client.put("/Patient/star", json=patient("star"), headers=headers).status_code == 412


@pytest.mark.feature("http.update.if-none-match")
def test_what_must_be_new_goes_on_counting_after_a_deletion(client: httpx.Client) -> None:
    """A deletion is a version: what is created under its id is the one after it."""
    client.put("/Patient/star-again", json=patient("star-again"))
    client.delete("/Patient/star-again")
    again = client.put("/Patient/star-again", json=patient("star-again"), headers={"if-none-match": "*"})
    assert (again.status_code, again.json()["meta"]["versionId"]) == (201, "3")


@pytest.mark.feature("http.update.if-none-match")
def test_one_of_many_who_create_the_same_does(base_url: str, client: httpx.Client) -> None:
    """Sixteen at once want one id that must be new: one gets it, the others are told that it exists."""

    async def race() -> list[int]:
        async with httpx.AsyncClient(timeout=120, headers={"if-none-match": "*"}) as http:
            calls = [http.put(f"{base_url}/Patient/star-race", json=patient("star-race")) for _ in range(16)]
            return sorted(one.status_code for one in await asyncio.gather(*calls))

    assert asyncio.run(race()) == [201] + [412] * 15
    assert client.get("/Patient/star-race").json()["meta"]["versionId"] == "1"


@pytest.mark.feature("http.delete")
def test_deleted_then_revived(client: httpx.Client) -> None:
    """After a delete the address is 410, the history stays, and an update goes on counting."""
    client.put("/Patient/d1", json=patient("d1"))
    assert client.delete("/Patient/d1").status_code == 204
    assert client.get("/Patient/d1").status_code == 410
    assert client.get("/Patient/d1/_history/1").status_code == 200
    assert client.get("/Patient/d1/_history/2").status_code == 410
    revived = client.put("/Patient/d1", json=patient("d1"))
    assert revived.status_code == 201
    assert revived.json()["meta"]["versionId"] == "3"
    assert client.get("/Patient/d1").status_code == 200


def test_deleting_nothing_is_no_error(client: httpx.Client) -> None:
    """A delete of what is unknown, or deleted already, changes nothing and succeeds."""
    client.put("/Patient/d2", json=patient("d2"))
    assert [client.delete("/Patient/d2").status_code for _ in range(2)] == [204, 204]
    assert client.delete("/Patient/never").status_code == 204
    assert len(client.get("/Patient/d2/_history").json()["entry"]) == 2
    assert client.get("/Patient/never").status_code == 404


@pytest.mark.feature("http.delete.version-aware")
def test_delete_with_a_stale_version_is_refused(client: httpx.Client) -> None:
    """If-Match guards deletions as well."""
    client.put("/Patient/d3", json=patient("d3"))
    client.put("/Patient/d3", json=patient("d3", active=True))
    assert client.delete("/Patient/d3", headers={"if-match": 'W/"1"'}).status_code == 412
    assert client.get("/Patient/d3").status_code == 200


@pytest.mark.feature("http.prefer.return")
def test_delete_answers_with_an_outcome_if_preferred(client: httpx.Client) -> None:
    """Prefer: return=OperationOutcome turns 204 into 200 with an outcome."""
    client.put("/Patient/d4", json=patient("d4"))
    answer = client.delete("/Patient/d4", headers={"prefer": "return=OperationOutcome"})
    assert (answer.status_code, answer.json()["resourceType"]) == (200, "OperationOutcome")


def test_simultaneous_updates_lose_nothing(base_url: str, client: httpx.Client) -> None:
    """Thirty updates at once make thirty versions, one after the other."""
    headers = {"content-type": "application/fhir+json"}

    async def storm() -> list[int]:
        async with httpx.AsyncClient(headers=headers, timeout=60) as http:
            answers = await asyncio.gather(
                *(
                    http.put(f"{base_url}/Patient/storm", json=patient("storm", multipleBirthInteger=n))
                    for n in range(30)
                )
            )
        return [int(answer.json()["meta"]["versionId"]) for answer in answers]

    assert sorted(asyncio.run(storm())) == list(range(1, 31))
    entries = client.get("/Patient/storm/_history?_count=100").json()["entry"]
    assert len({entry["resource"]["multipleBirthInteger"] for entry in entries}) == 30


@pytest.mark.feature("http.update.version-aware")
def test_only_one_of_many_with_the_same_if_match_wins(base_url: str, client: httpx.Client) -> None:
    """Of ten writers that saw version 1, one writes version 2 and nine are told."""
    client.put("/Patient/lock", json=patient("lock"))
    headers = {"content-type": "application/fhir+json", "if-match": 'W/"1"'}

    async def race() -> list[int]:
        async with httpx.AsyncClient(headers=headers, timeout=60) as http:
            calls = [http.put(f"{base_url}/Patient/lock", json=patient("lock")) for _ in range(10)]
            return [answer.status_code for answer in await asyncio.gather(*calls)]

    assert sorted(asyncio.run(race())) == [200] + [412] * 9
