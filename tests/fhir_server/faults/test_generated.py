"""Properties that hold for every request, tried on generated ones.

Nothing is ever answered 5xx; every answer with a body is FHIR JSON; what is stored comes back as it was; what
is refused is not there. FHIR_FUZZ_EXAMPLES=2000 tries so many of each, other ones each time.
"""

import itertools
import os
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from pymongo.database import Database

from resources import xml_format
from resources.json_format import dumps
from tests.fhir_server.faults.content import content, of_the_client
from tests.fhir_server.faults.generated import TEXTS, VALUES, resources, type_of
from tests.fhir_server.faults.generated_http import HEADERS, METHODS, PAIRS, PATHS
from tests.fhir_server.faults.raw_http import FHIR_JSON, Answer, Connection, ask, send_json
from tests.fhir_server.faults.refusals import documents
from tests.fhir_server.faults.skeletons import PATIENT, SKELETONS

_ASKED_FOR = os.environ.get("FHIR_FUZZ_EXAMPLES")
generously = settings(
    max_examples=int(_ASKED_FOR or 150),
    derandomize=_ASKED_FOR is None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
_numbers = itertools.count()

# A Binary comes as the file in it, unless the media type of FHIR is named.
_AS_RESOURCE = [("Accept", "application/fhir+json")]


def checked(answer: Answer | None, method: str = "GET") -> Answer:
    """Return an answer that is what every answer must be."""
    assert answer is not None
    assert answer.status < 500, answer
    if answer.body:
        assert answer.headers["content-type"].startswith(FHIR_JSON)
        assert isinstance(answer.resource["resourceType"], str)
        if answer.status >= 400:
            assert answer.is_outcome
    elif method != "HEAD":
        assert answer.status in (204, 304)
    return answer


@pytest.mark.parametrize("skeleton", SKELETONS, ids=lambda resource: resource["resourceType"])
def test_the_skeletons_are_valid(port: int, skeleton: dict[str, Any]) -> None:
    """Without changes they are stored: what is refused below is refused for the changes."""
    answer = checked(send_json(port, "POST", f"/fhir/{skeleton['resourceType']}", dumps(skeleton)), "POST")
    assert answer.status == 201


@generously
@given(resource=resources())
def test_what_is_stored_comes_back_and_what_is_refused_is_not_there(
    port: int, resource: dict[str, Any]
) -> None:
    """An update that creates: either all of its content can be read back, or nothing."""
    address = f"/fhir/{type_of(resource)}/g-{next(_numbers)}"
    sent = dumps({**resource, "id": address.rpartition("/")[2]})
    answer = checked(send_json(port, "PUT", address, sent), "PUT")
    read = checked(ask(port, "GET", address, _AS_RESOURCE))
    event(f"answered {answer.status}")
    if answer.status == 201:
        wanted = of_the_client(content(sent))
        first = checked(ask(port, "GET", f"{address}/_history/1", _AS_RESOURCE))
        for stored in (answer, read, first):
            assert of_the_client(content(stored.body)) == wanted
        in_xml = ask(port, "GET", address, [("Accept", "application/fhir+xml")])
        assert in_xml is not None
        assert in_xml.status == 200, in_xml
        assert of_the_client(content(dumps(xml_format.parse(in_xml.body)))) == wanted
    else:
        assert answer.status in (400, 404, 422)
        assert read.status == 404


@generously
@given(old=resources([PATIENT]), new=resources([PATIENT]))
def test_an_update_replaces_all_or_nothing(port: int, old: dict[str, Any], new: dict[str, Any]) -> None:
    """After an update the resource is the new one as a whole; after a refusal it is still the old one."""
    resource_id = f"u-{next(_numbers)}"
    address = f"/fhir/Patient/{resource_id}"
    sent = [dumps({**resource, "id": resource_id}) for resource in (old, new)]
    answers = [checked(send_json(port, "PUT", address, body), "PUT") for body in sent]
    read = checked(ask(port, "GET", address, _AS_RESOURCE))
    stored = [body for body, answer in zip(sent, answers, strict=True) if answer.status < 400]
    if stored:
        assert of_the_client(content(read.body)) == of_the_client(content(stored[-1]))
        assert read.headers["etag"] == f'W/"{len(stored)}"'
    else:
        assert read.status == 404


@st.composite
def entries(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Entries of a batch or transaction: creates and updates of generated resources, reads, and nonsense."""
    found: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["POST", "POST", "PUT", "PUT", "GET", "DELETE", "nonsense"]))
        if kind in ("POST", "PUT"):
            resource = draw(resources())
            name = type_of(resource)
            resource_id = f"b-{next(_numbers)}"
            url = name if kind == "POST" else f"{name}/{resource_id}"
            resource = {**resource, "id": resource_id} if kind == "PUT" else resource
            found.append({"resource": resource, "request": {"method": kind, "url": url}})
        elif kind == "nonsense":
            found.append({"request": {"method": draw(METHODS), "url": draw(TEXTS)}, "resource": draw(VALUES)})
        else:
            found.append({"request": {"method": kind, "url": draw(PATHS).removeprefix("/fhir/") or "?"}})
    return found


@generously
@given(kind=st.sampled_from(["batch", "transaction"]), sent=entries())
def test_a_bundle_is_stored_as_it_says(
    port: int, server_database: Database[dict[str, Any]], kind: str, sent: list[dict[str, Any]]
) -> None:
    """A transaction that is refused stores nothing; each entry that is said to be stored can be read back."""
    before = documents(server_database)
    body = dumps({"resourceType": "Bundle", "type": kind, "entry": sent})
    answer = checked(send_json(port, "POST", "/fhir", body), "POST")
    event(f"answered {answer.status}")
    if answer.status != 200:
        assert documents(server_database) == before
        return
    answers = answer.resource["entry"]
    assert len(answers) == len(sent)
    for entry, part in zip(content(body)["entry"], answers, strict=True):
        response = part["response"]
        assert response["status"] < "5"
        if "location" in response:
            assert entry["request"]["method"] in ("POST", "PUT")
            address = response["location"].partition("localhost")[2]
            read = checked(ask(port, "GET", address, _AS_RESOURCE))
            assert of_the_client(content(read.body)) == of_the_client(entry["resource"])


@generously
@given(
    method=METHODS,
    path=PATHS,
    pairs=st.lists(PAIRS, max_size=4),
    headers=HEADERS,
    body=st.one_of(st.just(b""), resources().map(dumps), VALUES.map(dumps), st.binary(max_size=30)),
)
def test_no_request_goes_wrong(
    port: int,
    method: str,
    path: str,
    pairs: list[tuple[str, str]],
    headers: list[tuple[str, str]],
    body: bytes,
) -> None:
    """Any method on any address with any query, headers and body gets an answer in FHIR's form."""
    query = "&".join(f"{quote(name, safe='_:-')}={quote(value, safe=',$/')}" for name, value in pairs)
    lines = [("Content-Type", FHIR_JSON), *headers]
    answer = checked(ask(port, method, f"{path}?{query}" if query else path, lines, body), method)
    event(f"answered {answer.status}")


@generously
@given(
    name=st.sampled_from(["Patient", "Observation", "Questionnaire", "Task"]),
    pairs=st.lists(PAIRS, max_size=4),
)
def test_no_search_goes_wrong(port: int, name: str, pairs: list[tuple[str, str]]) -> None:
    """A search is carried out or refused, in the URL as in a posted form, with the same answer."""
    # Of the form of the answer the URL alone speaks.
    pairs = [pair for pair in pairs if pair[0] not in ("_format", "_pretty")]
    query = "&".join(f"{quote(name, safe='_:-')}={quote(value, safe=',$/')}" for name, value in pairs)
    got = checked(ask(port, "GET", f"/fhir/{name}?{query}"))
    form = [("Content-Type", "application/x-www-form-urlencoded")]
    posted = checked(ask(port, "POST", f"/fhir/{name}/_search", form, query.encode()))
    event(f"answered {got.status}")
    assert posted.status == got.status
    if got.status == 200:
        # The links to other pages are sealed, each time anew.
        assert {**posted.resource, "link": []} == {**got.resource, "link": []}


@generously
@given(head=st.binary(max_size=60), tail=st.binary(max_size=60))
def test_no_bytes_go_wrong(port: int, head: bytes, tail: bytes) -> None:
    """Whatever comes instead of HTTP, or in the middle of it, is answered with 400 or not at all."""
    for sent in (
        head + b"\r\n\r\n",
        b"GET /fhir/" + head + b" HTTP/1.1\r\nHost: localhost\r\n" + tail + b"\r\n\r\n",
    ):
        with Connection(port) as connection:
            connection.send([sent])
            connection.end()
            answer = connection.answer()
        if answer is not None:
            assert answer.status < 500
