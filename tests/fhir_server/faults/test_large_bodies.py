"""Bodies of any size, depth and length: refused in bounded time and memory, and nothing stored.

https://hl7.org/fhir/R4/json.html
"""

from collections.abc import Callable, Iterator

import pytest

from tests.fhir_server.faults.raw_http import FHIR_JSON, Connection, request_bytes, send_json
from tests.fhir_server.faults.refusals import check_refused

pytestmark = pytest.mark.usefixtures("nothing_stored")

PATIENT = b'{"resourceType":"Patient","id":"bad"%s}'


def patient(more: str) -> bytes:
    """Return a Patient with `more` JSON behind its id."""
    return PATIENT % (b"," + more.encode())


NUMBERS = {
    "one digit too many": "1" * 35,
    "a million digits": "7" * 1_000_000,
    "a million decimals": "0." + "3" * 1_000_000,
    "a million zeros": "1" + "0" * 1_000_000,
    "too large": "1e6145",
    "too small": "1e-6177",
    "far too large": "1e999999999999999999",
    "exponent beyond any": "1e99999999999999999999999999",
    "exponent far below any": "-1E-99999999999999999999999999",
    "exponent of a million digits": "1e" + "9" * 1_000_000,
}


@pytest.mark.parametrize("literal", NUMBERS.values(), ids=NUMBERS.keys())
def test_numbers_that_cannot_be_kept_are_refused(port: int, literal: str) -> None:
    """A number is kept with all its digits or not at all."""
    for element in ("valueDecimal", "valueInteger"):
        body = patient(f'"extension":[{{"url":"urn:x","{element}":{literal}}}]')
        check_refused(send_json(port, "PUT", "/fhir/Patient/bad", body), 400)


def nested_arrays(depth: int) -> str:
    """Return JSON arrays in each other."""
    return "[" * depth + "]" * depth


def nested_objects(depth: int) -> str:
    """Return JSON objects in each other."""
    return '{"a":' * depth + "1" + "}" * depth


def nested_extensions(depth: int) -> str:
    """Return extensions in each other, as FHIR allows them."""
    return '{"url":"urn:x","extension":[' * depth + '{"url":"urn:x","valueCode":"a"}' + "]}" * depth


def nested_items(depth: int) -> str:
    """Return a Questionnaire with items in each other."""
    items = '{"linkId":"a","type":"group","item":[' * depth + '{"linkId":"b","type":"display"}' + "]}" * depth
    return f'{{"resourceType":"Questionnaire","id":"bad","status":"draft","item":[{items}]}}'


def nested_contained(depth: int) -> str:
    """Return Patients that contain each other."""
    return '{"resourceType":"Patient","id":"bad","contained":[' * depth + "{}" + "]}" * depth


def nested_bundles(depth: int, bundle_type: str = "batch") -> str:
    """Return Bundles that are posted in each other."""
    opening = (
        f'{{"resourceType":"Bundle","type":"{bundle_type}","entry":'
        '[{"request":{"method":"POST","url":"/"},"resource":'
    )
    return opening * depth + "null" + "}]}" * depth


def nested_collections(depth: int) -> str:
    """Return Bundles that hold each other."""
    opening = '{"resourceType":"Bundle","id":"bad","type":"collection","entry":[{"resource":'
    return opening * depth + "null" + "}]}" * depth


# Around each limit on the way: the validator's 90, MongoDB's 100 (180 in a reply), orjson's 254, the 1000
# frames of Python, and beyond all of them.
DEPTHS = (46, 91, 101, 130, 201, 255, 330, 490, 900, 1000, 2000, 4000, 10_000, 100_000)

DEEP: dict[str, Callable[[int], Iterator[tuple[str, str]]]] = {
    "arrays": lambda n: iter([("PUT Patient/bad", patient(f'"name":{nested_arrays(n)}').decode())]),
    "objects": lambda n: iter([("PUT Patient/bad", patient(f'"name":{nested_objects(n)}').decode())]),
    "objects in a photo": lambda n: iter(
        [("PUT Patient/bad", patient(f'"photo":[{nested_objects(n)}]').decode())]
    ),
    "extensions": lambda n: iter(
        [("PUT Patient/bad", patient(f'"extension":[{nested_extensions(n)}]').decode())]
    ),
    "extensions of a primitive": lambda n: iter(
        [("PUT Patient/bad", patient(f'"_active":{{"extension":[{nested_extensions(n)}]}}').decode())]
    ),
    "items": lambda n: iter([("PUT Questionnaire/bad", nested_items(n))]),
    "contained": lambda n: iter([("PUT Patient/bad", nested_contained(n))]),
    "collections": lambda n: iter([("PUT Bundle/bad", nested_collections(n))]),
    "only arrays": lambda n: iter([("PUT Patient/bad", nested_arrays(n)), ("POST ", nested_arrays(n))]),
    "only objects": lambda n: iter([("PUT Patient/bad", nested_objects(n)), ("POST ", nested_objects(n))]),
    "unclosed arrays": lambda n: iter([("POST ", "[" * n)]),
    "unclosed objects": lambda n: iter([("POST ", '{"a":' * n)]),
}


