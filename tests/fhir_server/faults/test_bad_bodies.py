"""Bodies that are not the FHIR they claim to be: 4xx with an OperationOutcome, and nothing stored.

https://hl7.org/fhir/R4/json.html, https://hl7.org/fhir/R4/http.html#create
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.fhir_server.faults.conftest import CANARY
from tests.fhir_server.faults.raw_http import FHIR_JSON, Answer, Connection, request_bytes, send_json

pytestmark = pytest.mark.usefixtures("nothing_stored")

PATIENT = b'{"resourceType":"Patient","id":"bad"%s}'


def patient(more: str | bytes) -> bytes:
    """Return a Patient with `more` JSON behind its id."""
    return PATIENT % (b"," + (more.encode() if isinstance(more, str) else more))


def refused(answer: Answer | None, *statuses: int) -> None:
    """Check that a request was refused as FHIR has it, without a word of what was sent."""
    assert answer is not None
    assert answer.status in (statuses or (400, 422)), (answer.status, answer.body[:500])
    assert answer.is_outcome
    assert CANARY.encode() not in answer.body
    assert len(answer.body) < 500_000


NOT_JSON = {
    "nothing": b"",
    "white space": b" \n\t ",
    "text": CANARY.encode(),
    "XML": f'<Patient xmlns="http://hl7.org/fhir"><id value="{CANARY}"/></Patient>'.encode(),
    "cut off": b'{"resourceType":"Patient","id":"bad"',
    "two documents": PATIENT % b"" + PATIENT % b"",
    "a comma too many": patient('"active":true,'),
    "a comment": patient('"active":true/* */'),
    "single quotes": b"{'resourceType':'Patient','id':'bad'}",
    "name without quotes": b'{resourceType:"Patient","id":"bad"}',
    "byte order mark": b"\xef\xbb\xbf" + PATIENT % b"",
    "UTF-16": (PATIENT % b"").decode().encode("utf-16"),
    "Latin-1": patient('"name":[{"family":"Größe"}]').decode().encode("latin-1"),
    "overlong UTF-8": patient(b'"name":[{"family":"\xc0\xaf"}]'),
    "surrogate in UTF-8": patient(b'"name":[{"family":"\xed\xa0\x80"}]'),
    "UTF-8 cut off": patient(b'"name":[{"family":"\xf0\x9f\x98"}]'),
    "control character": patient(b'"name":[{"family":"a\x01b"}]'),
    "null byte": patient(b'"name":[{"family":"a\x00b"}]'),
    "line feed": patient(b'"name":[{"family":"a\nb"}]'),
    "only null bytes": b"\x00" * 1000,
    "escaped null": patient(r'"name":[{"family":"a\u0000b"}]'),
    "escaped control character": patient(r'"name":[{"family":"a\u001fb"}]'),
    "lone high surrogate": patient(r'"name":[{"family":"\ud83d"}]'),
    "lone low surrogate": patient(r'"name":[{"family":"\ude00"}]'),
    "surrogates in the wrong order": patient(r'"name":[{"family":"\ude00\ud83d"}]'),
    "lone surrogate in a name": patient(r'"\ud83d":1'),
    "null in a name": patient(r'"a\u0000b":1'),
    "unknown escape": patient(r'"name":[{"family":"\x41"}]'),
    "NaN": patient('"multipleBirthInteger":NaN'),
    "Infinity": patient('"multipleBirthInteger":Infinity'),
    "-Infinity": patient('"multipleBirthInteger":-Infinity'),
    "leading zero": patient('"multipleBirthInteger":01'),
    "leading plus": patient('"multipleBirthInteger":+1'),
    "hexadecimal": patient('"multipleBirthInteger":0x10'),
    "dot without digits": patient('"multipleBirthInteger":1.'),
    "property twice": patient('"active":true,"active":false'),
    "id twice": patient('"id":"other"'),
    "resourceType twice": patient('"resourceType":"Patient"'),
    "property twice by an escape": patient(r'"active":true,"\u0061ctive":false'),
    "strange property twice": patient(f'"{CANARY} x":1,"{CANARY} x":2'),
    "property twice, deep within": patient('"name":[{"family":"a"},{"family":"b","family":"c"}]'),
}


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON.keys())
@pytest.mark.parametrize(("method", "target"), [("PUT", "/fhir/Patient/bad"), ("POST", "/fhir")])
def test_what_is_not_strict_json_is_refused(port: int, method: str, target: str, body: bytes) -> None:
    """Nothing that two parsers could read differently comes in."""
    refused(send_json(port, method, target, body), 400)


NOT_A_RESOURCE: dict[str, bytes] = {
    "null": b"null",
    "true": b"true",
    "a number": b"5",
    "a text": f'"{CANARY}"'.encode(),
    "an array": b"[]",
    "an array of resources": b"[" + PATIENT % b"" + b"]",
    "an empty object": b"{}",
    "no type": b'{"id":"bad"}',
    "type null": b'{"resourceType":null,"id":"bad"}',
    "type number": b'{"resourceType":1,"id":"bad"}',
    "type array": b'{"resourceType":["Patient"],"id":"bad"}',
    "type object": b'{"resourceType":{},"id":"bad"}',
    "another type": b'{"resourceType":"Observation","id":"bad"}',
    "abstract type": b'{"resourceType":"DomainResource","id":"bad"}',
    "data type": b'{"resourceType":"HumanName","id":"bad"}',
    "unknown type": f'{{"resourceType":"{CANARY}","id":"bad"}}'.encode(),
    "type in lower case": b'{"resourceType":"patient","id":"bad"}',
    "placeholder of the route table": b'{"resourceType":"{type}","id":"bad"}',
}


@pytest.mark.parametrize("body", NOT_A_RESOURCE.values(), ids=NOT_A_RESOURCE.keys())
@pytest.mark.parametrize(
    ("method", "target"), [("POST", "/fhir/Patient"), ("PUT", "/fhir/Patient/bad"), ("POST", "/fhir")]
)
def test_what_is_not_the_resource_asked_for_is_refused(
    port: int, method: str, target: str, body: bytes
) -> None:
    """The body must be a resource of the type in the URL, or a Bundle for the base."""
    refused(send_json(port, method, target, body), 400, 422)


IDS = {
    "missing": b'{"resourceType":"Patient"}',
    "another": b'{"resourceType":"Patient","id":"other"}',
    "null": b'{"resourceType":"Patient","id":null}',
    "number": b'{"resourceType":"Patient","id":1}',
    "array": b'{"resourceType":"Patient","id":["bad"]}',
    "empty": b'{"resourceType":"Patient","id":""}',
}


@pytest.mark.parametrize("body", IDS.values(), ids=IDS.keys())
def test_an_update_with_another_id_is_refused(port: int, body: bytes) -> None:
    """https://hl7.org/fhir/R4/http.html#update: the id must be there, and the one in the URL."""
    refused(send_json(port, "PUT", "/fhir/Patient/bad", body), 400)


