"""Where the selectors of XML Patch lead to in a tree.

Source: https://www.rfc-editor.org/rfc/rfc5261#section-4.1
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from resources.operation_outcome import TooCostly, error
from resources.patch.xml_selectors import Has, Step
from resources.patch.xml_tree import Comment, Element, Name

MOST_VISITS = 300_000
"""Nodes that the selectors of one patch may look at; it is about a second's work."""


@dataclass(frozen=True, slots=True)
class ChildPlace:
    """`parent.children[index]`."""

    parent: Element
    index: int


@dataclass(frozen=True, slots=True)
class AttributePlace:
    """`element.attributes[name]`."""

    element: Element
    name: Name


Place = ChildPlace | AttributePlace


@dataclass(slots=True)
class Visits:
    """The nodes that the selectors of one patch may still look at."""

    left: int = field(default=MOST_VISITS)

    def spend(self, number: int) -> None:
        """Count nodes; raises TooCostly when there are too many."""
        self.left -= number
        if self.left < 0:
            raise TooCostly(error("too-costly", f"XML Patch: more than {MOST_VISITS:,} nodes to look at"))


def select(document: Element, path: tuple[Step, ...], visits: Visits) -> list[Place]:
    """Return all places that a path leads to from an element, or from a document in place of one."""
    places: list[Place] = []
    contexts = [document]
    for step in path:
        places = [place for context in contexts for place in _places(context, step, visits)]
        contexts = [element for place in places if (element := _element(place)) is not None]
    return places


def _element(place: Place) -> Element | None:
    found = place.parent.children[place.index] if isinstance(place, ChildPlace) else None
    return found if isinstance(found, Element) else None


def _places(context: Element, step: Step, visits: Visits) -> list[Place]:
    if step.kind == "attribute":
        names = [name for name in context.attributes if name == step.name]
        return [AttributePlace(context, name) for name in names]
    visits.spend(len(context.children))
    found = [ChildPlace(context, index) for index in _matching(context, step)]
    for condition in step.conditions:
        if isinstance(condition, Has):
            found = [place for place in found if _has(place, condition, visits)]
        else:
            found = _at(found, condition.number)
    return [*found]


def _at(found: list[ChildPlace], position: int | None) -> list[ChildPlace]:
    if position is None:
        return found[-1:]
    return found[position - 1 : position] if position > 0 else []


def _matching(context: Element, step: Step) -> Iterator[int]:
    for index, child in enumerate(context.children):
        match child:
            case Element():
                is_wanted = step.kind == "element" and step.name in (None, child.name)
            case Comment():
                is_wanted = step.kind == "comment"
            case str():
                is_wanted = step.kind == "text"
        if is_wanted:
            yield index


def _has(place: ChildPlace, condition: Has, visits: Visits) -> bool:
    element = _element(place)
    if element is None:
        return False
    if not condition.path:
        return _text_of(element, visits) == condition.text
    found = select(element, condition.path, visits)
    return bool(found) if condition.text is None else condition.text in (_text(at, visits) for at in found)


def _text(place: Place, visits: Visits) -> str:
    if isinstance(place, AttributePlace):
        return place.element.attributes[place.name]
    child = place.parent.children[place.index]
    return child if isinstance(child, str) else _text_of(child, visits)


def _text_of(node: Element | Comment, visits: Visits) -> str:
    if isinstance(node, Comment):
        return node.text
    visits.spend(len(node.children))
    return "".join(
        child if isinstance(child, str) else _text_of(child, visits)
        for child in node.children
        if not isinstance(child, Comment)
    )
