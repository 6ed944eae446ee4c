"""XML that is none, or means harm: refused like JSON of that kind, in bounded time and memory.

https://hl7.org/fhir/R4/xml.html, https://hl7.org/fhir/R4/security.html
"""

import pytest

from tests.fhir_server.faults.raw_http import ask
from tests.fhir_server.faults.refusals import CANARY, check_refused

pytestmark = pytest.mark.usefixtures("nothing_stored")

PATIENT = '<Patient xmlns="http://hl7.org/fhir"><id value="bad"/>%s</Patient>'

ATTRIBUTES = " ".join(f"a{i}='x'" for i in range(50_000))
NAMESPACES = " ".join(f"xmlns:a{i}='a'" for i in range(20_000))
LAUGHS = f"<!ENTITY l0 '{CANARY}'>" + "".join(
    f"<!ENTITY l{i} '" + f"&l{i - 1};" * 10 + "'>" for i in range(1, 10)
)

BAD: dict[str, bytes] = {
    "nothing": b"",
    "text": CANARY.encode(),
    "JSON": b'{"resourceType":"Patient","id":"bad"}',
    "not closed": (PATIENT % "")[:-10].encode(),
    "two roots": (PATIENT % "" * 2).encode(),
    "no namespace": b'<Patient><id value="bad"/></Patient>',
    "another namespace": b'<Patient xmlns="urn:x"><id value="bad"/></Patient>',
    "another type": b'<Observation xmlns="http://hl7.org/fhir"><id value="bad"/></Observation>',
    "unknown type": b'<Nonsense xmlns="http://hl7.org/fhir"/>',
    "an unknown element": (PATIENT % f'<nonsense value="{CANARY}"/>').encode(),
    "an unknown attribute": (PATIENT % f'<active nonsense="{CANARY}"/>').encode(),
    "an attribute twice": (PATIENT % '<active value="true" value="false"/>').encode(),
    "text between": (PATIENT % CANARY).encode(),
    "an unknown entity": (PATIENT % '<language value="&x;"/>').encode(),
    "a null character": (PATIENT % '<language value="&#0;"/>').encode(),
    "a lone surrogate": (PATIENT % '<language value="&#xD800;"/>').encode(),
    "null bytes": b"\x00" * 1000,
    "UTF-16": (PATIENT % "").encode("utf-16"),
    "an encoding that it does not have": ('<?xml version="1.0" encoding="latin-1"?>' + PATIENT % "").encode(),
    "not UTF-8": (PATIENT % '<language value="ß"/>').encode("latin-1"),
    "an entity from a file": (
        f'<!DOCTYPE Patient [<!ENTITY x SYSTEM "file:///etc/passwd">]>{PATIENT % "<language value=a/>&x;"}'
    ).encode(),
    "a document type elsewhere": f'<!DOCTYPE Patient SYSTEM "http://127.0.0.1:9/x">{PATIENT % ""}'.encode(),
    "a billion laughs": f"<!DOCTYPE Patient [{LAUGHS}]>{PATIENT % '&l9;'}".encode(),
    "a narrative with a document type": (
        PATIENT % '<text><status value="generated"/><div><!DOCTYPE x></div></text>'
    ).encode(),
    "a narrative with a script": (
        PATIENT % '<text><status value="generated"/>'
        '<div xmlns="http://www.w3.org/1999/xhtml"><script>1</script></div></text>'
    ).encode(),
    "many attributes": (PATIENT % f"<active {ATTRIBUTES}/>").encode(),
    "many namespaces": (PATIENT % f"<active {NAMESPACES}/>").encode(),
    "many elements": (PATIENT % ("<name/>" * 200_000)).encode(),
    "many unknown elements": (PATIENT % ("<a/>" * 200_000)).encode(),
    "a long name": (PATIENT % f"<{'a' * 5_000_000}/>").encode(),
    "a long value": (PATIENT % f'<language value="{"a " * 2_000_000}"/>').encode(),
    "many comments": (PATIENT % ("<!-- -->" * 200_000) + "x").encode(),
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD.keys())
def test_bad_xml_is_refused(port: int, body: bytes) -> None:
    """The answer is an OperationOutcome in the format that was asked for, here JSON."""
    headers = [("Content-Type", "application/fhir+xml"), ("Accept", "application/fhir+json")]
    check_refused(ask(port, "PUT", "/fhir/Patient/bad", headers, body), 400, 422)


@pytest.mark.parametrize("depth", [40, 91, 200, 500, 1000, 5000, 100_000, 1_000_000])
def test_deep_xml_is_refused(port: int, depth: int) -> None:
    """However deep, whether or not FHIR allows the nesting."""
    headers = [("Content-Type", "application/fhir+xml"), ("Accept", "application/fhir+json")]
    for opening, closing in (
        ('<extension url="a">', "</extension>"),
        ("<contained><Patient>", "</Patient></contained>"),
        ("<a>", "</a>"),
    ):
        for body in (PATIENT % (opening * depth + closing * depth), PATIENT % (opening * depth)):
            check_refused(ask(port, "PUT", "/fhir/Patient/bad", headers, body.encode()), 400, 422)


def test_100_megabytes_of_xml_are_refused(port: int) -> None:
    """The bound of bodies holds for each format."""
    headers = [("Content-Type", "application/fhir+xml"), ("Content-Length", str(100 * 1024 * 1024))]
    check_refused(ask(port, "PUT", "/fhir/Patient/bad", headers), 413)
