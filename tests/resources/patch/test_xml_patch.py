"""XML Patch: https://www.rfc-editor.org/rfc/rfc5261, on FHIR's XML."""

import copy
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.operation_outcome import (
    ContentTooLarge,
    FhirError,
    InvalidContent,
    TooCostly,
    UnprocessableContent,
)
from resources.patch import apply_xml_patch
from resources.patch.xml_operations import Target, apply_operations
from resources.patch.xml_selectors import parse_selector
from resources.patch.xml_tree import Comment, Element, Name, read_tree, write_tree
from resources.validation import validate

CASES = Path(__file__).parents[4] / "shared/data/fhir-test-cases/r4/patch/xml-patch-tests.xml"

DIV = """<div xmlns='http://www.w3.org/1999/xhtml'   class="a">it&#39;s <b >bold</b><br /> &lt; </div>"""
DIV_ANEW = '<div xmlns="http://www.w3.org/1999/xhtml" class="a">'
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "text": {"status": "generated", "div": DIV},
    "extension": [{"url": "urn:x", "valueDecimal": Decimal("1.50")}],
    "active": True,
    "name": [
        {"use": "official", "family": "Chalmers", "given": ["Peter", "James"]},
        {"use": "usual", "given": ["Jim"]},
    ],
    "telecom": [{"system": "phone", "value": "1"}],
    "birthDate": "1974-12-25",
}


def patched(*operations: str, resource: dict[str, Any] = PATIENT) -> dict[str, Any]:
    """Return the patient after some operations in FHIR's namespace."""
    patch = f'<diff xmlns="http://hl7.org/fhir">{"".join(operations)}</diff>'
    return apply_xml_patch(resource, patch.encode())


def elements(parent: Element) -> list[Element]:
    """Return the child elements."""
    return [child for child in parent.children if isinstance(child, Element)]


def named(parent: Element, name: str) -> Element | None:
    """Return the child element of that local name."""
    return next((element for element in elements(parent) if element.name.local == name), None)


def document(parent: Element) -> Element:
    """Return the elements in another one as a document."""
    return Element(Name("", ""), children=[*elements(parent)])


def content(node: Any) -> Any:
    """Return what a node says: without white space around text, and without default namespaces declared."""
    if isinstance(node, str):
        return node.strip()
    if isinstance(node, Comment):
        return ("comment", node.text.strip())
    prefixes = {prefix: uri for prefix, uri in node.namespaces.items() if prefix}
    children = [found for child in node.children if (found := content(child))]
    return (node.name, node.attributes, prefixes, children)


def hl7_cases() -> Iterator[tuple[str, bool]]:
    """Yield what tells a case from others, and whether it is passed."""
    for case in elements(read_tree(CASES.read_bytes())):
        target, patch, expected = (named(case, name) for name in ("target", "patch", "patched"))
        assert target is not None
        assert patch is not None
        tree = document(target)
        try:
            apply_operations(Target(tree), patch)
            passed = expected is not None and content(tree) == content(document(expected))
        except FhirError:
            passed = expected is None
        yield str(case.attributes), passed


@pytest.mark.skipif(not CASES.exists(), reason="needs ../shared/data/fhir-test-cases")
def test_hl7_cases() -> None:
    """All of https://github.com/FHIR/fhir-test-cases/blob/master/r4/patch/xml-patch-tests.xml."""
    results = list(hl7_cases())
    assert len(results) == 29
    assert [name for name, passed in results if not passed] == []


