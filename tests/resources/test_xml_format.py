"""XML in and out (https://hl7.org/fhir/R4/xml.html): each case as XML and as the JSON that means the same."""

import json
from decimal import Decimal
from typing import Any

import pytest

from resources import json_format
from resources.operation_outcome import ContentTooLarge, InvalidContent, NotAcceptable
from resources.xml_format import dumps, parse, reading

DIV = '<div xmlns="http://www.w3.org/1999/xhtml"><p>a &amp; <b>b</b></p></div>'

# Each rule: the XML as it is written, and the JSON that means the same.
PAIRS: dict[str, tuple[str, str]] = {
    # https://hl7.org/fhir/R4/json.html#primitive
    "a primitive": (
        '<Patient xmlns="http://hl7.org/fhir"><birthDate value="1970-03-30"/></Patient>',
        '{"resourceType": "Patient", "birthDate": "1970-03-30"}',
    ),
    "a primitive with id and extension": (
        '<Patient xmlns="http://hl7.org/fhir"><birthDate value="1970-03-30" id="314159">'
        '<extension url="http://example.org/x"><valueString value="Easter 1970"/></extension>'
        "</birthDate></Patient>",
        '{"resourceType": "Patient", "birthDate": "1970-03-30", "_birthDate": {"id": "314159",'
        ' "extension": [{"url": "http://example.org/x", "valueString": "Easter 1970"}]}}',
    ),
    "a primitive without a value": (
        '<Patient xmlns="http://hl7.org/fhir"><active>'
        '<extension url="urn:x"><valueCode value="unknown"/></extension></active></Patient>',
        '{"resourceType": "Patient", "_active": {"extension": [{"url": "urn:x", "valueCode": "unknown"}]}}',
    ),
    "primitives that repeat": (
        '<Patient xmlns="http://hl7.org/fhir"><name><given value="A"/><given value="B"/></name></Patient>',
        '{"resourceType": "Patient", "name": [{"given": ["A", "B"]}]}',
    ),
    # https://hl7.org/fhir/R4/json.html#primitive: nulls fill the arrays of values and of their extensions
    "primitives that repeat, some with more, some without a value": (
        '<Patient xmlns="http://hl7.org/fhir"><name><given value="au"/><given value="nz" id="2"/>'
        '<given><extension url="urn:x"><valueInteger value="7"/></extension></given>'
        '<given value="uk"/></name></Patient>',
        '{"resourceType": "Patient", "name": [{"given": ["au", "nz", null, "uk"],'
        ' "_given": [null, {"id": "2"}, {"extension": [{"url": "urn:x", "valueInteger": 7}]}, null]}]}',
    ),
    "primitives that repeat, none with a value": (
        '<Patient xmlns="http://hl7.org/fhir"><name><given id="1"/><given id="2"/></name></Patient>',
        '{"resourceType": "Patient", "name": [{"_given": [{"id": "1"}, {"id": "2"}]}]}',
    ),
    "an id of a resource with an extension": (
        '<Patient xmlns="http://hl7.org/fhir"><id value="p">'
        '<extension url="urn:x"><valueBoolean value="true"/></extension></id></Patient>',
        '{"resourceType": "Patient", "id": "p",'
        ' "_id": {"extension": [{"url": "urn:x", "valueBoolean": true}]}}',
    ),
    "ids of elements, extensions in extensions": (
        '<Patient xmlns="http://hl7.org/fhir"><extension id="e" url="urn:x">'
        '<extension url="y"><valueQuantity id="q"><value value="1.50"/></valueQuantity></extension>'
        '</extension><contact id="c"><gender value="male"/></contact></Patient>',
        '{"resourceType": "Patient", "extension": [{"id": "e", "url": "urn:x", "extension":'
        ' [{"url": "y", "valueQuantity": {"id": "q", "value": 1.50}}]}],'
        ' "contact": [{"id": "c", "gender": "male"}]}',
    ),
    # https://hl7.org/fhir/R4/json.html: numbers and booleans are JSON's own
    "booleans, integers and decimals": (
        '<Observation xmlns="http://hl7.org/fhir">'
        '<component><valueBoolean value="false"/></component>'
        '<component><valueInteger value="-5"/></component>'
        '<component><valueQuantity><value value="100"/></valueQuantity></component>'
        '<component><valueQuantity><value value="0.10"/></valueQuantity></component>'
        '<component><valueString value="true"/></component></Observation>',
        '{"resourceType": "Observation", "component": [{"valueBoolean": false}, {"valueInteger": -5},'
        ' {"valueQuantity": {"value": 100}}, {"valueQuantity": {"value": 0.10}}, {"valueString": "true"}]}',
    ),
    # https://hl7.org/fhir/R4/narrative.html
    "a narrative": (
        f'<Basic xmlns="http://hl7.org/fhir"><text><status value="generated"/>{DIV}</text></Basic>',
        json.dumps({"resourceType": "Basic", "text": {"status": "generated", "div": DIV}}),
    ),
    # https://hl7.org/fhir/R4/references.html#contained
    "contained resources": (
        '<Basic xmlns="http://hl7.org/fhir"><contained><Patient><id value="p"/></Patient></contained>'
        '<contained><Group><id value="g"/></Group></contained></Basic>',
        '{"resourceType": "Basic", "contained": [{"resourceType": "Patient", "id": "p"},'
        ' {"resourceType": "Group", "id": "g"}]}',
    ),
    # https://hl7.org/fhir/R4/bundle.html
    "a bundle": (
        '<Bundle xmlns="http://hl7.org/fhir"><type value="batch"/>'
        '<entry><fullUrl value="urn:x"/><resource><Patient><active value="true"/></Patient></resource>'
        '<request><method value="POST"/><url value="Patient"/></request></entry>'
        '<entry><response><status value="400"/><outcome><OperationOutcome><issue><code value="value"/>'
        "</issue></OperationOutcome></outcome></response></entry></Bundle>",
        '{"resourceType": "Bundle", "type": "batch", "entry": [{"fullUrl": "urn:x",'
        ' "resource": {"resourceType": "Patient", "active": true},'
        ' "request": {"method": "POST", "url": "Patient"}}, {"response": {"status": "400", "outcome":'
        ' {"resourceType": "OperationOutcome", "issue": [{"code": "value"}]}}}]}',
    ),
    # https://hl7.org/fhir/R4/parameters.html
    "parameters, one within the other": (
        '<Parameters xmlns="http://hl7.org/fhir"><parameter><name value="a"/>'
        '<resource><Binary><data value="AAAA"/></Binary></resource></parameter><parameter>'
        '<name value="b"/><part><name value="c"/><valueUuid value="urn:uuid:0"/></part></parameter>'
        "</Parameters>",
        '{"resourceType": "Parameters", "parameter": [{"name": "a",'
        ' "resource": {"resourceType": "Binary", "data": "AAAA"}},'
        ' {"name": "b", "part": [{"name": "c", "valueUuid": "urn:uuid:0"}]}]}',
    ),
    "white space, quotes and markup in a value": (
        '<Basic xmlns="http://hl7.org/fhir"><code><text value=" a&#9;b&#10;c&#13;d &lt;&amp;>&quot;\' é😀"/>'
        "</code></Basic>",
        '{"resourceType": "Basic", "code": {"text": " a\\tb\\nc\\rd <&>\\"\' é😀"}}',
    ),
    "a resource without content": (
        '<Basic xmlns="http://hl7.org/fhir"/>',
        '{"resourceType": "Basic"}',
    ),
}

