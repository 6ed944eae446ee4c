"""The operations of XML Patch on a tree: add, replace and remove.

Source: https://www.rfc-editor.org/rfc/rfc5261#section-4
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from resources.operation_outcome import ContentTooLarge, InvalidContent, UnprocessableContent, error
from resources.patch.xml_selection import AttributePlace, ChildPlace, Place, Visits, select
from resources.patch.xml_selectors import parse_selector
from resources.patch.xml_tree import XML_SPACE, Child, Comment, Element, Name, append

MOST_OPERATIONS = 1000

_NAMESPACE = "namespace::"
_ATTRIBUTE = re.compile(r"@[^\W\d][\w.-]*")

T = TypeVar("T", Comment, Element)


@dataclass(frozen=True, slots=True)
class Target:
    """The document that operations change, as an element around its root, and where they took something."""

    document: Element
    visits: Visits = field(default_factory=Visits)
    taken_from: list[Element] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Operation:
    """One operation: its attributes but for the selector, what it contains, and the place that it selects."""

    options: Mapping[str, str]
    content: list[Child]
    place: Place


def apply_operations(target: Target, patch: Element) -> None:
    """Apply the operations that are the children of `patch`, in their order.

    Raises InvalidContent for what is no operation, UnprocessableContent for one that does not apply. After an
    error the target is of no use.
    """
    operations = [child for child in patch.children if isinstance(child, Element)]
    if not operations:
        raise _malformed("has no operations")
    if len(operations) > MOST_OPERATIONS:
        raise ContentTooLarge(error("too-long", f"An XML Patch may have {MOST_OPERATIONS} operations"))
    for element in operations:
        kind = element.name.local
        if kind not in _APPLY:
            raise _malformed(f"has another operation than {', '.join(_APPLY)}")
        apply_one, options = _APPLY[kind]
        given = {name.local: value for name, value in element.attributes.items() if not name.namespace}
        if "sel" not in given or not given.keys() <= {"sel", *options}:
            raise _malformed(f"has an operation {kind} without 'sel', or with other options than {options}")
        selector = parse_selector(given.pop("sel"), {**patch.namespaces, **element.namespaces})
        places = select(target.document, selector, target.visits)
        if len(places) != 1:
            raise _unlocated(len(places))
        apply_one(target, _Operation(given, element.children, places[0]))


def _malformed(fault: str) -> InvalidContent:
    return InvalidContent(error("structure", f"The XML Patch {fault}"))


def _refused(reason: str) -> UnprocessableContent:
    return UnprocessableContent(error("business-rule", f"XML Patch: {reason}"))


def _unlocated(number: int) -> UnprocessableContent:
    if number == 0:
        return UnprocessableContent(error("not-found", "XML Patch: a selector selects nothing"))
    return UnprocessableContent(
        error("multiple-matches", f"XML Patch: a selector selects {number} nodes, and must select one")
    )


def _add(target: Target, operation: _Operation) -> None:
    place = operation.place
    if "type" in operation.options:
        _add_attribute(operation)
        return
    if isinstance(place, AttributePlace):
        raise _refused("nothing can be added to an attribute")
    position = operation.options.get("pos")
    if position in ("before", "after"):
        index = place.index + (position == "after")
        _insert(target, place.parent, index, operation.content)
    elif position in (None, "prepend"):
        element = _element_at(place)
        _insert(target, element, 0 if position else len(element.children), operation.content)
    else:
        raise _malformed("has another 'pos' than prepend, before and after")


def _add_attribute(operation: _Operation) -> None:
    element = _element_at(operation.place)
    kind, value = operation.options["type"], _text(operation.content)
    if "pos" in operation.options:
        raise _malformed("has both 'type' and 'pos'")
    if kind.startswith(_NAMESPACE):
        element.namespaces[kind.removeprefix(_NAMESPACE)] = value
        return
    if not _ATTRIBUTE.fullmatch(kind):
        raise _malformed("has a 'type' that names no attribute")
    name = Name("", kind[1:])
    if name in element.attributes:
        raise _refused("the attribute to add is there already")
    element.attributes[name] = value


def _replace(_: Target, operation: _Operation) -> None:
    place = operation.place
    if isinstance(place, AttributePlace):
        place.element.attributes[place.name] = _text(operation.content)
        return
    new: list[Child]
    match place.parent.children[place.index]:
        case str():
            new = [_text(operation.content)]
        case Comment():
            new = [_only(operation.content, Comment)]
        case Element():
            new = [_only(operation.content, Element)]
    _splice(place.parent, place.index, 1, new)


def _remove(target: Target, operation: _Operation) -> None:
    place = operation.place
    if isinstance(place, AttributePlace):
        del place.element.attributes[place.name]
        target.taken_from.append(place.element)
        return
    if place.parent is target.document:
        raise _refused("the resource itself cannot be removed")
    begin, end = place.index, place.index + 1
    white_space = operation.options.get("ws")
    if white_space in ("before", "both"):
        begin -= 1
    if white_space in ("after", "both"):
        end += 1
    elif white_space not in (None, "before"):
        raise _malformed("has another 'ws' than before, after and both")
    beside = [
        place.parent.children[index] for index in {begin, end - 1} - {place.index} if _is_inside(place, index)
    ]
    if len(beside) != end - begin - 1 or any(not isinstance(c, str) or c.strip(XML_SPACE) for c in beside):
        raise _refused("there is no white space to remove beside what is removed")
    _splice(place.parent, begin, end - begin, [])
    target.taken_from.append(place.parent)


def _is_inside(place: ChildPlace, index: int) -> bool:
    return 0 <= index < len(place.parent.children)


def _insert(target: Target, parent: Element, index: int, content: list[Child]) -> None:
    if parent is target.document and any(not isinstance(child, Comment) for child in content):
        raise _refused("only comments can stand beside the resource")
    _splice(parent, index, 0, content)


def _splice(parent: Element, index: int, length: int, new: list[Child]) -> None:
    """Let `new` stand in place of so many children."""
    before, after = parent.children[:index], parent.children[index + length :]
    for child in (*new, *after):
        append(before, child)
    parent.children = before


def _element_at(place: Place) -> Element:
    if not isinstance(place, AttributePlace):
        child = place.parent.children[place.index]
        if isinstance(child, Element):
            return child
    raise _refused("only an element can get children and attributes")


def _text(content: list[Child]) -> str:
    if any(not isinstance(child, str) for child in content):
        raise _malformed("gives an attribute or a text something else than text")
    return "".join(child for child in content if isinstance(child, str))


def _only(content: list[Child], kind: type[T]) -> T:
    """Return the one node of a kind in the content, beside which there may be white space."""
    nodes = [child for child in content if not isinstance(child, str) or child.strip(XML_SPACE)]
    if len(nodes) != 1 or not isinstance(nodes[0], kind):
        raise _malformed("replaces a node by something of another kind")
    return nodes[0]


_APPLY: Mapping[str, tuple[Callable[[Target, _Operation], None], tuple[str, ...]]] = {
    "add": (_add, ("type", "pos")),
    "replace": (_replace, ()),
    "remove": (_remove, ("ws",)),
}