@pytest.mark.parametrize(
    ("operation", "place", "expected"),
    [
        ('<replace sel="f:Patient/f:active/@value">false</replace>', "active", False),
        ('<replace sel="Patient/active/@value">false</replace>', "active", False),
        ('<replace sel="/f:Patient/f:active"><active value="false"/></replace>', "active", False),
        ('<replace sel="f:Patient/f:birthDate/@value">1975</replace>', "birthDate", "1975"),
        ('<remove sel="f:Patient/f:active"/>', "active", None),
        ('<remove sel="f:Patient/f:active/@value"/>', "active", None),
        ('<remove sel="f:Patient/f:telecom/*[2]"/>', "telecom", [{"system": "phone"}]),
        (
            '<add sel="f:Patient/f:birthDate" pos="before"><gender value="male"/></add>',
            "gender",
            "male",
        ),
        (
            '<add sel="f:Patient/f:name[1]" pos="after"><name><text value="x"/></name></add>',
            "name",
            [PATIENT["name"][0], {"text": "x"}, PATIENT["name"][1]],
        ),
        (
            "<add sel=\"f:Patient/f:name[f:use/@value='usual']\"> <given value='Jack'/> </add>",
            "name",
            [PATIENT["name"][0], {"use": "usual", "given": ["Jim", "Jack"]}],
        ),
        (
            "<add sel=\"f:Patient/f:name[f:family]/f:given[@value='James']\" type='@id'>j</add>",
            "name",
            [
                {**PATIENT["name"][0], "_given": [None, {"id": "j"}]},
                PATIENT["name"][1],
            ],
        ),
        (
            '<remove sel="f:Patient/f:name[last()]/f:use"/>',
            "name",
            [PATIENT["name"][0], {"given": ["Jim"]}],
        ),
        (
            '<add sel="f:Patient/f:name[1]/f:given[1]" pos="prepend"><extension url="urn:e">'
            '<valueString value="v"/></extension></add>',
            "name",
            [
                {
                    **PATIENT["name"][0],
                    "_given": [{"extension": [{"url": "urn:e", "valueString": "v"}]}, None],
                },
                PATIENT["name"][1],
            ],
        ),
        (
            '<remove sel="f:Patient/f:text/h:div/h:b/text()"/>',
            "text",
            {"status": "generated", "div": f"{DIV_ANEW}it's <b></b><br/> &lt; </div>"},
        ),
        (
            "<replace sel=\"f:Patient/f:text/h:div/h:b[.='bold']/text()\">b</replace>",
            "text",
            {"status": "generated", "div": f"{DIV_ANEW}it's <b>b</b><br/> &lt; </div>"},
        ),
        ('<add sel="f:Patient" pos="before"><!-- a comment --></add>', "active", True),
        ('<add sel="f:Patient" type="namespace::p">urn:p</add>', "active", True),
    ],
)
def test_operations(operation: str, place: str, expected: Any) -> None:
    """https://www.rfc-editor.org/rfc/rfc5261#section-4; None for nothing. What comes out is valid."""
    result = patched(operation)
    assert result.get(place) == expected
    assert validate(result) == []


def test_what_is_not_patched_stays() -> None:
    """A narrative keeps its characters, decimals keep their digits, and the resource stays as it was."""
    before = copy.deepcopy(PATIENT)
    result = patched('<remove sel="f:Patient/f:active"/>')
    assert result == {name: value for name, value in PATIENT.items() if name != "active"}
    assert str(result["extension"][0]["valueDecimal"]) == "1.50"
    assert before == PATIENT


def test_nothing_empty_is_left() -> None:
    """https://hl7.org/fhir/R4/xml.html: elements have a value or children; what a removal empties goes."""
    result = patched(
        '<remove sel="f:Patient/f:telecom/f:system"/>',
        '<remove sel="f:Patient/f:telecom/f:value"/>',
        '<remove sel="f:Patient/f:name[2]/f:use/@value"/>',
        '<remove sel="f:Patient/f:name[2]/f:given"/>',
    )
    assert "telecom" not in result
    assert result["name"] == [PATIENT["name"][0]]
    refilled = patched(
        '<remove sel="f:Patient/f:telecom/*[1]"/>',
        '<remove sel="f:Patient/f:telecom/*[1]"/>',
        '<add sel="f:Patient/f:telecom"><rank value="1"/></add>',
    )
    assert refilled["telecom"] == [{"rank": 1}]


