"""_summary and _elements: a part of each resource, marked as such so that nobody stores it as the whole.

What a summary has is said by the definitions: the elements marked for it, of data types everything but
`Attachment.data`. Elements that are mandatory, or that change the meaning of others, are kept beside what a
client names.
https://hl7.org/fhir/R4/search.html#summary, https://hl7.org/fhir/R4/search.html#elements,
https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.isSummary
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Literal, Union, cast

from resources.definitions import Element, structure
from resources.operation_outcome import InvalidSearch, error

Summary = Literal["true", "text", "data", "false"]
Resource = dict[str, Any]

SUMMARIES: tuple[Summary, ...] = ("true", "text", "data", "false")
"""The values of `_summary` that say what comes of a resource; `count` is one for searches alone."""

SUBSETTED = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "SUBSETTED",
    "display": "subsetted",
}
"""The tag of a resource that is not whole."""

_MOST_ELEMENTS = 200
_LONGEST_NAME = 64
_BACKBONE = frozenset({"BackboneElement", "Element"})


@dataclass(frozen=True, slots=True)
class Subsetting:
    """What is wanted of each resource: a summary, or the `elements` that are named; ()  means all."""

    summary: Summary = "false"
    elements: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Tell whether resources come as they are."""
        return self.summary == "false" and not self.elements


WHOLE = Subsetting()


def parse_subsetting(given: Mapping[str, Sequence[str]], types: Iterable[str]) -> Subsetting:
    """Return what `_summary` and `_elements` ask for of resources of `types`; other names are not looked at.

    Raises InvalidSearch for another value, for an element that none of the types has, and if both ask for a
    part, of which the specification does not say what it would be.
    """
    summary = _summary(given.get("_summary", ()))
    elements = _elements(given.get("_elements", ()), tuple(types))
    if summary != "false" and elements:
        message = "_summary and _elements each say what comes of a resource; one of them can be given"
        raise InvalidSearch(error("invalid", message))
    return Subsetting(summary, elements)


def _summary(texts: Sequence[str]) -> Summary:
    wanted = [text for text in texts if text]
    if len(wanted) > 1:
        raise InvalidSearch(error("invalid", "_summary is given twice"))
    if wanted and wanted[0] not in SUMMARIES:
        raise InvalidSearch(error("value", f"_summary is {', '.join(SUMMARIES)}; count is for searches"))
    return cast(Summary, wanted[0]) if wanted else "false"


def _elements(texts: Sequence[str], types: tuple[str, ...]) -> tuple[str, ...]:
    names = [name for text in texts for name in text.split(",") if name]
    if len(names) > _MOST_ELEMENTS:
        raise InvalidSearch(error("too-costly", f"_elements names {_MOST_ELEMENTS} elements at most"))
    for name in names:
        if not any(name in _root_names(resource_type) for resource_type in types):
            shown = f"'{name}'" if len(name) < _LONGEST_NAME and name.isalnum() else "of such a name"
            listed = " or ".join(types[:3])
            message = f"_elements: {listed} has no element {shown} at its root, as in _elements=id,status"
            raise InvalidSearch(error("value", message))
    return tuple(sorted(set(names)))


def subset(resource: Resource, wanted: Subsetting) -> Resource:
    """Return what is `wanted` of a valid resource, tagged if it is not asked for as a whole."""
    if wanted.is_whole:
        return resource
    if wanted.summary == "data":
        kept = {key: value for key, value in resource.items() if key != "text"}
    else:
        kept = _kept(resource, _plan(resource["resourceType"], wanted))
    return _tagged(kept)


def _tagged(resource: Resource) -> Resource:
    meta = resource.get("meta", {})
    tags = [
        tag
        for tag in meta.get("tag", ())
        if (tag.get("system"), tag.get("code")) != (SUBSETTED["system"], SUBSETTED["code"])
    ]
    marked: Resource = {key: resource[key] for key in ("resourceType", "id") if key in resource}
    marked["meta"] = {**meta, "tag": [*tags, SUBSETTED]}
    return marked | {key: value for key, value in resource.items() if key not in marked}


