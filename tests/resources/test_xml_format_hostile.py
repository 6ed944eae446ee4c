"""XML that nobody should send: entities, depth, width, broken markup (https://hl7.org/fhir/R4/security.html)."""

from time import process_time

import pytest

from resources.operation_outcome import InvalidContent, Issue
from resources.xml_format import parse

START = '<Patient xmlns="http://hl7.org/fhir">'
ACTIVE = '<active value="true"/>'
PATIENT = f"{START}{ACTIVE}</Patient>"
SECRET = "S3CR3T-Müller"

# Far above what any of the documents takes, far below what they take if they get what they want.
SECONDS = 2


def entities(levels: int, times: int) -> str:
    """Return a document type with entities of which the last one is a text of times ** levels words."""
    nested = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * times}">' for n in range(1, levels))
    return f'<!DOCTYPE Patient [<!ENTITY e0 "lol">{nested}<!ENTITY e "&e{levels - 1};">]>'


# https://owasp.org/www-community/vulnerabilities/XML_External_Entity_(XXE)_Processing
DOCUMENT_TYPES = {
    "a billion laughs": entities(10, 10),
    "quadratic growth": entities(2, 50_000),
    "a file": '<!DOCTYPE Patient [<!ENTITY e SYSTEM "file:///etc/passwd">]>',
    "an address": '<!DOCTYPE Patient [<!ENTITY e SYSTEM "http://127.0.0.1/">]>',
    "a parameter entity": '<!DOCTYPE Patient [<!ENTITY % p SYSTEM "http://127.0.0.1/"> %p;]>',
    "an external subset": '<!DOCTYPE Patient SYSTEM "http://127.0.0.1/">',
    "a public one": '<!DOCTYPE html PUBLIC "a" "http://127.0.0.1/">',
    "default attributes": '<!DOCTYPE Patient [<!ATTLIST active value CDATA "true">]>',
    "an empty one": "<!DOCTYPE Patient>",
}

NOT_WELL_FORMED = {
    "nothing": b"",
    "white space": b" \n",
    "JSON": b'{"resourceType": "Patient"}',
    "an open element": START + ACTIVE,
    "overlapping elements": START + "<contact><gender></contact></gender></Patient>",
    "two roots": PATIENT + PATIENT,
    "text after the root": PATIENT + "x",
    "a document type after the root": PATIENT + "<!DOCTYPE Patient>",
    "an attribute twice": START + '<active value="true" value="true"/></Patient>',
    "an attribute without quotes": START + "<active value=true/></Patient>",
    "an undeclared prefix": "<f:Patient/>",
    "an undeclared entity": START + '<id value="&nbsp;"/></Patient>',
    "a bare ampersand": START + '<id value="a&b"/></Patient>',
    "markup in an attribute": START + '<id value="<b>"/></Patient>',
    "a control character": START + '<id value="\x01"/></Patient>',
    "a reference to a control character": START + '<id value="&#1;"/></Patient>',
    "a reference to half a character": START + '<id value="&#xD800;"/></Patient>',
    "a reference to no character": START + '<id value="&#xFFFE;"/></Patient>',
    "a declaration that is late": " <?xml version='1.0'?>" + PATIENT,
    "an open narrative": START + '<text><div xmlns="http://www.w3.org/1999/xhtml"><p></div></text></Patient>',
    "an entity of HTML": START
    + '<text><div xmlns="http://www.w3.org/1999/xhtml">&nbsp;</div></text></Patient>',
}

MANY = 50_000
LARGE_AND_GOOD = {
    "elements": START + "<name>" + '<given value="x"/>' * MANY + "</name></Patient>",
    "a value": START + "<name><text value='" + "&#65;" * MANY * 10 + "'/></name></Patient>",
    "white space": START + " " * MANY * 50 + ACTIVE + "</Patient>",
    "comments": START + "<!---->" * MANY + ACTIVE + "</Patient>",
    "a comment": START + "<!--" + "x" * MANY * 50 + "-->" + ACTIVE + "</Patient>",
    "a narrative": START
    + '<text><div xmlns="http://www.w3.org/1999/xhtml">'
    + "<b>" * MANY
    + "</b>" * MANY
    + "</div></text></Patient>",
}
LARGE_AND_REFUSED = {
    "attributes": START + "<active " + " ".join(f'a{n}="b"' for n in range(MANY)) + "/></Patient>",
    "namespaces": "<Patient " + " ".join(f'xmlns:n{n}="u"' for n in range(MANY)) + "/>",
    "a name": START + "<" + "a" * MANY * 50 + "/></Patient>",
    "a text": START + "x" * MANY * 50 + "</Patient>",
    "an open tag": START + "<active " * MANY,
    "a depth of elements": START + "<extension url='u'>" * MANY * 5,
}

