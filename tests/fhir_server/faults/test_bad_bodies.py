"""Bodies that are not the FHIR they claim to be: 4xx with an OperationOutcome, and nothing stored.

https://hl7.org/fhir/R4/json.html, https://hl7.org/fhir/R4/http.html#create
"""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.fhir_server.faults.raw_http import send_json
from tests.fhir_server.faults.refusals import CANARY, check_refused

pytestmark = pytest.mark.usefixtures("nothing_stored")

PATIENT = b'{"resourceType":"Patient","id":"bad"%s}'


def patient(more: str | bytes) -> bytes:
    """Return a Patient with `more` JSON behind its id."""
    return PATIENT % (b"," + (more.encode() if isinstance(more, str) else more))


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
    check_refused(send_json(port, method, target, body), 400)


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
    check_refused(send_json(port, method, target, body), 400, 422)


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
    check_refused(send_json(port, "PUT", "/fhir/Patient/bad", body), 400)


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
        check_refused(send_json(port, "PUT", "/fhir/Patient/bad", json.dumps(body).encode()), 400, 422)


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