_Plan = Mapping[str, Union["_Plan", None]]
"""The JSON keys that are kept, each with what is kept of its value: all of it (None), or a part."""


def _kept(node: Resource, plan: _Plan) -> Resource:
    kept: Resource = {}
    for key, value in node.items():
        if key not in plan:
            continue
        inner = plan[key]
        if inner is None:
            kept[key] = value
        elif isinstance(value, list):
            items = [part for item in value if (part := _kept(item, inner))]
            if items:
                kept[key] = items
        elif part := _kept(value, inner):
            kept[key] = part
    return kept


@lru_cache(maxsize=1024)
def _plan(resource_type: str, wanted: Subsetting) -> _Plan:
    if wanted.summary == "true":
        return {"resourceType": None, **_summary_plan(resource_type)}
    names = {"id", "meta", "text"} if wanted.summary == "text" else {"id", "meta", *wanted.elements}
    plan: dict[str, _Plan | None] = {"resourceType": None}
    for element in _children(resource_type, ""):
        # "Clients SHOULD list all mandatory and modifier elements": we add those that they forget.
        is_added = element.minimum or (element.is_modifier and wanted.summary != "text")
        is_named = {element.path, element.path.removesuffix("[x]")} & names
        for key, _ in _typed_keys(element):
            if is_added or is_named or key in names:
                plan |= {key: None, f"_{key}": None}
    return plan


def _children(type_name: str, parent: str) -> list[Element]:
    prefix = f"{parent}." if parent else ""
    return [
        element
        for path, element in structure(type_name).elements.items()
        if path.startswith(prefix) and path and "." not in path[len(prefix) :]
    ]


def _typed_keys(element: Element) -> Iterable[tuple[str, str]]:
    """Return the JSON keys of an element, each with the type of what it holds."""
    name = element.path.rpartition(".")[2]
    if not name.endswith("[x]"):
        return [(name, element.types[0].code if element.types else "")]
    name = name.removesuffix("[x]")
    return [(name + found.code[0].upper() + found.code[1:], found.code) for found in element.types]


def _names(element: Element) -> set[str]:
    """Return the names that a client may call an element by: `value`, `value[x]` and `valueQuantity`."""
    return {element.path, element.path.removesuffix("[x]"), *(key for key, _ in _typed_keys(element))}


@cache
def _root_names(resource_type: str) -> frozenset[str]:
    return frozenset(name for element in _children(resource_type, "") for name in _names(element))


def _summary_plan(resource_type: str) -> _Plan:
    plan: dict[str, _Plan | None] = {}
    _fill(plan, resource_type, "", {"": plan})
    return plan


def _fill(
    plan: dict[str, _Plan | None], type_name: str, parent: str, known: dict[str, dict[str, _Plan | None]]
) -> None:
    """Add to `plan` what a summary has of the element `parent`; `known` has plans by path, as some recur."""
    for element in _children(type_name, parent):
        name = element.path.rpartition(".")[2]
        if not (element.is_summary or element.minimum or element.is_modifier or name == "id"):
            continue
        path = element.content_reference or element.path
        for key, code in _typed_keys(element):
            plan[f"_{key}"] = None
            if code and code not in _BACKBONE:
                plan[key] = _without_attached_data(code)
                continue
            if path not in known:
                known[path] = {}
                _fill(known[path], type_name, path, known)
            plan[key] = known[path]


@cache
def _without_attached_data(code: str) -> _Plan | None:
    """Return all keys of a data type but those of `Attachment.data`; None if it has none of these."""
    if not _holds_attachment(code, frozenset()):
        return None
    return {
        key: part
        for element in _children(code, "")
        for name, inner in _typed_keys(element)
        if (code, name) != ("Attachment", "data")
        for key, part in ((name, _without_attached_data(inner)), (f"_{name}", None))
    }


def _holds_attachment(code: str, above: frozenset[str]) -> bool:
    """Tell whether a data type has attachments among its elements; extensions are not looked into."""
    if code == "Attachment":
        return True
    if not code[:1].isupper() or code in above or code in ("Extension", "Resource"):
        return False
    return any(
        _holds_attachment(inner, above | {code})
        for element in _children(code, "")
        for _, inner in _typed_keys(element)
    )