def test_namespaces() -> None:
    """https://www.rfc-editor.org/rfc/rfc5261#section-4.2: prefixes and the default are those of the patch."""
    for patch in (
        '<p:diff xmlns:p="urn:p" xmlns:x="http://hl7.org/fhir"><p:remove sel="x:Patient/x:active"/></p:diff>',
        '<diff><remove xmlns:x="http://hl7.org/fhir" sel="x:Patient/x:active"/></diff>',
        '<diff><remove xmlns="http://hl7.org/fhir" sel="Patient/active"/></diff>',
        '<diff><remove sel="f:Patient/f:active"/></diff>',
    ):
        assert "active" not in apply_xml_patch(PATIENT, patch.encode())
    with pytest.raises(UnprocessableContent, match="selects nothing"):
        apply_xml_patch(PATIENT, b'<diff><remove sel="Patient/active"/></diff>')


def test_white_space() -> None:
    """https://www.rfc-editor.org/rfc/rfc5261#section-4.5: `ws` removes the white space beside a node."""
    for option, left in (("before", "<b>\n  </b>"), ("after", "<b>\n  </b>"), ("both", "<b></b>")):
        tree = document(read_tree(b"<a><b>\n  <c/>\n  </b></a>"))
        patch = read_tree(f'<d><remove sel="b/c" ws="{option}"/></d>'.encode())
        apply_operations(Target(tree), patch)
        assert write_tree(elements(tree)[0]).decode() == left
    tight = document(read_tree(b"<a><b>x<c/></b></a>"))
    for option in ("before", "after", "both"):
        patch = read_tree(f'<d><remove sel="b/c" ws="{option}"/></d>'.encode())
        with pytest.raises(UnprocessableContent, match="no white space"):
            apply_operations(Target(tight), patch)


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        ('<remove sel="f:Patient/f:gender"/>', "selects nothing"),
        ('<remove sel="f:Patient/f:name"/>', "selects 2 nodes, and must select one"),
        ('<remove sel="f:Patient/f:name[3]"/>', "selects nothing"),
        ('<remove sel="f:Patient/f:name[0]"/>', "selects nothing"),
        ('<remove sel="f:Patient/f:active/f:value"/>', "selects nothing"),
        ('<remove sel="f:Patient/f:active/text()[f:a]"/>', "selects nothing"),
        ('<remove sel="f:Patient"/>', "the resource itself cannot be removed"),
        ('<add sel="f:Patient/f:active/@value">x</add>', "nothing can be added to an attribute"),
        ('<add sel="f:Patient/f:active/@value" type="@x">x</add>', "only an element can get children"),
        ('<add sel="f:Patient/f:text/h:div/text()[1]">x</add>', "only an element can get children"),
        ('<add sel="f:Patient/f:active" type="@value">false</add>', "the attribute to add is there already"),
        ('<add sel="f:Patient" pos="after"><Patient/></add>', "only comments can stand beside"),
        ('<add sel="f:Patient"><strange value="x"/></add>', "leaves something that is no FHIR resource"),
        ('<add sel="f:Patient"><name/></add>', "leaves something that is no FHIR resource"),
        ('<add sel="f:Patient">text</add>', "leaves something that is no FHIR resource"),
    ],
)
def test_what_does_not_apply(operation: str, message: str) -> None:
    """A selector must select one node, and what comes out must be FHIR."""
    with pytest.raises(UnprocessableContent) as caught:
        patched(operation)
    assert message in str(caught.value)
    assert "Chalmers" not in str(caught.value)


