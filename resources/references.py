"""References between resources: what a reference string names, and rewriting those that a bundle carries.

https://hl7.org/fhir/R4/references.html#literal, https://hl7.org/fhir/R4/http.html#trules
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from resources.definitions import resource_types, structure

ID_PATTERN = r"[A-Za-z0-9\-.]{1,64}"
_ID = re.compile(ID_PATTERN)

# Types that hold an address, or a text with addresses in it: the transaction rules have links replaced in
# all of these, and not in canonicals.
_LINK_TYPES = frozenset({"uri", "url", "oid", "uuid", "xhtml"})


@dataclass(frozen=True, slots=True)
class LiteralReference:
    """A RESTful reference taken apart: `base` is "" if relative, `version` None if none is named."""

    base: str
    resource_type: str
    id: str
    version: str | None


def is_id(text: str) -> bool:
    """Tell whether `text` is a logical id (https://hl7.org/fhir/R4/datatypes.html#id)."""
    return _ID.fullmatch(text) is not None


@cache
def _literal_pattern() -> re.Pattern[str]:
    types = "|".join(resource_types())
    return re.compile(
        rf"(?P<base>https?://\S+/)?(?P<type>{types})/(?P<id>{ID_PATTERN})(?:/_history/(?P<version>{ID_PATTERN}))?"
    )


def parse_reference(reference: str) -> LiteralReference | None:
    """Take apart `Patient/1`, `http://server/base/Patient/1/_history/2` and so on; None for other forms."""
    match = _literal_pattern().fullmatch(reference)
    if match is None:
        return None
    return LiteralReference(match["base"] or "", match["type"], match["id"], match["version"])


@cache
def _conditional_pattern() -> re.Pattern[str]:
    return re.compile(rf"(?P<type>{'|'.join(resource_types())})\?(?P<query>.+)", re.DOTALL)


def parse_conditional_reference(reference: str) -> tuple[str, str] | None:
    """Split `Patient?identifier=...` into type and query; None if the reference is not a conditional one."""
    match = _conditional_pattern().fullmatch(reference)
    return (match["type"], match["query"]) if match else None


@dataclass(slots=True)
class Link:
    """A place in a resource that holds an address: `holder[key]` is `text`; it may be replaced in place."""

    holder: Any
    key: str | int
    text: str
    is_reference: bool

    def replace(self, text: str) -> None:
        """Let `text` stand there instead."""
        self.holder[self.key] = self.text = text


def links(resource: dict[str, Any], is_wanted: Callable[[str], bool]) -> list[Link]:
    """Return the links of `resource`: references, uri, url, oid and uuid elements, and whole narratives.

    All references are returned, and of the others those whose text `is_wanted`, as codes and extensions alone
    have dozens of them. Contained resources and extensions are covered; strings (`Identifier.value`) and
    canonicals are not links.
    """
    found: list[Link] = []
    _collect(resource, _plan(resource["resourceType"]), is_wanted, found)
    return found


def literal_references(resource: dict[str, Any], at: str) -> Iterator[tuple[str, str]]:
    """Yield each `Reference.reference` of a valid resource and its FHIRPath; `at` is that of the resource."""
    yield from _located(resource, _plan(resource["resourceType"]), at)


def _located(node: dict[str, Any], plan: "_Plan", at: str) -> Iterator[tuple[str, str]]:
    for key, value in node.items():
        step = plan.steps.get(key)
        if step is _REFERENCE:
            if isinstance(value, str):
                yield f"{at}.{key}", value
        elif step is not None and step is not _LINK:
            place = f"{at}.{plan.names.get(key, key)}"
            for index, item in enumerate(value if isinstance(value, list) else (value,)):
                inner = step if isinstance(step, _Plan) else _resource_plan(item)
                if isinstance(item, dict) and inner is not None:
                    yield from _located(item, inner, f"{place}[{index}]" if item is not value else place)


_LINK = "link"
_REFERENCE = "reference"
_RESOURCE = "resource"


@dataclass(slots=True)
class _Plan:
    """Per JSON key: the element is a link, a `Reference.reference`, a resource, or a structure to go into."""

    steps: dict[str, "str | _Plan"]
    # Of keys that are not the name of their element: those of a choice of types, and `_name`.
    names: dict[str, str] = field(default_factory=dict)


def _collect(node: dict[str, Any], plan: _Plan, is_wanted: Callable[[str], bool], found: list[Link]) -> None:
    steps = plan.steps
    for key, value in node.items():
        step = steps.get(key)
        if step is None:
            continue
        if step is _REFERENCE:
            if isinstance(value, str):
                found.append(Link(node, key, value, is_reference=True))
        elif step is _LINK:
            if isinstance(value, str):
                if is_wanted(value):
                    found.append(Link(node, key, value, is_reference=False))
            elif isinstance(value, list):
                found += _wanted_items(value, is_wanted)
        else:
            for item in value if isinstance(value, list) else (value,):
                if isinstance(item, dict):
                    inner = step if isinstance(step, _Plan) else _resource_plan(item)
                    if inner is not None:
                        _collect(item, inner, is_wanted, found)


def _wanted_items(texts: list[Any], is_wanted: Callable[[str], bool]) -> list[Link]:
    return [
        Link(texts, index, text, is_reference=False)
        for index, text in enumerate(texts)
        if isinstance(text, str) and is_wanted(text)
    ]


def _resource_plan(resource: dict[str, Any]) -> _Plan | None:
    name = resource.get("resourceType")
    return _plan(name) if isinstance(name, str) and name in resource_types() else None


@cache
def _plans() -> "_Plans":
    return _Plans()


def _plan(type_name: str) -> _Plan:
    return _plans().of_type(type_name)


class _Plans:
    """Builds the plan of each type when it is first met; types nest in themselves, so plans may too."""

    def __init__(self) -> None:
        self._types: dict[str, _Plan] = {}

    def of_type(self, name: str) -> _Plan:
        """Return the plan of a resource type or data type."""
        if name in self._types:
            return self._types[name]
        plan = self._types[name] = _Plan({})
        self._fill(plan, name, "", {})
        return plan

    def _fill(self, plan: _Plan, name: str, parent: str, done: dict[str, _Plan]) -> None:
        done[parent] = plan
        prefix = f"{parent}." if parent else ""
        for path, element in structure(name).elements.items():
            if not path.startswith(prefix) or not path or "." in path[len(prefix) :]:
                continue
            key = path[len(prefix) :]
            if element.content_reference is not None:
                plan.steps[key] = self._backbone(name, element.content_reference, done)
                continue
            for reference in element.types:
                json_key = (
                    key.removesuffix("[x]") + _capitalised(reference.code) if key.endswith("[x]") else key
                )
                step = self._step(name, path, reference.code, done)
                if step is not None:
                    plan.steps[json_key] = step
                    plan.names[json_key] = key.removesuffix("[x]")
            if key == "reference" and name == "Reference":
                plan.steps[key] = _REFERENCE
        self._add_primitive_siblings(plan, name, prefix)

    def _add_primitive_siblings(self, plan: _Plan, name: str, prefix: str) -> None:
        # The `_name` twin of a primitive may carry extensions, and these may carry links.
        element_plan = self.of_type("Element")
        for path, element in structure(name).elements.items():
            key = path[len(prefix) :]
            if path.startswith(prefix) and path and "." not in key:
                for reference in element.types:
                    if reference.code[0].islower():
                        choice = key.removesuffix("[x]") + _capitalised(reference.code)
                        twin = "_" + (choice if key.endswith("[x]") else key)
                        plan.steps[twin] = element_plan
                        plan.names[twin] = key.removesuffix("[x]")

    def _backbone(self, name: str, path: str, done: dict[str, _Plan]) -> _Plan:
        if path not in done:
            self._fill(_Plan({}), name, path, done)
        return done[path]

    def _step(self, name: str, path: str, code: str, done: dict[str, _Plan]) -> "str | _Plan | None":
        if code in _LINK_TYPES:
            return _LINK
        if code in ("Resource", "DomainResource"):
            return _RESOURCE
        if code in ("BackboneElement", "Element"):
            return self._backbone(name, path, done)
        return self.of_type(code) if code[0].isupper() else None


def _capitalised(code: str) -> str:
    return code[0].upper() + code[1:]