WRONG_JSON_TYPES: tuple[Any, ...] = (
    None,
    True,
    7,
    CANARY,
    "",
    [],
    {},
    [[]],
    [None],
    [{}],
    {"x": CANARY},
    [CANARY],
)
PLACES = {
    "id": lambda x: {"id": x},
    "meta": lambda x: {"meta": x},
    "meta.versionId": lambda x: {"meta": {"versionId": x}},
    "meta.profile": lambda x: {"meta": {"profile": [x]}},
    "meta.tag": lambda x: {"meta": {"tag": x}},
    "text": lambda x: {"text": x},
    "text.div": lambda x: {"text": {"status": "generated", "div": x}},
    "contained": lambda x: {"contained": x},
    "contained item": lambda x: {"contained": [x]},
    "extension": lambda x: {"extension": x},
    "extension.url": lambda x: {"extension": [{"url": x, "valueCode": "a"}]},
    "name": lambda x: {"name": x},
    "name.given": lambda x: {"name": [{"given": x}]},
    "name._given": lambda x: {"name": [{"given": ["a"], "_given": x}]},
    "_birthDate": lambda x: {"birthDate": "2000-01-01", "_birthDate": x},
    "birthDate": lambda x: {"birthDate": x},
    "gender": lambda x: {"gender": x},
    "active": lambda x: {"active": "true" if x is True else x},
    "multipleBirthInteger": lambda x: {"multipleBirthInteger": "7" if x == 7 else x},
    "generalPractitioner": lambda x: {"generalPractitioner": x},
    "reference": lambda x: {"generalPractitioner": [{"reference": x}]},
    "photo.data": lambda x: {"photo": [{"data": x}]},
    "contact.period": lambda x: {"contact": [{"period": {"start": x}}]},
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
def test_values_of_the_wrong_json_type_are_refused(port: int, place: Callable[[Any], dict[str, Any]]) -> None:
    """Any JSON value may come anywhere; where FHIR has another one, it is refused."""
    for value in WRONG_JSON_TYPES:
        made = place(value)
        if _is_right(made):
            continue
        body = {"resourceType": "Patient", "id": "bad", **made}
        refused(send_json(port, "PUT", "/fhir/Patient/bad", json.dumps(body).encode()), 400, 422)


def _is_right(made: dict[str, Any]) -> bool:
    """Tell whether the value happens to fit: a text where a text may stand."""
    texts = (
        {"meta": {"versionId": CANARY}},
        {"meta": {"profile": [CANARY]}},
        {"name": [{"given": [CANARY]}]},
        {"name": [{"given": ["a"], "_given": [None]}]},
        {"extension": [{"url": CANARY, "valueCode": "a"}]},
    )
    return made in texts


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
        refused(send_json(port, "PUT", "/fhir/Patient/bad", body), 400)


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


# Around each limit on the way: the validator's 90, MongoDB's 100 (180 in a reply), orjson's 254, the recursion
# limit of Python, 1000 frames, and beyond all of them.
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
            refused(send_json(port, method, f"/fhir/{path}".rstrip("/"), body.encode()), 400, 422)


def test_depth_that_can_be_kept_is_kept(port: int) -> None:
    """The limit is not in the way of anybody: 40 extensions in each other are stored and come back."""
    body = b'{"resourceType":"Patient","id":"deep","extension":[%s]}' % nested_extensions(40).encode()
    answer = send_json(port, "PUT", "/fhir/Patient/deep", body)
    assert answer is not None
    assert answer.status == 201
    assert answer.resource["extension"] == json.loads(body)["extension"]


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
    refused(send_json(port, "PUT", "/fhir/Patient/bad", body), 400, 422)


def test_white_space_and_order_do_not_matter(port: int) -> None:
    """What is merely unusual JSON is taken: this is no parser that refuses what it could read."""
    body = b' \r\n\t{ "id" : "odd" , "active":\ttrue,"resourceType":"\\u0050atient" } \n'
    answer = send_json(port, "PUT", "/fhir/Patient/odd", body)
    assert answer is not None
    assert answer.status == 201


MEGABYTES_100 = 100 * 1024 * 1024


def test_100_megabytes_announced_are_refused_before_they_are_read(port: int) -> None:
    """The announced length suffices; and whoever sends them all the same gets the same answer."""
    headers = [("Content-Type", FHIR_JSON), ("Content-Length", str(MEGABYTES_100))]
    head = request_bytes("PUT", "/fhir/Patient/bad", headers)
    with Connection(port) as connection:
        connection.send([head])
        refused(connection.answer(), 413)
    with Connection(port) as connection:
        connection.send([head, *[b" " * 1_048_576] * 100])
        refused(connection.answer(), 413)


def test_100_megabytes_in_chunks_are_refused(port: int) -> None:
    """A body of unknown length is read up to the limit and no further."""
    head = request_bytes(
        "PUT", "/fhir/Patient/bad", [("Content-Type", FHIR_JSON), ("Transfer-Encoding", "chunked")]
    )
    chunk = b"100000\r\n" + b" " * 1_048_576 + b"\r\n"
    with Connection(port) as connection:
        connection.send([head, *[chunk] * 100, b"0\r\n\r\n"])
        refused(connection.answer(), 413)


def test_100_megabytes_in_tiny_chunks_are_refused(port: int) -> None:
    """The way in which a body is cut makes no difference."""
    head = request_bytes(
        "PUT", "/fhir/Patient/bad", [("Content-Type", FHIR_JSON), ("Transfer-Encoding", "chunked")]
    )
    chunks = b"10\r\n" + b" " * 16 + b"\r\n"
    with Connection(port) as connection:
        connection.send([head, *[chunks * 65_536] * 80, b"0\r\n\r\n"])
        refused(connection.answer(), 413)
