"""What a resource refers to by a search parameter, read from the resource itself.

Index values do not say the version that is referred to, which an `_include` has to follow.
https://hl7.org/fhir/R4/references.html#literal, https://hl7.org/fhir/R4/references.html#canonical
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from resources.fhirpath.element_paths import AtIndex, ElementIs, HasExtension, ReferenceTo, Step
from resources.references import parse_reference
from resources.search_parameters import SearchParameter

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Local:
    """A reference to a resource of this server; `version` is None for the current one."""

    resource_type: str
    id: str
    version: str | None


@dataclass(frozen=True, slots=True)
class Canonical:
    """A reference by canonical URL; `version` is the business version, None if none is named."""

    url: str
    version: str | None


def sources(resource: Resource) -> Iterator[Resource]:
    """Yield a resource, and those contained in it, whose references are followed as well."""
    yield resource
    for inner in resource.get("contained", ()):
        if "resourceType" in inner:
            yield inner


def references(resource: Resource, parameter: SearchParameter, base_url: str) -> Iterator[Local | Canonical]:
    """Yield what the elements that `parameter` looks at refer to, as far as it may be on this server."""
    for path in parameter.paths:
        for element in _elements(resource, path.steps):
            if path.type == "Reference":
                found = _local(element.get("reference"), base_url)
                if found is not None:
                    yield found
            elif isinstance(element, str):  # a canonical, or a uri that may be one
                yield from _canonical(element, base_url)


def _local(text: str | None, base_url: str) -> Local | None:
    literal = parse_reference(text.removeprefix(f"{base_url}/")) if text else None
    if literal is None or literal.base:
        return None
    return Local(literal.resource_type, literal.id, literal.version)


def _canonical(text: str, base_url: str) -> Iterator[Local | Canonical]:
    address = text.partition("#")[0]
    url, _, version = address.partition("|")
    local = _local(url, base_url)
    if local is not None:
        yield local
    if url:
        yield Canonical(url, version or None)


def _elements(element: Any, steps: tuple[Step, ...]) -> Iterator[Any]:
    if not steps:
        yield element
        return
    step, *rest = steps
    value = element.get(step.key) if isinstance(element, dict) else None
    for item in _taken(value if isinstance(value, list) else [value], step):
        yield from _elements(item, tuple(rest))


def _taken(items: Iterable[Any], step: Step) -> Iterator[Any]:
    """Yield those of `items` that a step takes."""
    for index, item in enumerate(items):
        match step.condition:
            case AtIndex(index=wanted):
                is_taken = index == wanted
            case ElementIs(key=key, value=value):
                is_taken = isinstance(item, dict) and item.get(key) == value
            case HasExtension(url=url):
                is_taken = isinstance(item, dict) and any(
                    extension.get("url") == url for extension in item.get("extension", ())
                )
            case ReferenceTo(type_name=name):
                is_taken = isinstance(item, dict) and _refers_to(item, name)
            case _:
                is_taken = True
        if is_taken and item is not None:
            yield item


def _refers_to(reference: Resource, type_name: str) -> bool:
    literal = parse_reference(reference.get("reference", ""))
    return bool((literal.resource_type if literal else reference.get("type")) == type_name)
