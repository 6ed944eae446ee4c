"""The elements of a resource that a search parameter is about, each with its type.

A reading of the few FHIRPath forms in the definitions of search parameters, step by step.
https://hl7.org/fhir/R4/search.html#ptypes
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.fhir_server.search.agreement import definitions

Resource = dict[str, Any]

_OF_BACKBONES = ("BackboneElement", "Element")
# The types of elements that a parameter of each type can search; others in a choice of types do not count.
_SEARCHED = {
    "number": "decimal integer positiveInt unsignedInt",
    "date": "date dateTime instant Period Timing",
    "string": "string markdown Address HumanName",
    "token": "boolean code id string uri Coding CodeableConcept ContactPoint Identifier",
    "reference": "Reference canonical uri",
    "quantity": "Quantity Age Duration Money Range SampledData",
    "uri": "uri url canonical",
}


@dataclass(frozen=True)
class Element:
    """A value with its FHIR type, the path of its definition, and the value set that it is bound to."""

    type: str
    value: Any
    path: str
    value_set: str = ""


def found(resource: Resource, parameter: definitions.Parameter) -> list[Element]:
    """Return the elements of `resource` that a parameter searches."""
    types = _SEARCHED[parameter.type].split()
    root = Element(resource["resourceType"], resource, resource["resourceType"])
    return [element for element in evaluate(root, parameter.expression) if element.type in types]


def bases(resource: Resource, parameter: definitions.Parameter) -> list[Element]:
    """Return the elements that a composite parameter is about."""
    root = Element(resource["resourceType"], resource, resource["resourceType"])
    return evaluate(root, parameter.expression)


def within(base: Element, part: definitions.Parameter) -> list[Element]:
    """Return the elements below `base` that a component of a composite parameter searches."""
    types = _SEARCHED[part.type].split()
    return [element for element in evaluate(base, part.expression) if element.type in types]


def evaluate(root: Element, expression: str) -> list[Element]:
    """Return the elements that an expression leads to."""
    if " and " in expression:  # the one of Patient.deceased, which is met or not
        value = root.value.get("deceasedDateTime") or root.value.get("deceasedBoolean")
        return [Element("boolean", bool(value), "boolean")] if root.type == "Patient" else []
    return [element for part in _split(expression, "|") for element in _path(root, part.strip())]


def _split(text: str, separator: str) -> list[str]:
    """Split at separators that stand outside of parentheses and quotes."""
    parts, depth, quoted = [""], 0, False
    for character in text:
        quoted ^= character == "'"
        depth += (character == "(") - (character == ")")
        if character == separator and not depth and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _path(root: Element, text: str) -> Iterator[Element]:
    first, *steps = _split(text, ".")
    if first.startswith("("):
        nodes = _inner(root, first[1:-1])
    elif first[:1].isupper():
        nodes = [root] if first in (root.type, "Resource", "DomainResource") else []
    else:
        nodes = list(_step(root, first))
    for step in steps:
        nodes = [below for node in nodes for below in _step(node, step)]
    yield from nodes


def _inner(root: Element, text: str) -> list[Element]:
    path, _, wanted = text.partition(" as ")
    return [element for element in _path(root, path) if not wanted or element.type == wanted]


def _step(node: Element, step: str) -> Iterable[Element]:
    if match := re.fullmatch(r"(?:as|ofType)\((\w+)\)", step):
        return [node] if node.type == match[1] else []
    if match := re.fullmatch(r"where\(resolve\(\) is (\w+)\)", step):
        return [node] if target_type(node.value.get("reference", "")) == match[1] else []
    if match := re.fullmatch(r"where\((\w+)='(.*)'\)", step):
        return [node] if node.value.get(match[1]) == match[2] else []
    if match := re.fullmatch(r"where\(hasExtension\('(.*)'\)\)", step):
        urls = [extension["url"] for extension in node.value.get("extension", ())]
        return [node] if match[1] in urls else []
    if match := re.fullmatch(r"extension\('(.*)'\)", step):
        return [child for child in children(node, "extension") if child.value["url"] == match[1]]
    name, first_only, _ = step.partition("[0]")
    below = list(children(node, name))
    return below[:1] if first_only else below


def target_type(reference: str) -> str | None:
    """Return the type that a literal reference names."""
    match = re.search(r"(?:^|/)([A-Z][A-Za-z]+)/[A-Za-z0-9.-]{1,64}(/_history/[^/]+)?$", reference)
    return match[1] if match else None


def children(node: Element, name: str) -> Iterator[Element]:
    """Yield the elements `name` of an element, whichever type a choice of types has."""
    if not isinstance(node.value, dict):
        return
    known = definitions.elements(node.path.partition(".")[0])
    path = f"{node.path}.{name}"
    if path in known:
        facts = known[path]
        yield from _typed(node.value.get(name), facts, (facts.get("type") or [{"code": ""}])[0]["code"])
    elif f"{path}[x]" in known:
        facts = known[f"{path}[x]"]
        for code in dict.fromkeys(one["code"] for one in facts["type"]):
            yield from _typed(node.value.get(name + code[0].upper() + code[1:]), facts, code)


def _typed(value: Any, facts: definitions.Facts, code: str) -> Iterator[Element]:
    value_set = facts.get("binding", {}).get("valueSet", "")
    for item in value if isinstance(value, list) else [value]:
        if item is None:
            continue
        if "contentReference" in facts:
            path = facts["contentReference"].partition("#")[2]
            yield Element("BackboneElement", item, path)
        elif code in _OF_BACKBONES:
            yield Element(code, item, facts["path"])
        elif code == "Resource":
            yield Element(item["resourceType"], item, item["resourceType"])
        else:
            # Below a primitive there is nothing, but its own name says what kind of text it is.
            yield Element(code, item, code if code[0].isupper() else facts["path"], value_set)