# Wherever a text stands in a document that is refused, it may be a patient's.
PLACES = {
    "a value": f"<active value='{SECRET}'/>",
    "a value before": f"<name id='{SECRET}'><text value='{SECRET}'/></name><active/>",
    "text": SECRET,
    "an element's name": f"<{SECRET}/>",
    "an attribute's name": f"<active {SECRET}='x'/>",
    "an attribute": f"<active x='{SECRET}'/>",
    "a namespace": f"<x:active xmlns:x='{SECRET}'/>",
    "a prefix": f"<{SECRET}:active/>",
    "a comment": f"<!--{SECRET}--><x/>",
    "an instruction": f"<?{SECRET} {SECRET}?><x/>",
    "an entity": f"<id value='&{SECRET};'/>",
    "a narrative": f"<text><div xmlns='http://www.w3.org/1999/xhtml'>{SECRET}</p>",
}


def refusal(xml: str | bytes) -> Issue:
    """Return the issue with which a document is refused before long."""
    started = process_time()
    with pytest.raises(InvalidContent) as caught:
        parse(xml.encode() if isinstance(xml, str) else xml)
    assert process_time() - started < SECONDS
    (issue,) = caught.value.issues
    return issue


@pytest.mark.parametrize("document_type", DOCUMENT_TYPES.values(), ids=DOCUMENT_TYPES.keys())
@pytest.mark.parametrize("body", [PATIENT, f"{START}<id value='&e;'/></Patient>", f"{START}&e;</Patient>"])
def test_document_types(document_type: str, body: str) -> None:
    """No document type, so no entity but XML's own five: nothing grows, and nothing is fetched."""
    issue = refusal(document_type + body)
    assert issue.diagnostics == "A document type declaration is not allowed (line 1)"


@pytest.mark.parametrize("xml", NOT_WELL_FORMED.values(), ids=NOT_WELL_FORMED.keys())
def test_not_well_formed(xml: str | bytes) -> None:
    """What is not XML is refused with line and column: https://www.w3.org/TR/xml/#sec-well-formed."""
    issue = refusal(xml)
    assert issue.code == "structure"
    assert issue.diagnostics.startswith("The body is not well-formed XML: ")
    assert "(line " in issue.diagnostics


def test_encodings() -> None:
    """Content is in UTF-8, and says nothing else: https://hl7.org/fhir/R4/http.html#mime-type."""
    not_utf_8 = "The body is not XML in UTF-8 (at byte %d)"
    latin_1 = f"{START}<id value='é'/></Patient>".encode("latin-1")
    assert refusal(latin_1).diagnostics == not_utf_8 % latin_1.index(b"\xe9")
    assert refusal(PATIENT.encode("utf-16")).diagnostics == not_utf_8 % 0
    assert refusal(PATIENT.encode("utf-16-be")).diagnostics == not_utf_8 % 0
    assert refusal(PATIENT.encode("utf-16-le")).diagnostics == not_utf_8 % 1
    assert refusal(f"{PATIENT}\0").diagnostics == not_utf_8 % len(PATIENT)
    declared = f"<?xml version='1.0' encoding='iso-8859-1'?>{PATIENT}"
    assert refusal(declared).diagnostics == "The encoding must be UTF-8 (line 1)"


def test_depth() -> None:
    """An element may have 90 others around it."""

    def nested(elements: int) -> str:
        return START + "<extension url='u'>" * elements + "<valueCode value='x'/>" + "</extension>" * elements

    assert parse(f"{nested(89)}</Patient>".encode())
    assert refusal(f"{nested(90)}</Patient>") == Issue(
        "error",
        "too-long",
        "An element may have at most 90 others around it (line 1)",
        ("Patient" + ".extension[0]" * 90,),
    )


@pytest.mark.parametrize("xml", LARGE_AND_GOOD.values(), ids=LARGE_AND_GOOD.keys())
def test_large_and_good(xml: str) -> None:
    """What is large takes time in proportion and no more."""
    started = process_time()
    assert parse(xml.encode())
    assert process_time() - started < SECONDS


@pytest.mark.parametrize("xml", LARGE_AND_REFUSED.values(), ids=LARGE_AND_REFUSED.keys())
def test_large_and_refused(xml: str) -> None:
    """So does what is wrong as well, and the refusal is short."""
    assert len(refusal(xml).diagnostics) < 200


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
def test_content_is_never_told(place: str) -> None:
    """The refusal repeats nothing of the content."""
    issue = refusal(f"{START}{place}</Patient>")
    assert SECRET not in f"{issue.diagnostics} {issue.expression}"
