"""Laws of the XML format (https://hl7.org/fhir/R4/formats.html) on resources that hypothesis makes."""

import json
import xml.etree.ElementTree as ElementTree
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from resources import json_format
from resources.definitions import Element, resource_types, structure
from resources.operation_outcome import FhirError, InvalidContent
from resources.xml_format import dumps, parse

DEEPEST = 3
XHTML = "http://www.w3.org/1999/xhtml"

# What FHIR allows in a string, but for the last two, which XML lacks.
characters = st.characters(
    exclude_categories=["Cs", "Cc"], include_characters="\t\n\r", exclude_characters="\ufffe\uffff"
)
texts = st.text(characters, min_size=1, max_size=8)
integers = st.integers(-(2**31), 2**31 - 1)
decimals = integers | st.decimals(
    allow_nan=False, allow_infinity=False, places=3, min_value=-999, max_value=999
)
divs = st.sampled_from(
    [
        f'<div xmlns="{XHTML}">x</div>',
        f'<div xmlns="{XHTML}" xmlns:f="http://hl7.org/fhir"><p/>&#13;\r\n<!-- y --></div>',
        f"<div xmlns='{XHTML}'><a href=\"&quot;\">é<![CDATA[<]]></a></div>",
    ]
)
PRIMITIVES: dict[str, st.SearchStrategy[Any]] = {
    "boolean": st.booleans(),
    "decimal": decimals | decimals.map(lambda number: Decimal(f"{number}E-7")),
    "integer": integers,
    "unsignedInt": integers,
    "positiveInt": integers,
}
ids = st.text("abc", min_size=1, max_size=3)


@st.composite
def resources(draw: st.DrawFn, depth: int = 0) -> dict[str, Any]:
    """Make a resource of any type: elements from its definition, in any order, few of them required."""
    name = draw(st.sampled_from(resource_types()))
    return {"resourceType": name, **draw(objects(name, "", depth))}


@st.composite
def objects(draw: st.DrawFn, type_name: str, path: str, depth: int) -> dict[str, Any]:
    """Make an object of a type, or of the backbone element at a path of it, with one property at least."""
    prefix = f"{path}." if path else ""
    children = [
        element
        for key, element in structure(type_name).elements.items()
        if key.startswith(prefix) and key != path and "." not in key.removeprefix(prefix)
    ]
    simple = [child for child in children if child.types and child.types[0].code[0].islower()]
    chosen = draw(st.lists(st.sampled_from(children if depth < DEEPEST else simple), min_size=1, max_size=4))
    found: dict[str, Any] = {}
    for child in {child.path: child for child in chosen}.values():
        found |= draw(properties(type_name, child, child.path.removeprefix(prefix), depth))
    return found


@st.composite
def properties(draw: st.DrawFn, type_name: str, element: Element, name: str, depth: int) -> dict[str, Any]:
    """Make the property of an element, or the two of a primitive."""
    types = [type_.code for type_ in element.types if depth < DEEPEST or type_.code[0].islower()]
    code = draw(st.sampled_from(types)) if types else ""
    if name.endswith("[x]"):
        name = name.removesuffix("[x]") + code[0].upper() + code[1:]
    if not code[:1].islower():
        return {name: draw(occurrences(element, complex_values(type_name, element, code, depth + 1)))}
    values = divs if code == "xhtml" else PRIMITIVES.get(code, texts)
    is_attribute = (name == "id" and code != "id") or (type_name, name) == ("Extension", "url")
    if is_attribute or code == "xhtml" or draw(st.integers(0, 3)):
        return {name: draw(occurrences(element, values))}
    make_with_twins = with_twin if element.maximum == 1 else with_twins
    return draw(make_with_twins(name, values, depth))


