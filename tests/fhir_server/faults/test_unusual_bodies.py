"""What is merely unusual is taken, and kept as it is (https://hl7.org/fhir/R4/json.html)."""

import pytest

from tests.fhir_server.faults.content import content, of_the_client
from tests.fhir_server.faults.raw_http import ask, send_json

BODY = '{"resourceType":"Patient","id":"odd",%s}'


def extension(value: str) -> str:
    """Return an extension with a value, as JSON."""
    return f'"extension":[{{"url":"urn:x","{value}}}]'


UNUSUAL = {
    "white space": ' \r\n\t"active" : \n true ',
    "escapes": r'"\u0061ctive":true,"language":"\u0065n"',
    "a surrogate pair": r'"name":[{"family":"\ud83d\ude00"}]',
    "astral characters": '"name":[{"family":"\U0001f600\U0001d518\U0010ffff"}]',
    "combining characters": '"name":[{"family":"e\u0301\u0327","given":["\u00e9","\u0065\u0301"]}]',
    "directions and joiners": '"name":[{"family":"\u202e\u200d\u200bx\ufeff"}]',
    "no characters": '"name":[{"family":"\uffff\ufffe\ufdd0"}]',
    "tabs and line ends": r'"name":[{"family":"a\tb\r\nc"}]',
    "what is special to MongoDB": '"name":[{"family":"$where","text":"a.b","given":["$$ROOT","__proto__"]}]',
    "a number of 34 digits": extension('valueDecimal":1234567890.123456789012345678901234'),
    "trailing zeros": extension('valueDecimal":1.000000000000000000000000000000000'),
    "zero with places": extension('valueDecimal":0.000'),
    "negative zero": extension('valueDecimal":-0'),
    "negative zero with places": extension('valueDecimal":-0.00'),
    "an exponent": extension('valueDecimal":1.50E+3'),
    "a large exponent": extension('valueDecimal":1e6111'),
    "a small exponent": extension('valueDecimal":-1.0e-6175'),
    "a large integer as a decimal": extension('valueDecimal":9223372036854775808'),
    "the largest integer": extension('valueInteger":2147483647'),
    "the smallest integer": extension('valueInteger":-2147483648'),
    "nulls beside extensions": '"name":[{"given":[null,"b",null],"_given":[{"id":"a"%s},null,{"id":"c"%s}]}]'
    % ((',"extension":[{"url":"urn:x","valueCode":"n"}]',) * 2),
    "a primitive without a value": '"_birthDate":{"extension":[{"url":"urn:x","valueCode":"unknown"}]}',
    "an extension of an id": '"_id":{"extension":[{"url":"urn:x","valueCode":"y"}]},"active":true',
    "40 extensions in each other": '"extension":[%s]'
    % ('{"url":"urn:x","extension":[' * 40 + '{"url":"urn:x","valueCode":"a"}' + "]}" * 40),
    "a text of a megabyte": f'"name":[{{"family":"{"a" * 1024 * 1024}"}}]',
    "a thousand names": f'"name":[{",".join(f"""{{"family":"n{i}"}}""" for i in range(1000))}]',
}


@pytest.mark.parametrize("elements", UNUSUAL.values(), ids=UNUSUAL.keys())
def test_what_is_unusual_comes_back_as_it_was(port: int, elements: str) -> None:
    """Neither the way through JSON nor that through MongoDB changes anything."""
    body = (BODY % elements).encode()
    written = send_json(port, "PUT", "/fhir/Patient/odd", body)
    assert written is not None
    assert written.status in (200, 201), written.body[:500]
    read = ask(port, "GET", "/fhir/Patient/odd")
    assert read is not None
    for answer in (written, read):
        assert of_the_client(content(answer.body)) == of_the_client(content(body))