# What means the same as the first, but is written differently.
SAME_PATIENT = '<Patient xmlns="http://hl7.org/fhir"><active value="true"/></Patient>'
OTHER_SPELLINGS = {
    "comments": f"<!-- a -->{SAME_PATIENT.replace('<active', '<!-- <b> --><active')}<!-- c -->",
    "processing instructions": f"<?a b?>{SAME_PATIENT.replace('<active', '<?c d?><active')}<?e?>",
    "a declaration": '<?xml version="1.0" encoding="utf-8" standalone="yes"?>' + SAME_PATIENT,
    "a byte order mark": "\ufeff" + SAME_PATIENT,
    "a prefix": '<f:Patient xmlns:f="http://hl7.org/fhir"><f:active value="true"/></f:Patient>',
    "a namespace declared twice": SAME_PATIENT.replace("<active", '<active xmlns="http://hl7.org/fhir"'),
    "white space": '\n<Patient\n xmlns="http://hl7.org/fhir" >\r\n\t<active  value = "true" /></Patient >\n',
    "white space as CDATA": SAME_PATIENT.replace("<active", "<![CDATA[ ]]>&#10;<active"),
    "a start and an end": SAME_PATIENT.replace("/>", "> </active>"),
    "apostrophes": SAME_PATIENT.replace('"', "'"),
    "a character reference": SAME_PATIENT.replace("true", "&#x74;rue"),
    # Resources must not do so, but harmless tools do: nothing is ever loaded.
    "a schema": SAME_PATIENT.replace(
        "<Patient",
        '<Patient xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a http://b/c"',
    ),
}