def occurrences(element: Element, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return the values of an element as its cardinality has them: one, or an array."""
    return values if element.maximum == 1 else st.lists(values, min_size=1, max_size=3)


def complex_values(
    type_name: str, element: Element, code: str, depth: int
) -> st.SearchStrategy[dict[str, Any]]:
    """Return the values of an element that is no primitive."""
    if code == "Resource":
        return resources(depth)
    if code in ("", "BackboneElement", "Element"):
        return objects(type_name, element.content_reference or element.path, depth)
    return objects(code, "", depth)


def twins(depth: int) -> st.SearchStrategy[dict[str, Any]]:
    """Return what primitives have besides a value."""
    return ids.map(lambda text: {"id": text}) if depth >= DEEPEST else objects("Element", "", depth + 1)


@st.composite
def with_twin(draw: st.DrawFn, name: str, values: st.SearchStrategy[Any], depth: int) -> dict[str, Any]:
    """Make a primitive with an id or extensions, and maybe a value."""
    value = {name: draw(values)} if draw(st.booleans()) else {}
    return value | {f"_{name}": draw(twins(depth))}


@st.composite
def with_twins(draw: st.DrawFn, name: str, values: st.SearchStrategy[Any], depth: int) -> dict[str, Any]:
    """Make primitives that repeat, each with a value, or with an id or extensions, or with both."""
    kinds = draw(st.lists(st.sampled_from(["value", "twin", "both"]), min_size=1, max_size=3))
    found = {
        name: [None if kind == "twin" else draw(values) for kind in kinds],
        f"_{name}": [None if kind == "value" else draw(twins(depth)) for kind in kinds],
    }
    return {key: array for key, array in found.items() if any(item is not None for item in array)}


def literal(value: Any) -> str:
    """Return a JSON value as text in which decimals that are equal, but not in their digits, differ."""
    return json.dumps(value, sort_keys=True, default=str)


@given(resources(), st.booleans())
def test_json_to_xml_to_json_is_the_identity(resource: dict[str, Any], pretty: bool) -> None:
    """Whatever a definition allows comes back equal, decimals digit for digit."""
    normal = json_format.parse(json_format.dumps(resource))
    assert literal(parse(dumps(normal, pretty=pretty))) == literal(normal)


def places(type_name: str) -> dict[str, int]:
    """Return the places of the elements of a type by their names in XML, from the order of the snapshot."""
    found = {}
    for place, (path, element) in enumerate(structure(type_name).elements.items()):
        if path.endswith("[x]"):
            for type_ in element.types:
                found[f"{path.removesuffix('[x]')}{type_.code[0].upper()}{type_.code[1:]}"] = place
        found[path] = place
    return found


@given(resources())
def test_elements_stand_in_the_order_of_their_definition(resource: dict[str, Any]) -> None:
    """As another parser sees it, each element has the namespace of FHIR and the place of its definition."""
    root = ElementTree.fromstring(dumps(resource))
    assert all(child.tag.startswith("{http://hl7.org/fhir}") for child in root)
    place_of = places(resource["resourceType"])
    order = [place_of[child.tag.rpartition("}")[2]] for child in root]
    assert order == sorted(order)


def check_read(document: bytes) -> None:
    """Check that a document is refused, or read as something that is written and read as the same."""
    try:
        found = parse(document)
    except InvalidContent:
        return
    assert literal(parse(dumps(found))) == literal(found)


@given(resources(), st.data())
def test_broken_text(resource: dict[str, Any], data: st.DataObject) -> None:
    """A document with a piece lost or doubled is no surprise."""
    written = dumps(resource)
    begin, end = sorted(data.draw(st.tuples(*[st.integers(0, len(written))] * 2), "piece"))
    check_read(written[:begin] + written[end:])
    check_read(written[:end] + written[begin:])


@given(resources(), st.data())
def test_broken_structure(resource: dict[str, Any], data: st.DataObject) -> None:
    """Nor is one with an element lost, doubled or at a place of another."""
    root = ElementTree.fromstring(dumps(resource))
    parent = data.draw(st.sampled_from([element for element in root.iter() if len(element)] or [root]))
    other = data.draw(st.sampled_from(list(root.iter())))
    child = data.draw(st.sampled_from(list(parent) or [root]))
    change = data.draw(st.sampled_from(["lose", "double", "move"]))
    if change != "double" and child in parent:
        parent.remove(child)
    if change != "lose" and other not in child.iter():
        other.insert(data.draw(st.integers(0, len(other))), child)
    check_read(ElementTree.tostring(root))


NAMES = [
    "id",
    "_id",
    "url",
    "text",
    "div",
    "name",
    "given",
    "_given",
    "active",
    "extension",
    "entry",
    "resource",
]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=2), inner, max_size=4)
    ),
    max_leaves=20,
)
almost_resources = st.builds(
    lambda name, properties: {**properties, "resourceType": name},
    st.sampled_from(["Patient", "Bundle", "Organization"]),
    st.dictionaries(st.sampled_from(NAMES), json_values, max_size=4),
)


@given(json_values | almost_resources)
def test_any_json(value: Any) -> None:
    """Any JSON value is written as well-formed XML, or refused."""
    try:
        written = dumps(value)
    except FhirError:
        return
    ElementTree.fromstring(written)