@pytest.mark.parametrize("make", DEEP.values(), ids=DEEP.keys())
def test_deep_nesting_is_refused(port: int, make: Callable[[int], Iterator[tuple[str, str]]]) -> None:
    """However deep, and whether or not FHIR allows the nesting as such."""
    for depth in DEPTHS:
        for address, body in make(depth):
            method, _, path = address.partition(" ")
            check_refused(send_json(port, method, f"/fhir/{path}".rstrip("/"), body.encode()), 400, 422)


WIDE: dict[str, bytes] = {
    "empty objects": patient('"name":[' + ",".join(["{}"] * 300_000) + "]"),
    "empty arrays": patient('"name":[' + ",".join(["[]"] * 300_000) + "]"),
    "nulls": patient('"name":[' + ",".join(["null"] * 300_000) + "]"),
    "unknown properties": patient(",".join(f'"p{i}":{i}' for i in range(100_000))),
    "unknown properties in many objects": patient('"name":[' + ",".join(['{"p":1}'] * 100_000) + "]"),
    "the last property twice": patient(",".join(f'"p{i}":{i}' for i in range(100_000)) + ',"p99999":0'),
    "a long property": patient(f'"{"p" * 5_000_000}":1'),
    "a long text": patient(f'"name":[{{"family":"{"a" * 5_000_000}"}}]'),
    "a long id": f'{{"resourceType":"Patient","id":"{"a" * 5_000_000}"}}'.encode(),
    "a long type": f'{{"resourceType":"{"P" * 5_000_000}","id":"bad"}}'.encode(),
    "a long code": patient(f'"gender":"{"a " * 2_000_000}"'),
    "a long date": patient(f'"birthDate":"{"1" * 5_000_000}"'),
    "a long uri": patient(f'"implicitRules":"{"a" * 5_000_000} "'),
    "a long white base64": patient(f'"photo":[{{"data":"{" " * 5_000_000}="}}]'),
    "a long reference": patient(f'"generalPractitioner":[{{"reference":"{"Patient/" * 500_000}"}}]'),
    "a long narrative": patient(f'"text":{{"status":"generated","div":"{"<div>" * 500_000}"}}'),
}


@pytest.mark.parametrize("body", WIDE.values(), ids=WIDE.keys())
def test_huge_collections_of_mistakes_are_refused(port: int, body: bytes) -> None:
    """Their number does not matter: the answer stays small, and comes before the test's patience ends."""
    check_refused(send_json(port, "PUT", "/fhir/Patient/bad", body), 400, 422)


MEGABYTES_100 = 100 * 1024 * 1024


def test_100_megabytes_announced_are_refused_before_they_are_read(port: int) -> None:
    """The announced length suffices; and whoever sends them all the same gets the same answer."""
    headers = [("Content-Type", FHIR_JSON), ("Content-Length", str(MEGABYTES_100))]
    head = request_bytes("PUT", "/fhir/Patient/bad", headers)
    with Connection(port) as connection:
        connection.send([head])
        check_refused(connection.answer(), 413)
    with Connection(port) as connection:
        connection.send([head, *[b" " * 1_048_576] * 100])
        check_refused(connection.answer(), 413)


def test_100_megabytes_in_chunks_are_refused(port: int) -> None:
    """A body of unknown length is read up to the limit and no further."""
    head = request_bytes(
        "PUT", "/fhir/Patient/bad", [("Content-Type", FHIR_JSON), ("Transfer-Encoding", "chunked")]
    )
    chunk = b"100000\r\n" + b" " * 1_048_576 + b"\r\n"
    with Connection(port) as connection:
        connection.send([head, *[chunk] * 100, b"0\r\n\r\n"])
        check_refused(connection.answer(), 413)


def test_100_megabytes_in_tiny_chunks_are_refused(port: int) -> None:
    """The way in which a body is cut makes no difference."""
    head = request_bytes(
        "PUT", "/fhir/Patient/bad", [("Content-Type", FHIR_JSON), ("Transfer-Encoding", "chunked")]
    )
    chunks = b"10\r\n" + b" " * 16 + b"\r\n"
    with Connection(port) as connection:
        connection.send([head, *[chunks * 65_536] * 80, b"0\r\n\r\n"])
        check_refused(connection.answer(), 413)
