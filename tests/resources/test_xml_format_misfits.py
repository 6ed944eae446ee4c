"""Well-formed XML that is not FHIR: what is told, and about which place (https://hl7.org/fhir/R4/xml.html)."""

import pytest

from resources.definitions import resource_types
from resources.operation_outcome import InvalidContent, Issue
from resources.xml_format import parse

START = '<Patient xmlns="http://hl7.org/fhir">'
XHTML = "http://www.w3.org/1999/xhtml"

EMPTY_ELEMENT = "An element is never empty: leave it out"
EMPTY_ATTRIBUTE = "An attribute is never empty: leave it out"
TEXT = "There may be no text here: values are in the attribute 'value'"
BOOLEAN = "The value must be true or false"
INTEGER = "The value must be an integer without a decimal point"
DECIMAL = "The value must be a decimal number"
BOUNDS = "The value must be a number of at most 34 digits, within the range of a decimal128"

Rows = dict[str, tuple[str, str, str]]
"""By what is wrong: the XML in a patient up to there, the path and the sentence that are told."""

ELEMENTS: Rows = {
    "unknown": ("<nombre/>", "Patient", "The element 'nombre' is not known here"),
    "of another type": ("<contact><active/>", "Patient.contact[0]", "The element 'active' is not known here"),
    "in another case": ("<Active/>", "Patient", "The element 'Active' is not known here"),
    "a choice without a type": ("<deceased/>", "Patient", "The element 'deceased' is not known here"),
    "an attribute": (
        '<extension url="x"><url value="x"/>',
        "Patient.extension[0]",
        "The element 'url' is not known here",
    ),
    "in a primitive": ("<active><value/>", "Patient.active", "The element 'value' is not known here"),
    "a name that may be content": ("<ü/>", "Patient", "The element is not known here"),
    "a name that is too long": (f"<{'a' * 65}/>", "Patient", "The element is not known here"),
    "in no namespace": (
        '<active xmlns=""/>',
        "Patient",
        "The element 'active' must be in the namespace http://hl7.org/fhir",
    ),
    "in another namespace": (
        '<x:active xmlns:x="urn:x"/>',
        "Patient",
        "The element 'active' must be in the namespace http://hl7.org/fhir",
    ),
    "a narrative of FHIR": (
        "<text><div/>",
        "Patient.text",
        f"The element 'div' must be in the namespace {XHTML}",
    ),
    "empty": ("<name> </name>", "Patient.name[0]", EMPTY_ELEMENT),
    "empty in an array": ("<name><given id='x'/><given/>", "Patient.name[0].given[1]", EMPTY_ELEMENT),
    "an empty primitive": ("<active><!-- true --></active>", "Patient.active", EMPTY_ELEMENT),
    "an empty container": ("<contained/>", "Patient.contained[0]", EMPTY_ELEMENT),
    "two resources": (
        "<contained><Basic/></contained><contained><Basic/><Basic/>",
        "Patient.contained[1]",
        "There may be only one resource here",
    ),
    "an unknown resource": (
        "<contained><Pet/>",
        "Patient.contained[0]",
        "The element 'Pet' is not a resource type of FHIR R4",
    ),
    "a data type as a resource": (
        "<contained><Period/>",
        "Patient.contained[0]",
        "The element 'Period' is not a resource type of FHIR R4",
    ),
    "unknown in a resource in another": (
        "<contained><Basic><code><coding/></code></Basic>",
        "Patient.contained[0].code.coding[0]",
        EMPTY_ELEMENT,
    ),
}

ATTRIBUTES: Rows = {
    "unknown": ("<active x='y'/>", "Patient.active", "The attribute 'x' is not known here"),
    "a value of an object": (
        "<name value='x'/>",
        "Patient.name[0]",
        "The attribute 'value' is not known here",
    ),
    "a url of no extension": ("<name url='x'/>", "Patient.name[0]", "The attribute 'url' is not known here"),
    "of the instance's type": (
        '<contained><Basic xmlns:x="http://www.w3.org/2001/XMLSchema-instance" x:type="y"/>',
        "Patient.contained[0]",
        "The attribute is not known here",
    ),
    "of another namespace": ("<active xml:lang='en'/>", "Patient.active", "The attribute is not known here"),
    "the id of a resource": (
        "<contained><Basic id='x'/>",
        "Patient.contained[0]",
        "The attribute 'id' is not known here",
    ),
    "the id of a container": (
        "<contained id='x'/>",
        "Patient.contained[0]",
        "The attribute 'id' is not known here",
    ),
    "empty": ("<name><given value=''/>", "Patient.name[0].given[0]", EMPTY_ATTRIBUTE),
    "an empty id": ("<active id=''/>", "Patient.active", EMPTY_ATTRIBUTE),
}

