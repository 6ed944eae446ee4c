"""The XHTML of narratives: https://hl7.org/fhir/R4/narrative.html#xhtml."""

from time import perf_counter

import pytest

from resources.validation import validate

XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'


def codes(div: str) -> list[str]:
    """Return the codes of the issues of a narrative; all of them are at the div."""
    issues = validate({"resourceType": "Patient", "text": {"status": "generated", "div": div}})
    assert all(issue.expression == ("Patient.text.div",) for issue in issues[:1000])
    return [issue.code for issue in issues]


def with_content(content: str) -> str:
    """Return a narrative with the given content."""
    return f"<div {XHTML}>{content}</div>"


VALID = [
    with_content("text"),
    f"\n<div {XHTML}\n>text</div>\n",
    f'<div {XHTML} lang="de" xml:lang="de">Grüße &amp; &lt; &#160; \u00a0</div>',
    with_content('<p class="a" id="b" style="color: red">x<br/>y</p>'),
    with_content('<table border="1"><thead><tr><th colspan="2">x</th></tr></thead></table>'),
    with_content(
        '<a href="http://example.org">x</a><a name="y">y</a><a href="#z">z</a><a href="Patient/1">w</a>'
    ),
    with_content('<img src="#pic1" alt="x"/>'),
    with_content('<img src="data:image/png;base64,AAAA"/>'),
    with_content("<!-- a comment --><![CDATA[text]]>"),
]

# txt-1: https://hl7.org/fhir/R4/narrative-definitions.html#Narrative.div
FORBIDDEN = [
    "<script>alert(1)</script>",
    "<iframe src='http://example.org'/>",
    "<object/>",
    "<form/>",
    "<input/>",
    "<link href='x'/>",
    "<style>p {}</style>",
    "<body/>",
    "<svg xmlns='http://www.w3.org/2000/svg'/>",
    "<p xmlns='urn:x'>x</p>",
    "<DIV>x</DIV>",
    "<p onclick='x()'>x</p>",
    "<p formaction='x'>x</p>",
    "<a xmlns:x='http://www.w3.org/1999/xlink' x:href='y'>x</a>",
    "<a href='javascript:x()'>x</a>",
    "<a href=' JavaScript:x()'>x</a>",
    "<a href='java&#10;script:x()'>x</a>",
    "<a href='&#9;vbscript:x'>x</a>",
    "<a href='data:text/html,x'>x</a>",
    "<img src='data:image/svg+xml,x'/>",
    "<p style='background: url(http://example.org/x)'>x</p>",
    "<p style='width: EXPRESSION(x)'>x</p>",
    "<p style='@import x'>x</p>",
    r"<p style='u\72l(x)'>x</p>",
    "<p style='ur/**/l(x)'>x</p>",
]

MALFORMED = [
    "text",
    "<p>text</p>",
    f"<p {XHTML}>text</p>",
    f"<divx {XHTML}>text</divx>",
    f'<?xml version="1.0"?><div {XHTML}>text</div>',
    f"<!DOCTYPE div><div {XHTML}>text</div>",
    f"<div {XHTML}>text",
    f"<div {XHTML}>text</div><div>more</div>",
    f"<div {XHTML}>text</div>more",
    with_content("<p>text</div>"),
    with_content("text<br>"),
    with_content("a & b"),
    with_content("&nbsp;text"),
    with_content("<p a='1' a='2'>x</p>"),
    with_content("<?php x ?>text"),
    with_content("text\x00"),
    with_content("text\ud800"),
    "<div",
]


@pytest.mark.parametrize("div", VALID)
def test_valid(div: str) -> None:
    """Basic formatting, links and images are allowed."""
    assert codes(div) == []


@pytest.mark.parametrize("content", FORBIDDEN)
def test_active_or_foreign_content(content: str) -> None:
    """txt-1: what runs, loads a style, or is no basic formatting is refused."""
    assert set(codes(with_content(f"text{content}"))) == {"invariant"}


@pytest.mark.parametrize("div", MALFORMED)
def test_malformed(div: str) -> None:
    """A narrative is one well-formed div and nothing around it."""
    assert codes(div) == ["structure"]


@pytest.mark.parametrize("content", ["", " \n", "<p> </p>", "<img alt='x'/>", "<!-- x -->"])
def test_blank(content: str) -> None:
    """txt-2: a narrative has text or an image: https://hl7.org/fhir/R4/narrative-definitions.html#Narrative.div."""
    assert codes(with_content(content)) == ["invariant"]


def test_not_in_the_namespace() -> None:
    """https://hl7.org/fhir/R4/narrative.html: the div is in the XHTML namespace."""
    assert codes("<div>text</div>") == ["invariant"]


def test_every_mistake_is_told_without_its_text() -> None:
    """Each forbidden thing is an issue of its own, told by its place and without the narrative's text."""
    div = with_content("<secret>Jane</secret><p secret='Jane'>x</p>\n<a href='javascript:Jane'>Jane</a>")
    issues = validate({"resourceType": "Patient", "text": {"status": "generated", "div": div}})
    assert ["line 1" in issue.diagnostics for issue in issues] == [True, True, False]
    assert not any("Jane" in issue.diagnostics or "secret" in issue.diagnostics for issue in issues)


@pytest.mark.parametrize(
    "declarations",
    [
        '<!ENTITY a "x"><!ENTITY b "&a;&a;&a;"><!ENTITY c "&b;&b;&b;">',
        '<!ENTITY c SYSTEM "file:///etc/hostname">',
        '<!ENTITY % p SYSTEM "http://example.org/x.dtd"> %p;',
    ],
)
def test_entities_are_never_expanded(declarations: str) -> None:
    """Declarations are refused before any entity is read: https://hl7.org/fhir/R4/security.html#narrative."""
    assert codes(f"<!DOCTYPE div [{declarations}]><div {XHTML}>&c;</div>") == ["structure"]
    assert codes(f"<div {XHTML}>&c;</div>") == ["structure"]


def test_time_is_bounded() -> None:
    """A megabyte of the worst markup takes time in proportion to its size."""
    started = perf_counter()
    assert len(codes(with_content("<x>" * 100_000 + "</x>" * 100_000))) == 1001
    assert codes(with_content("<b>" * 100_000 + "x" + "</b>" * 100_000)) == []
    assert codes("<div" * 100_000) == ["structure"]
    assert perf_counter() - started < 10
