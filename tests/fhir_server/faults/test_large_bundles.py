"""Batches and transactions that are deep or large: refused in bounded time and memory, nothing stored.

https://hl7.org/fhir/R4/http.html#transaction
"""

import json

import pytest

from tests.fhir_server.faults.raw_http import send_json
from tests.fhir_server.faults.refusals import check_refused

pytestmark = pytest.mark.usefixtures("nothing_stored")

KINDS = ("batch", "transaction")
PATIENT = {"resourceType": "Patient", "active": True}
GOOD = {"resource": PATIENT, "request": {"method": "POST", "url": "Patient"}}


def extensions(depth: int) -> str:
    """Return extensions in each other, as JSON."""
    return '{"url":"urn:x","extension":[' * depth + '{"url":"urn:x","valueCode":"a"}' + "]}" * depth


@pytest.mark.parametrize("depth", [50, 100, 250, 480, 900, 2000, 4000, 5000, 10_000, 100_000])
@pytest.mark.parametrize("kind", KINDS)
def test_deep_entries_are_refused(port: int, kind: str, depth: int) -> None:
    """What is too deep to be stored is too deep in an entry as well, wherever it stands there."""
    deep = extensions(depth)
    resource = f'{{"resourceType":"Patient","extension":[{deep}]}}'
    request = '{"method":"POST","url":"Patient"}'
    entries = (
        f'{{"request":{request},"resource":{resource}}}',
        f'{{"request":{{"method":"POST","url":"Patient","extension":[{deep}]}},"resource":{json.dumps(PATIENT)}}}',
        f'{{"request":{request},"extension":[{deep}],"resource":{json.dumps(PATIENT)}}}',
        f'{{"request":{request},"resource":{"[" * depth + "]" * depth}}}',
    )
    for entry in entries:
        body = f'{{"resourceType":"Bundle","type":"{kind}","entry":[{entry}]}}'
        answer = send_json(port, "POST", "/fhir", body.encode())
        assert answer is not None
        assert answer.status < 500, (answer.status, entry[:100])
        if answer.status == 200:
            statuses = {part["response"]["status"][:3] for part in answer.resource["entry"]}
            assert statuses <= {"400", "422"}


@pytest.mark.parametrize("depth", [1, 2, 10, 50, 200, 480, 2000])
@pytest.mark.parametrize("kind", KINDS)
def test_bundles_in_bundles_are_not_carried_out(port: int, kind: str, depth: int) -> None:
    """A batch or transaction is no part of another one (https://hl7.org/fhir/R4/http.html#transaction)."""
    inner = json.dumps({"resourceType": "Bundle", "type": kind, "entry": [GOOD]})
    for url in ("/", "?", "http://localhost/fhir", "http://localhost/fhir/"):
        opening = (
            f'{{"resourceType":"Bundle","type":"{kind}","entry":'
            f'[{{"request":{{"method":"POST","url":"{url}"}},"resource":'
        )
        answer = send_json(port, "POST", "/fhir", (opening * depth + inner + "}]}" * depth).encode())
        assert answer is not None
        assert answer.status in (200, 400, 422)
        if answer.status == 200:
            statuses = {part["response"]["status"][:3] for part in answer.resource["entry"]}
            assert statuses <= {"400", "404", "405", "422"}, answer.body[:500]


LARGE = {
    "empty entries": (b"{}", 300_000),
    "nulls": (b"null", 300_000),
    "entries without request": (b'{"resource":{}}', 200_000),
    "entries of nothing but an id": (b'{"id":"a"}', 200_000),
    "invalid resources": (b'{"request":{"method":"POST","url":"Patient"},"resource":{"a":1}}', 50_000),
    "unknown types": (b'{"request":{"method":"POST","url":"X"},"resource":{}}', 50_000),
    "the same twice": (
        b'{"request":{"method":"PUT","url":"Patient/bad"},"resource":{"resourceType":"Patient","id":"bad"}}',
        20_000,
    ),
    "dangling links": (
        b'{"request":{"method":"POST","url":"Basic"},"resource":{"resourceType":"Basic",'
        b'"code":{"text":"x"},"subject":{"reference":"urn:uuid:8f5f4a6c-1111-4b0e-9d6a-000000000001"}}}',
        20_000,
    ),
}


@pytest.mark.parametrize(("entry", "count"), LARGE.values(), ids=LARGE.keys())
def test_a_large_transaction_of_mistakes_is_refused(port: int, entry: bytes, count: int) -> None:
    """The number of mistakes does not matter: the answer stays small."""
    body = b'{"resourceType":"Bundle","type":"transaction","entry":[' + b",".join([entry] * count) + b"]}"
    check_refused(send_json(port, "POST", "/fhir", body))


def test_a_transaction_that_mongodb_does_not_take_is_refused(port: int) -> None:
    """https://www.mongodb.com/docs/manual/reference/limits/: 16 MB in a document; nothing of it is stored."""
    large = {"resourceType": "Binary", "contentType": "text/plain", "data": "QUJD" * 4_500_000}
    entry = {"resource": large, "request": {"method": "POST", "url": "Binary"}}
    body = {"resourceType": "Bundle", "type": "transaction", "entry": [GOOD, entry]}
    check_refused(send_json(port, "POST", "/fhir", json.dumps(body).encode()), 413)