# https://hl7.org/fhir/R4/datatypes.html#decimal: the digits are part of the value
DIGITS = [
    "1.00",
    "0.0",
    "-0.0",
    "-0",
    "100",
    "1E+2",
    "0.00000010",
    "3.14159265358979323846",
    "12345678901234567890123",
]


def literal(value: Any) -> str:
    """Return a JSON value as text in which decimals that are equal, but not in their digits, differ."""
    return json.dumps(value, sort_keys=True, default=str)


@pytest.mark.parametrize(("xml", "text"), PAIRS.values(), ids=PAIRS.keys())
def test_xml_and_json_mean_the_same(xml: str, text: str) -> None:
    """The XML reads as the JSON, and the JSON is written as the XML, character for character."""
    resource = json_format.parse(text.encode())
    assert literal(parse(xml.encode())) == literal(resource)
    assert dumps(resource).decode() == '<?xml version="1.0" encoding="UTF-8"?>' + xml


@pytest.mark.parametrize("xml", OTHER_SPELLINGS.values(), ids=OTHER_SPELLINGS.keys())
def test_other_spellings(xml: str) -> None:
    """XML leaves a choice of spellings, none of which means anything."""
    assert parse(xml.encode()) == {"resourceType": "Patient", "active": True}


@pytest.mark.parametrize("digits", DIGITS)
def test_digits_survive(digits: str) -> None:
    """A decimal is what it is in JSON, and is written with the same digits."""
    resource = json_format.parse(
        b'{"resourceType": "Observation", "valueQuantity": {"value": %b}}' % digits.encode()
    )
    written = dumps(resource)
    assert f'<value value="{digits}"/>'.encode() in written
    assert literal(parse(written)) == literal(resource)


@pytest.mark.parametrize("number", [5, 12345678901234567890])
def test_plus_sign(number: int) -> None:
    """An integer may have a plus sign: https://hl7.org/fhir/R4/datatypes.html#integer."""
    xml = (
        f'<Encounter xmlns="http://hl7.org/fhir"><diagnosis><rank value="+{number}"/></diagnosis></Encounter>'
    )
    assert parse(xml.encode())["diagnosis"] == [{"rank": number}]


def test_elements_are_written_in_the_order_of_their_definition() -> None:
    """In JSON the order means nothing, in XML it is fixed."""
    shuffled = {
        "valueQuantity": {"code": "kg", "value": Decimal("1.0")},
        "status": "final",
        "_status": {"id": "s"},
        "code": {"text": "x"},
        "id": "o",
        "extension": [{"valueString": "y", "url": "urn:x"}],
        "resourceType": "Observation",
    }
    names = [part.split()[0].strip("/>") for part in dumps(shuffled).decode().split("<")[2:]]
    assert [name for name in names if name and not name.startswith("/")] == [
        "Observation", "id", "extension", "valueString", "extension", "status", "code", "text", "code",
        "valueQuantity", "value", "code", "valueQuantity", "Observation",
    ]  # fmt: skip
    assert parse(dumps(shuffled)) == shuffled


def test_pretty_means_indented() -> None:
    """`_pretty` puts each element on a line, narratives as they are, and changes nothing else."""
    resource = {"resourceType": "Basic", "text": {"div": DIV}, "code": {"text": "x"}, "_created": {"id": "c"}}
    assert dumps(resource, pretty=True).decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<Basic xmlns="http://hl7.org/fhir">\n'
        "  <text>\n"
        f"    {DIV}\n"
        "  </text>\n"
        "  <code>\n"
        '    <text value="x"/>\n'
        "  </code>\n"
        '  <created id="c"/>\n'
        "</Basic>\n"
    )
    assert parse(dumps(resource, pretty=True)) == resource