TEXTS: Rows = {
    "in a resource": ("x<x/>", "Patient", TEXT),
    "in an object": ("<name><text value='x'/>y<x/>", "Patient.name[0]", TEXT),
    "for a value": ("<name><text>x</text>", "Patient.name[0].text", TEXT),
    "a no-break space": ("&#160;<x/>", "Patient", TEXT),
    "CDATA": ("<![CDATA[x]]><x/>", "Patient", TEXT),
}

# https://hl7.org/fhir/R4/xml.html: elements in the order of the definition, those of one array together
ORDER: Rows = {
    "wrong": (
        "<birthDate value='2000'/><active/>",
        "Patient.active",
        "The element 'active' must be before the elements that precede it here",
    ),
    "wrong in a data type": (
        "<name><given value='x'/><family/>",
        "Patient.name[0].family",
        "The element 'family' must be before the elements that precede it here",
    ),
    "an interrupted array": (
        "<name><text value='x'/></name><gender value='male'/><name/>",
        "Patient.name",
        "The elements 'name' must follow one another without others between them",
    ),
    "an element twice": (
        "<active value='true'/><active/>",
        "Patient.active",
        "The element 'active' is the second one, or of a second type, where only one may be",
    ),
    "a choice twice": (
        "<deceasedBoolean value='true'/><deceasedDateTime/>",
        "Patient.deceased.ofType(dateTime)",
        "The element 'deceasedDateTime' is the second one, or of a second type, where only one may be",
    ),
}

# https://hl7.org/fhir/R4/datatypes.html#primitive
VALUES: Rows = {
    **{
        f"a boolean: {text}": (f"<active value='{text}'/>", "Patient.active", BOOLEAN)
        for text in ("TRUE", "1", "x", " true")
    },
    **{
        f"an integer: {text}": (
            f"<multipleBirthInteger value='{text}'/>",
            "Patient.multipleBirth.ofType(integer)",
            INTEGER,
        )
        for text in ("1.0", "01", "1e2", "٣", "x", "1_0", " 1", "1&#10;", "++1")
    },
    **{
        f"a decimal: {text[:9]}": (
            f"<extension url='u'><valueDecimal value='{text}'/>",
            "Patient.extension[0].value.ofType(decimal)",
            DECIMAL,
        )
        for text in (
            "1.",
            ".5",
            "+1",
            "01",
            "0x1",
            "1_0",
            "NaN",
            "Infinity",
            "1,5",
            "1e",
            "--1",
            "1&#10;",
            "٣",
        )
    },
    **{
        f"a decimal: {text[:9]}": (
            f"<extension url='u'><valueDecimal value='{text}'/>",
            "Patient.extension[0].value.ofType(decimal)",
            BOUNDS,
        )
        for text in ("1." + "1" * 40, "1e99999", "9" * 1_000_000)
    },
}

CODES = {EMPTY_ELEMENT: "invalid", EMPTY_ATTRIBUTE: "invalid"} | dict.fromkeys(
    (BOOLEAN, INTEGER, DECIMAL, BOUNDS), "value"
)
"""The issue types of the sentences; that of all others is `structure`."""


def refusal(xml: str) -> Issue:
    """Return the issue with which a document is refused."""
    with pytest.raises(InvalidContent) as caught:
        parse(xml.encode())
    (issue,) = caught.value.issues
    return issue


def rows(**tables: Rows) -> pytest.MarkDecorator:
    """Return the parameters of a test from tables."""
    found = {f"{table} {name}": row for table, rows in tables.items() for name, row in rows.items()}
    return pytest.mark.parametrize(("xml", "path", "text"), found.values(), ids=found.keys())


@rows(elements=ELEMENTS, attributes=ATTRIBUTES, text=TEXTS, order=ORDER, values=VALUES)
def test_misfits(xml: str, path: str, text: str) -> None:
    """What does not fit the definition is refused with its line and its path."""
    issue = refusal(f"{START}\n\n{xml}")
    assert issue == Issue("error", CODES.get(text, "structure"), f"{text} (line 3)", (path,))


@pytest.mark.parametrize(
    "root",
    [
        '<Pet xmlns="http://hl7.org/fhir"/>',
        '<DomainResource xmlns="http://hl7.org/fhir"/>',
        '<name xmlns="http://hl7.org/fhir"/>',
        '<feed xmlns="http://www.w3.org/2005/Atom"/>',
        '<Patient id="x" xmlns="http://hl7.org/fhir"/>',
        "<Patient/>",
        f'<div xmlns="{XHTML}"/>',
    ],
)
def test_roots(root: str) -> None:
    """The root is a resource in the namespace of FHIR, without attributes."""
    assert refusal(root).code == "structure"


@pytest.mark.parametrize("name", resource_types()[::10])
def test_each_type_has_its_elements_and_no_others(name: str) -> None:
    """Every type has what resources have, and refuses what none has."""
    start = f'<{name} xmlns="http://hl7.org/fhir"><id value="x"/>'
    assert parse(f"{start}</{name}>".encode()) == {"resourceType": name, "id": "x"}
    assert refusal(f"{start}<nombre/></{name}>").expression == (name,)
