"""The narrative's div, an element in XML and a string in JSON: https://hl7.org/fhir/R4/json.html#xhtml."""

import pytest

from resources.operation_outcome import InvalidContent
from resources.validation import validate
from resources.xml_format import dumps, parse

FHIR = "http://hl7.org/fhir"
XHTML = "http://www.w3.org/1999/xhtml"

# Whatever the string, it stands in the document as it is, and comes back as it was.
VERBATIM = {
    "plain": f'<div xmlns="{XHTML}">x</div>',
    "apostrophes": f"<div xmlns='{XHTML}'>x</div>",
    "spaces in tags": f'<div\n  xmlns="{XHTML}"  ><br  /><br></br></div  >',
    "no content": f'<div xmlns="{XHTML}"/>',
    "no content, and a space": f'<div xmlns="{XHTML}" />',
    "nested": f'<div xmlns="{XHTML}"><div><div/></div><div>x</div></div>',
    "a tag of its own at the end": f'<div xmlns="{XHTML}"><br/></div>',
    "references": f'<div xmlns="{XHTML}">&lt;&#160;&#x1F600;&quot;&apos;&gt;&amp;</div>',
    "references in attributes": f'<div xmlns="{XHTML}"><a title="&#10;&quot;\'>">x</a></div>',
    "other alphabets": f'<div xmlns="{XHTML}">é Ω 漢 😀</div>',
    "line ends": f'<div xmlns="{XHTML}">a\r\nb\rc\n\td</div>',
    "comments": f'<div xmlns="{XHTML}"><!-- </div> -->x</div>',
    "CDATA": f'<div xmlns="{XHTML}"><![CDATA[</div> & <p>]]></div>',
    "a language": f'<div xmlns="{XHTML}" xml:lang="en" lang="en">x</div>',
    "a prefix that is declared and not used": f'<div xmlns="{XHTML}" xmlns:f="{FHIR}">x</div>',
    "a prefix that is declared and used": f'<div xmlns="{XHTML}" xmlns:h="{XHTML}"><h:p>x</h:p></div>',
    "deeper than resources may be": f'<div xmlns="{XHTML}">{"<b>" * 500}x{"</b>" * 500}</div>',
}

# Documents whose div needs declarations from around it, and the div that means the same without them.
REWRITTEN = {
    "the default namespace from outside": (
        f'<f:Basic xmlns:f="{FHIR}" xmlns="{XHTML}"><f:text><div><p>x</p></div></f:text></f:Basic>',
        f'<div xmlns="{XHTML}"><p>x</p></div>',
    ),
    "a prefix from outside": (
        f'<Basic xmlns="{FHIR}" xmlns:h="{XHTML}"><text><h:div class="c"><h:br/>x</h:div></text></Basic>',
        f'<div xmlns="{XHTML}" class="c"><br></br>x</div>',
    ),
    "a prefix from outside, used within": (
        f'<Basic xmlns="{FHIR}" xmlns:h="{XHTML}"><text><div xmlns="{XHTML}"><h:p/></div></text></Basic>',
        f'<div xmlns="{XHTML}"><p></p></div>',
    ),
    "prefixes from outside and of its own": (
        f'<Basic xmlns="{FHIR}" xmlns:h="{XHTML}"><text>'
        f'<div xmlns="{XHTML}" xmlns:o="{XHTML}"><h:p/><o:p/></div></text></Basic>',
        f'<div xmlns="{XHTML}"><p></p><p></p></div>',
    ),
    "a prefix of its own": (
        f'<Basic xmlns="{FHIR}"><text><h:div xmlns:h="{XHTML}"><h:p>x</h:p></h:div></text></Basic>',
        f'<div xmlns="{XHTML}"><p>x</p></div>',
    ),
    "a prefix like its name": (
        f'<Basic xmlns="{FHIR}"><text><div:div xmlns:div="{XHTML}" xmlns="">x</div:div></text></Basic>',
        f'<div xmlns="{XHTML}">x</div>',
    ),
    "markup and white space as text": (
        f'<Basic xmlns="{FHIR}" xmlns:h="{XHTML}"><text>'
        "<h:div>&lt;b> &amp;amp;&#13;<![CDATA[<i>]]></h:div></text></Basic>",
        f'<div xmlns="{XHTML}">&lt;b&gt; &amp;amp;&#13;&lt;i&gt;</div>',
    ),
    "attributes": (
        f'<Basic xmlns="{FHIR}" xmlns:h="{XHTML}"><text>'
        f"<h:div xml:lang='en'><h:a title='&#10;&quot;&lt;'>x</h:a></h:div></text></Basic>",
        f'<div xmlns="{XHTML}" xml:lang="en"><a title=\'&#10;"&lt;\'>x</a></div>',
    ),
}

