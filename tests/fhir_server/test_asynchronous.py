"""Requests that the client does not wait for (https://hl7.org/fhir/R4/async.html)."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from pymongo import MongoClient
from pymongo.database import Database

from fhir_server.asynchronous.jobs import Jobs
from fhir_server.context import Context, Request, Response, Route
from fhir_server.settings import Settings
from fhir_server.store import Store, open_store
from resources import json_format, xml_format
from resources.validation import validate
from tests.fhir_server.conftest import running_server

ASYNC = {"prefer": "respond-async"}
pytestmark = pytest.mark.feature("http.async")


@pytest.fixture(scope="module")
def settings(settings: Settings) -> Settings:
    """Settings under which a client may have three requests under way."""
    return settings.model_copy(update={"max_async_jobs": 3})


@pytest.fixture(autouse=True, scope="module")
def patients(client: httpx.Client) -> None:
    """Five patients, and an observation of one of them."""
    for number in range(5):
        body = {"resourceType": "Patient", "id": f"a{number}", "active": True}
        client.put(f"/Patient/a{number}", json=body).raise_for_status()
    observation = {
        "resourceType": "Observation",
        "id": "o",
        "status": "final",
        "code": {"text": "invented"},
        "subject": {"reference": "Patient/a1"},
    }
    client.put("/Observation/o", json=observation).raise_for_status()


@pytest.fixture(scope="module")
def database(settings: Settings) -> Iterator[Database[dict[str, Any]]]:
    """The database behind the server."""
    with MongoClient[dict[str, Any]](str(settings.mongo_url), tz_aware=True) as mongo:
        yield mongo[settings.database]


@pytest.fixture(autouse=True)
def _no_jobs(database: Database[dict[str, Any]]) -> None:
    """Each test begins without jobs."""
    database["async_jobs"].delete_many({})


def started(answer: httpx.Response) -> str:
    """Check that a request was taken; return the address at which it is asked after."""
    assert answer.status_code == 202, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"
    address = answer.headers["content-location"]
    assert address.startswith(str(answer.url.copy_with(path="/fhir/_async", query=None)))
    return str(address)


def waited_for(client: httpx.Client, address: str, **headers: str) -> httpx.Response:
    """Ask until the request is answered."""
    for _ in range(3000):
        answer = client.get(address, headers=headers)
        if answer.status_code != 202:
            return answer
        assert answer.headers["x-progress"]
        assert answer.headers["retry-after"] == "1"
    raise AssertionError("the request was not answered")


def entry_of(answer: httpx.Response) -> dict[str, Any]:
    """Return the one entry of the Bundle that tells of a request."""
    assert answer.status_code == 200
    bundle = answer.json()
    assert bundle["type"] == "batch-response"
    assert validate(bundle) == []
    [entry] = bundle["entry"]
    return dict(entry)


@pytest.mark.parametrize(
    ("method", "path", "form", "resource_type"),
    [
        ("GET", "/Patient?active=true&_sort=_id&_count=2", None, "Bundle"),
        ("POST", "/Patient/_search", {"active": "true", "_sort": "_id", "_count": "2"}, "Bundle"),
        ("GET", "?_type=Patient,Observation&_id=a1", None, "Bundle"),
        ("GET", "/Patient/a1/Observation", None, "Bundle"),
        ("GET", "/Patient/a1/*", None, "Bundle"),
        ("GET", "/Patient/a1/$everything", None, "Bundle"),
        ("GET", "/Patient/a1/$meta", None, "Parameters"),
    ],
)
def test_the_answer_is_that_of_the_request(
    client: httpx.Client, method: str, path: str, form: dict[str, str] | None, resource_type: str
) -> None:
    """What is fetched later is what would have been answered at once, in a batch-response of one entry."""
    expected = client.request(method, path, data=form, headers=_form_headers(form)).json()
    address = started(client.request(method, path, data=form, headers={**ASYNC, **_form_headers(form)}))
    answer = waited_for(client, address)
    entry = entry_of(answer)
    assert entry["response"]["status"] == "200 OK"
    assert entry["resource"]["resourceType"] == resource_type
    assert _without_times(entry["resource"]) == _without_times(expected)
    assert datetime.strptime(answer.headers["expires"], "%a, %d %b %Y %H:%M:%S GMT").year >= 2026
    assert entry_of(client.get(address)) == entry


def _form_headers(form: dict[str, str] | None) -> dict[str, str]:
    return {} if form is None else {"content-type": "application/x-www-form-urlencoded"}


def _without_times(resource: dict[str, Any]) -> dict[str, Any]:
    # Page links may be sealed anew each time; what they lead to is compared in another test.
    return {key: value for key, value in resource.items() if key not in ("link", "id", "timestamp", "meta")}


def test_large_results_come_in_pages(client: httpx.Client) -> None:
    """The page links of a search are those of any search."""
    address = started(client.get("/Patient?_sort=_id&_count=2", headers=ASYNC))
    bundle = entry_of(waited_for(client, address))["resource"]
    found = [entry["resource"]["id"] for entry in bundle["entry"]]
    while following := [link["url"] for link in bundle["link"] if link["relation"] == "next"]:
        bundle = client.get(following[0]).json()
        found += [entry["resource"]["id"] for entry in bundle["entry"]]
    assert found == [f"a{number}" for number in range(5)]


def test_the_answer_may_be_fetched_in_xml(client: httpx.Client) -> None:
    """The format is that of the request that fetches it."""
    address = started(client.get("/Patient?_id=a1", headers=ASYNC))
    in_xml = waited_for(client, address, accept="application/fhir+xml")
    assert xml_format.parse(in_xml.content) == json_format.parse(client.get(address).content)


@pytest.mark.parametrize("query", ["nonsense=1", "birthdate=x", "_outputFormat=ndjson"])
def test_what_is_wrong_at_once_is_told_at_once(
    client: httpx.Client, database: Database[dict[str, Any]], query: str
) -> None:
    """A request that cannot be carried out is refused like any other, and nothing is kept of it."""
    answer = client.get(f"/Patient?{query}", headers=ASYNC)
    assert (answer.status_code, answer.json()["resourceType"]) == (400, "OperationOutcome")
    assert database["async_jobs"].count_documents({}) == 0


def test_lenience_is_kept(client: httpx.Client) -> None:
    """The other preferences count as they do without this one."""
    headers = {"prefer": "handling=lenient, respond-async"}
    address = started(client.get("/Patient?nonsense=1&_id=a1", headers=headers))
    assert len(entry_of(waited_for(client, address))["resource"]["entry"]) == 2


def test_writes_are_carried_out_at_once(client: httpx.Client) -> None:
    """A preference that cannot be followed is passed over (RFC 7240): only what reads may wait."""
    body = {"resourceType": "Patient", "id": "a1", "active": True}
    assert client.put("/Patient/a1", json=body, headers=ASYNC).status_code == 200
    assert client.get("/Patient/a1", headers=ASYNC).json()["id"] == "a1"


def test_the_address_says_nothing(client: httpx.Client) -> None:
    """It cannot be guessed, and holds nothing of what was asked."""
    addresses = [started(client.get("/Patient?_id=a1", headers=ASYNC)) for _ in range(3)]
    names = {address.rpartition("/")[2] for address in addresses}
    assert len(names) == 3
    assert all(
        len(name) == 32 and "a1" not in address.partition("?")[2] for name in names for address in names
    )


@pytest.mark.parametrize("name", ["x", "x" * 32, "%00", "{job}"])
def test_unknown_requests_are_not_found(client: httpx.Client, name: str) -> None:
    """404 for what was never asked."""
    assert client.get(f"/_async/{name}").status_code in (400, 404)
    assert client.delete(f"/_async/{name}").status_code in (400, 404)
    assert client.get("/_async").status_code == 404


@pytest.mark.feature("http.async.cancel")
def test_cancelling(client: httpx.Client, database: Database[dict[str, Any]]) -> None:
    """DELETE is answered 202; afterwards there is nothing at the address, nor in the database."""
    address = started(client.get("/Patient?_id=a1", headers=ASYNC))
    waited_for(client, address)
    assert client.delete(address).status_code == 202
    assert client.get(address).status_code == 404
    assert client.delete(address).status_code == 404
    assert database["async_results"].count_documents({"job": address.rpartition("/")[2]}) == 0


def under_way(database: Database[dict[str, Any]], number: int, **values: Any) -> dict[str, Any]:
    """Put a job into the database that another process has begun; return it."""
    now = datetime.now(UTC)
    asked = {"method": "GET", "path": ["Patient"], "query": [["_id", "a1"]], "body": None, "lenient": False}
    job = {
        "_id": f"job-{number}",
        "client": "127.0.0.1",
        "request": json_format.dumps({**asked, "base_url": "http://elsewhere/fhir"}),
        "created": now,
        "expires": now + timedelta(hours=1),
        "owner": "another",
        "lease": now + timedelta(hours=1),
        "attempts": 1,
        "chunks": None,
        **values,
    }
    database["async_jobs"].insert_one(job)
    return job


def test_any_process_tells_of_a_request(client: httpx.Client, settings: Settings) -> None:
    """Another server on the same database answers for it, and may cancel it."""
    address = started(client.get("/Patient?_id=a1", headers=ASYNC))
    with running_server(settings) as url, httpx.Client() as http:
        elsewhere = f"{url}/_async/{address.rpartition('/')[2]}"
        assert entry_of(waited_for(http, elsewhere)) == entry_of(waited_for(client, address))
        assert http.delete(elsewhere).status_code == 202
    assert client.get(address).status_code == 404


def test_a_request_under_way_is_left_to_its_process(
    client: httpx.Client, database: Database[dict[str, Any]]
) -> None:
    """As long as its lease holds."""
    under_way(database, 1)
    for _ in range(3):
        assert client.get("/_async/job-1").status_code == 202
    found = database["async_jobs"].find_one({"_id": "job-1"})
    assert found is not None
    assert (found["owner"], found["attempts"]) == ("another", 1)


def test_an_interrupted_request_is_taken_up_again(
    client: httpx.Client, database: Database[dict[str, Any]]
) -> None:
    """One whose process is gone is carried out by whoever is asked after it."""
    under_way(database, 2, lease=datetime.now(UTC) - timedelta(seconds=1))
    assert client.get("/_async/job-2").status_code == 202
    bundle = entry_of(waited_for(client, "/_async/job-2"))["resource"]
    assert [entry["fullUrl"] for entry in bundle["entry"]] == ["http://elsewhere/fhir/Patient/a1"]


def test_a_request_that_is_interrupted_always_is_given_up(
    client: httpx.Client, database: Database[dict[str, Any]]
) -> None:
    """What brings down each process that works on it is told as failed."""
    under_way(database, 3, lease=datetime.now(UTC) - timedelta(seconds=1), attempts=3)
    response = entry_of(waited_for(client, "/_async/job-3"))["response"]
    assert response["status"] == "500 Internal Server Error"
    assert "interrupted" in response["outcome"]["issue"][0]["diagnostics"]


def test_a_request_that_fails_later_says_so_in_its_entry(
    client: httpx.Client, database: Database[dict[str, Any]]
) -> None:
    """The entry has the status and the outcome that the request would have been answered with."""
    asked = {"method": "GET", "path": ["Patient"], "query": [["nonsense", "1"]], "body": None}
    request = json_format.dumps({**asked, "lenient": False, "base_url": "http://elsewhere/fhir"})
    under_way(database, 4, lease=datetime.now(UTC) - timedelta(seconds=1), request=request)
    response = entry_of(waited_for(client, "/_async/job-4"))["response"]
    assert response["status"] == "400 Bad Request"
    assert response["outcome"]["issue"][0]["code"] == "not-supported"


def test_expired_answers_are_gone(client: httpx.Client, database: Database[dict[str, Any]]) -> None:
    """Answers are kept for an hour; MongoDB removes them after it, and they are not given out before that."""
    address = started(client.get("/Patient?_id=a1", headers=ASYNC))
    expires = datetime.strptime(
        waited_for(client, address).headers["expires"], "%a, %d %b %Y %H:%M:%S GMT"
    ).replace(tzinfo=UTC)
    assert timedelta(minutes=59) < expires - datetime.now(UTC) <= timedelta(hours=1)
    past = {"$set": {"expires": datetime.now(UTC) - timedelta(seconds=1)}}
    database["async_jobs"].update_one({"_id": address.rpartition("/")[2]}, past)
    assert client.get(address).status_code == 404
    for name in ("async_jobs", "async_results"):
        assert database[name].index_information()["expires"]["expireAfterSeconds"] == 0


def test_one_client_cannot_have_any_number_under_way(
    client: httpx.Client, database: Database[dict[str, Any]]
) -> None:
    """429 with Retry-After above the number that the settings allow; other clients are not concerned."""
    for number in range(10, 13):
        under_way(database, number)
    answer = client.get("/Patient?_id=a1", headers=ASYNC)
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (429, "throttled")
    assert int(answer.headers["retry-after"]) > 0
    database["async_jobs"].update_one({"_id": "job-10"}, {"$set": {"client": "192.0.2.1"}})
    started(client.get("/Patient?_id=a1", headers=ASYNC))


def _context(store: Store, settings: Settings, jobs: Jobs, route: Route) -> Context:
    return Context(
        base_url="http://test/fhir",
        store=store,
        settings=settings,
        now=lambda: datetime.now(UTC),
        new_id=lambda: "unused",
        match=lambda _request: route,
        jobs=jobs,
        client="test",
    )


def test_a_process_that_stops_hands_over_its_requests(settings: Settings) -> None:
    """The lease ends with the process, the work is cancelled, and the next one begins it anew."""
    begun: list[str] = []

    async def story() -> Response:
        store = open_store(settings, str(settings.mongo_url))
        first, second = Jobs(store.async_jobs), Jobs(store.async_jobs)

        async def endless(_request: Request, _context: Context) -> Response:
            begun.append("endless")
            await asyncio.Event().wait()
            raise AssertionError("nobody sets it")

        async def quick(_request: Request, _context: Context) -> Response:
            begun.append("quick")
            return Response(200, {"resourceType": "Basic", "id": "x", "code": {"text": "x"}})

        waiting = _context(store, settings, first, Route("search-type", endless, may_wait=True))
        taken = await first.start(Request("GET", ("Basic",)), waiting.match(Request("GET", ())), waiting)
        name = dict(taken.headers)["content-location"].rpartition("/")[2]
        assert (await second.status(name, waiting)).status == 202
        assert begun == ["endless"]
        await first.stop()
        next_one = _context(store, settings, second, Route("search-type", quick, may_wait=True))
        answer = await second.status(name, next_one)
        while answer.status == 202:
            await asyncio.sleep(0)
            answer = await second.status(name, next_one)
        await second.stop()
        await store.close()
        return answer

    answer = asyncio.run(story())
    assert begun == ["endless", "quick"]
    assert (answer.resource or {})["entry"][0]["resource"]["id"] == "x"


def test_an_answer_that_is_too_large_is_not_kept(settings: Settings) -> None:
    """What is kept is bounded as what is sent; the entry says so, and what to do."""
    bounded = settings.model_copy(update={"max_body_bytes": 1024})

    async def story() -> Response:
        store = open_store(settings, str(settings.mongo_url))
        jobs = Jobs(store.async_jobs)

        async def large(_request: Request, _context: Context) -> Response:
            return Response(200, {"resourceType": "Basic", "code": {"text": "x" * 2000}})

        context = _context(store, bounded, jobs, Route("search-type", large, may_wait=True))
        taken = await jobs.start(Request("GET", ("Basic",)), context.match(Request("GET", ())), context)
        name = dict(taken.headers)["content-location"].rpartition("/")[2]
        answer = await jobs.status(name, context)
        while answer.status == 202:
            await asyncio.sleep(0)
            answer = await jobs.status(name, context)
        await jobs.stop()
        await store.close()
        return answer

    response = (asyncio.run(story()).resource or {})["entry"][0]["response"]
    assert response["status"].startswith("413")
    assert response["outcome"]["issue"][0]["code"] == "too-long"
