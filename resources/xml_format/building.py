"""Builds the JSON of a resource from the starts and ends of its XML elements, told one after the other.

Source: https://hl7.org/fhir/R4/xml.html, https://hl7.org/fhir/R4/json.html
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NoReturn

from resources.xml_format.elements import (
    FHIR,
    MOST_LEVELS,
    NOTHING,
    XHTML,
    Child,
    Form,
    elements,
    extensible_elements,
    resource_elements,
)
from resources.xml_format.primitives import READERS

Attributes = dict[str, str]

_DOCUMENT = Child("", "", 0, False, Form.CONTAINER, "", NOTHING, frozenset())
_SCHEMA_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
# A resource must not name its schema, says the specification; files from other tools do all the same.
_IGNORED = {f"{_SCHEMA_INSTANCE} schemaLocation", f"{_SCHEMA_INSTANCE} noNamespaceSchemaLocation"}
_LONGEST_NAME = 64  # of an element, in ElementDefinition's eld-19
_EMPTY_ATTRIBUTE = "An attribute is never empty: leave it out"
_EMPTY_ELEMENT = "An element is never empty: leave it out"

# Looked up for each element.
_PRIMITIVE, _COMPLEX = Form.PRIMITIVE, Form.COMPLEX
_RESOURCE, _NARRATIVE = Form.RESOURCE, Form.NARRATIVE


class Misfit(Exception):
    """Something does not fit where it stands; `step` leads to it from the element that is open."""

    def __init__(self, code: str, diagnostics: str, step: str = "") -> None:
        """Carry an issue type, a sentence without content of the document, and the step."""
        super().__init__(diagnostics)
        self.code, self.diagnostics, self.step = code, diagnostics, step


class ResourceBuilder(ABC):
    """Builds one resource; once all elements have ended, `target` is the result.

    Of the element that is open, `_child` is what it is, `target` the JSON object that its children go to (for
    a primitive that of its id and extensions), `_elements` are the children that it may have, and `_place` is
    the place of the latest one. `_stack` has the same four of all elements around it.
    """

    def __init__(self) -> None:
        self.target: dict[str, Any] = {}
        self._child, self._elements, self._place = _DOCUMENT, resource_elements(), -1
        self._stack: list[tuple[Child, Mapping[str, Child], dict[str, Any], int]] = []
        self._has_value = True
        self._with_twins: list[tuple[dict[str, Any], str]] = []

    def start(self, name: str, attributes: Attributes) -> None:
        """Start the element `name` (namespace, space, name); raises Misfit if it must not be here."""
        child = self._elements.get(name)
        if child is None:
            self._refuse_element(name)
        place, target, stack = child.place, self.target, self._stack
        if place <= self._place and (place < self._place or not child.repeats):
            self._refuse_place(child)
        if len(stack) > MOST_LEVELS:
            raise Misfit("too-long", f"An element may have at most {MOST_LEVELS} others around it")
        stack.append((self._child, self._elements, target, place))
        self._child, self._place = child, -1
        form = child.form
        if form is _PRIMITIVE:
            self._start_primitive(child, attributes, target)
        elif form is _RESOURCE:
            self._start_resource(child, attributes, target)
        elif form is _NARRATIVE:
            self.start_narrative(attributes)
        else:
            self._start_object(child, attributes, target)

    def end(self, _name: str) -> None:
        """End the element that is open; raises Misfit if it is empty."""
        child, content = self._child, self.target
        is_primitive = child.form is _PRIMITIVE
        if not content and not (is_primitive and self._has_value):
            raise Misfit("invalid", _EMPTY_ELEMENT)
        self._child, self._elements, self.target, self._place = self._stack.pop()
        if is_primitive and content:
            self._keep_twin(child, content)

    @abstractmethod
    def start_narrative(self, attributes: Attributes) -> None:
        """See to it that `end_narrative` is called at the end of the div that started."""

    def end_narrative(self, div: str) -> None:
        """End the div that is open: it is the text `div`."""
        self._child, self._elements, self.target, self._place = self._stack.pop()
        self.target["div"] = div

    def path(self) -> str:
        """Return the FHIRPath of the element that is open."""
        path = ""
        frames = [*self._stack, (self._child, self._elements, self.target, self._place)]
        for (_, _, holder, _), (child, _, _, _) in pairwise(frames):
            if child.form is _RESOURCE:
                path = path or child.name
            else:
                path += f"{child.step}[{len(holder[child.name]) - 1}]" if child.repeats else child.step
        return path

    def align_twins(self) -> None:
        """Make the arrays `x` and `_x` of primitives equally long; without any value there is only `_x`."""
        for holder, name in self._with_twins:
            values, twins = holder[name], holder[f"_{name}"]
            twins.extend([None] * (len(values) - len(twins)))
            if not any(value is not None for value in values):
                del holder[name]

    def _start_object(self, child: Child, attributes: Attributes, target: dict[str, Any]) -> None:
        if child.repeats:
            target.setdefault(child.name, []).append(attributes)
        else:
            target[child.name] = attributes
        # The attributes are the first properties of the object.
        self.target = attributes
        self._elements = elements(child.content) if child.form is _COMPLEX else resource_elements()
        if attributes:
            _check_attributes(child, attributes)

    def _start_resource(self, child: Child, attributes: Attributes, target: dict[str, Any]) -> None:
        target["resourceType"] = child.name
        self._elements = elements(child.content)
        _check_attributes(child, {name: text for name, text in attributes.items() if name not in _IGNORED})

    def _start_primitive(self, child: Child, attributes: Attributes, target: dict[str, Any]) -> None:
        if child.repeats:
            target.setdefault(child.name, []).append(None)
        text = attributes.pop("value", None)
        if text is not None:
            value = _value(child, text)
            if child.repeats:
                target[child.name][-1] = value
            else:
                target[child.name] = value
        self._has_value = text is not None
        self._elements = extensible_elements()
        self.target = attributes  # with the id, if there is one
        if attributes:
            _check_attributes(child, attributes)

    def _keep_twin(self, child: Child, twin: dict[str, Any]) -> None:
        """Keep the id and the extensions of the primitive that ended, in line with its value."""
        target, name = self.target, f"_{child.name}"
        if not child.repeats:
            target[name] = twin
            return
        if name not in target:
            target[name] = []
            self._with_twins.append((target, child.name))
        twins = target[name]
        twins.extend([None] * (len(target[child.name]) - 1 - len(twins)))
        twins.append(twin)

    def _refuse_element(self, qualified_name: str) -> NoReturn:
        name = qualified_name.rpartition(" ")[2]
        if self._elements is resource_elements() and qualified_name == f"{FHIR} {name}":
            raise Misfit("structure", f"The element{_shown(name)} is not a resource type of FHIR R4")
        for namespace in (FHIR, XHTML):
            if f"{namespace} {name}" in self._elements:
                raise Misfit("structure", f"The element '{name}' must be in the namespace {namespace}")
        raise Misfit("structure", f"The element{_shown(name)} is not known here")

    def _refuse_place(self, child: Child) -> NoReturn:
        if child.form is _RESOURCE:
            raise Misfit("structure", "There may be only one resource here")
        if child.place == self._place:
            text = f"The element '{child.name}' is the second one, or of a second type, where only one may be"
        elif child.repeats and child.name in self.target:
            text = f"The elements '{child.name}' must follow one another without others between them"
        else:
            text = f"The element '{child.name}' must be before the elements that precede it here"
        raise Misfit("structure", text, child.step)


def _value(child: Child, text: str) -> Any:
    if not text:
        raise Misfit("invalid", _EMPTY_ATTRIBUTE)
    read = READERS.get(child.primitive)
    if read is None:
        return text
    try:
        return read(text)
    except ValueError as failure:
        raise Misfit("value", f"The value must be {failure}") from None


def _check_attributes(child: Child, attributes: Attributes) -> None:
    for name, value in attributes.items():
        if name not in child.attributes:
            raise Misfit("structure", f"The attribute{_shown(name)} is not known here")
        if not value:
            raise Misfit("invalid", _EMPTY_ATTRIBUTE)


def _shown(name: str) -> str:
    """Return the name in quotes, unless it may be content: it does not look like a name."""
    is_plain = len(name) <= _LONGEST_NAME and name.isascii() and name.isidentifier()
    return f" '{name}'" if is_plain else ""