@pytest.mark.parametrize(
    "patch",
    [
        b"",
        b"<diff>",
        b"<diff/>",
        b"<diff> text </diff>",
        b"\xff<diff/>",
        b"<!DOCTYPE diff [<!ENTITY a 'b'>]><diff><remove sel='f:Patient/f:active'/></diff>",
        b"<diff>" + b"<a>" * 300 + b"</a>" * 300 + b"</diff>",
        b"<diff><move sel='f:Patient'/></diff>",
        b"<diff><remove/></diff>",
        b"<diff><remove sel='f:Patient/f:active' pos='before'/></diff>",
        b"<diff><remove sel='f:Patient/f:active' ws='some'/></diff>",
        b"<diff><replace sel='f:Patient/f:active'>x</replace></diff>",
        b"<diff><replace sel='f:Patient/f:active'><a/><b/></replace></diff>",
        b"<diff><replace sel='f:Patient/f:active'><!-- x --></replace></diff>",
        b"<diff><replace sel='f:Patient/f:active/@value'><a/></replace></diff>",
        b"<diff><add sel='f:Patient/f:active' pos='here'/></diff>",
        b"<diff><add sel='f:Patient/f:active' type='id'>x</add></diff>",
        b"<diff><add sel='f:Patient/f:active' type='@a b'>x</add></diff>",
        b"<diff><add sel='f:Patient/f:active' type='@id' pos='before'>x</add></diff>",
    ],
)
def test_what_is_no_patch(patch: bytes) -> None:
    """What is no XML, or no XML Patch, is refused."""
    with pytest.raises(InvalidContent):
        apply_xml_patch(PATIENT, patch)


@pytest.mark.parametrize(
    "selector",
    [
        *(
            "",
            "/",
            "a/",
            "a//b",
            "..",
            ".",
            "a b",
            "x:a",
            "a[",
            "a[]",
            "a[1",
            "a[1]]",
            "5",
            "a#",
            "f:*",
            "a/@*",
        ),
        *(
            "a[b=]",
            "a[b=c]",
            "a[b='c]",
            "a[b and c]",
            "a[position()=1]",
            "a | b",
            "@a/b",
            "text()/a",
            "id('a')",
        ),
        *("last()", "a" * 2001, "a" + "[a" * 11 + "]" * 11),
    ],
)
def test_what_is_no_selector(selector: str) -> None:
    """XPath beyond https://www.rfc-editor.org/rfc/rfc5261#section-8 is refused, not misunderstood."""
    with pytest.raises(InvalidContent, match="selector"):
        parse_selector(selector, {})


@given(st.text(alphabet="ab:/[]@='.*1 last()text", max_size=20))
def test_any_text_is_a_selector_or_refused(selector: str) -> None:
    """Any text is read as steps, or refused."""
    try:
        assert parse_selector(selector, {"a": "urn:a"})
    except InvalidContent as failure:
        assert failure.issues[0].code == "value"  # noqa: PT017 - either an error or a result


TEXTS = st.text("ab<>&\"'\r\n\t é", max_size=6)
TREES = st.recursive(
    st.builds(Element, st.builds(Name, st.sampled_from(["", "urn:x"]), st.sampled_from("ab"))),
    lambda inner: st.builds(
        Element,
        st.builds(Name, st.sampled_from(["", "urn:x", "urn:y"]), st.sampled_from("ab")),
        attributes=st.dictionaries(
            st.builds(Name, st.sampled_from(["", "urn:z"]), st.sampled_from("cd")), TEXTS
        ),
        children=st.lists(inner | st.builds(Comment, st.sampled_from(["", " x "])), max_size=3),
    ),
    max_leaves=6,
)


@given(TREES, TEXTS)
def test_what_is_written_is_read(tree: Element, text: str) -> None:
    """A tree that was written is read as the same tree."""
    tree.children.insert(0, text)

    def shape(node: Any) -> Any:
        if isinstance(node, str):
            return node
        if isinstance(node, Comment):
            return ("comment", node.text)
        return (node.name, node.attributes, [shape(child) for child in node.children if child != ""])

    assert shape(read_tree(write_tree(tree))) == shape(tree)


def test_patches_are_bounded() -> None:
    """Very many operations, and selectors that look at very much, are refused."""
    with pytest.raises(ContentTooLarge):
        patched(*['<remove sel="f:Patient/f:gender"/>'] * 1001)
    many = {**PATIENT, "name": [{"given": ["x"]}] * 20_000}
    with pytest.raises(TooCostly):
        patched(*['<remove sel="f:Patient/f:name[f:given][last()]"/>'] * 100, resource=many)