def test_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """A document above the largest size is refused before it is read."""
    monkeypatch.setattr(reading, "LARGEST", len(SAME_PATIENT))
    assert parse(SAME_PATIENT.encode())
    with pytest.raises(ContentTooLarge):
        parse(SAME_PATIENT.encode() + b" ")


@pytest.mark.parametrize("character", ["\ufffe", "\uffff", "\x00", "\x1b", "\ud800"])
def test_characters_that_xml_lacks(character: str) -> None:
    """What XML cannot hold is an error, not a lost character: https://www.w3.org/TR/xml/#charsets."""
    with pytest.raises(NotAcceptable):
        dumps({"resourceType": "Basic", "code": {"text": f"a{character}b"}})


UNWRITABLE: dict[str, Any] = {
    "no resource": ["x"],
    "no type": {"id": "x"},
    "a data type": {"resourceType": "HumanName"},
    "an abstract type": {"resourceType": "DomainResource"},
    "a type that is no string": {"resourceType": {"a": 1}},
    "an unknown property": {"resourceType": "Patient", "nombre": "x"},
    "a type within a data type": {"resourceType": "Patient", "name": [{"resourceType": "HumanName"}]},
    "an extension of an object": {"resourceType": "Patient", "_name": [{"id": "x"}]},
    "an id of an id": {"resourceType": "Patient", "name": [{"_id": {"id": "x"}}]},
    "two types of a choice": {"resourceType": "Patient", "deceasedBoolean": True, "deceasedDateTime": "2000"},
    "an object for an array": {"resourceType": "Patient", "name": {"text": "x"}},
    "an array for an object": {"resourceType": "Patient", "maritalStatus": [{"text": "x"}]},
    "a text for an object": {"resourceType": "Patient", "maritalStatus": "x"},
    "a text for a boolean": {"resourceType": "Patient", "active": "true"},
    "a number for a boolean": {"resourceType": "Patient", "active": 1},
    "a boolean for a number": {"resourceType": "Patient", "multipleBirthInteger": True},
    "a number for a text": {"resourceType": "Patient", "birthDate": 1970},
    "not a number": {"resourceType": "Observation", "valueQuantity": {"value": Decimal("NaN")}},
    "null": {"resourceType": "Patient", "active": None},
    "null in an array": {"resourceType": "Patient", "name": [{"given": [None]}]},
    "markup for a narrative": {"resourceType": "Patient", "text": {"div": f"{DIV}</text><active/>"}},
    "two narratives": {"resourceType": "Patient", "text": {"div": DIV + DIV}},
    "a narrative without a namespace": {"resourceType": "Patient", "text": {"div": "<div>x</div>"}},
    "another element": {"resourceType": "Patient", "text": {"div": DIV.replace("div", "p")}},
    "a narrative with a prefix": {
        "resourceType": "Patient",
        "text": {"div": '<div:div xmlns:div="http://www.w3.org/1999/xhtml">x</div:div>'},
    },
    "an open narrative": {"resourceType": "Patient", "text": {"div": DIV.removesuffix("</div>")}},
    "an entity": {"resourceType": "Patient", "text": {"div": DIV.replace("amp", "nbsp")}},
    "half a character": {"resourceType": "Patient", "text": {"div": DIV.replace("a", "\ud800")}},
}
"""What is not valid, and could not be read again if it were written."""


@pytest.mark.parametrize("resource", UNWRITABLE.values(), ids=UNWRITABLE.keys())
def test_unwritable(resource: Any) -> None:
    """What has no place in XML is refused, not left out."""
    with pytest.raises(InvalidContent, match="cannot be written as XML"):
        dumps(resource)


def test_depth_that_can_be_written() -> None:
    """What is written can be read: both know the same depth, and more of it is refused."""

    def nested(levels: int) -> dict[str, Any]:
        extension: dict[str, Any] = {"url": "u", "valueString": "x"}
        for _ in range(levels - 2):
            extension = {"url": "u", "extension": [extension]}
        return {"resourceType": "Basic", "extension": [extension]}

    assert parse(dumps(nested(90))) == nested(90)
    for levels in (91, 100_000):
        with pytest.raises(InvalidContent, match="levels"):
            dumps(nested(levels))