# What the namespaces of the document around it let through, but not XHTML.
NOT_XHTML = {
    "another namespace": '<h:div xmlns:x="urn:x"><x:p/></h:div>',
    "no namespace": "<h:div><p xmlns=''/></h:div>",
    "FHIR within": "<h:div><Basic/></h:div>",
    "an attribute of another namespace": '<h:div xmlns:x="urn:x" x:a="b"/>',
}


@pytest.mark.parametrize("div", VERBATIM.values(), ids=VERBATIM.keys())
@pytest.mark.parametrize("pretty", [False, True])
def test_verbatim(div: str, *, pretty: bool) -> None:
    """A div that depends on nothing around it is the same string of characters in XML and JSON."""
    resource = {"resourceType": "Basic", "text": {"status": "generated", "div": div}, "created": "2000"}
    written = dumps(resource, pretty=pretty)
    assert div.encode() in written
    assert parse(written) == resource


@pytest.mark.parametrize(("xml", "div"), REWRITTEN.values(), ids=REWRITTEN.keys())
def test_rewritten(xml: str, div: str) -> None:
    """A div with namespaces from around it is written anew, so that it means the same on its own."""
    resource = parse(xml.encode())
    assert resource == {"resourceType": "Basic", "text": {"div": div}}
    assert parse(dumps(resource)) == resource


@pytest.mark.parametrize("div", NOT_XHTML.values(), ids=NOT_XHTML.keys())
def test_not_xhtml(div: str) -> None:
    """What is rewritten must be XHTML through and through."""
    xml = f'<Basic xmlns="{FHIR}" xmlns:h="{XHTML}"><text>\n{div}</text></Basic>'
    with pytest.raises(InvalidContent) as caught:
        parse(xml.encode())
    issue = caught.value.issues[0]
    assert issue.diagnostics == "The narrative must be XHTML and nothing else (line 2)"
    assert issue.expression == ("Basic.text.div",)


def test_elements_after_a_narrative() -> None:
    """After the div the elements of FHIR go on, with what they may and must not have."""
    start = f'<Basic xmlns="{FHIR}"><text><div xmlns="{XHTML}"><p>x</p>y</div>'
    resource = parse(f'{start}</text><created value="2000"/></Basic>'.encode())
    assert resource["created"] == "2000"
    for wrong in ("z</text></Basic>", "<div/></text></Basic>", f'<div xmlns="{XHTML}"/></text></Basic>'):
        with pytest.raises(InvalidContent):
            parse((start + wrong).encode())


def test_white_space_around_a_div_is_not_kept() -> None:
    """In XML it is white space between elements, which means nothing."""
    div = VERBATIM["plain"]
    written = dumps({"resourceType": "Basic", "text": {"div": f"\n {div}\n"}})
    assert parse(written)["text"]["div"] == div


def test_validation_sees_what_a_browser_would() -> None:
    """Active content comes through reading as it is, for validation to refuse."""
    xml = f'<Basic xmlns="{FHIR}"><text><div xmlns="{XHTML}"><script>x</script></div></text></Basic>'
    resource = parse(xml.encode())
    assert any(issue.expression == ("Basic.text.div",) for issue in validate(resource))
