"""Contained resources: what they must not have, and that somebody in the container refers to them.

Source: https://hl7.org/fhir/R4/references.html#contained, https://hl7.org/fhir/R4/domainresource.html#invs
"""

from collections.abc import Iterator
from typing import Any

from resources.validation.findings import Findings, Scope, joined, one


def check_contained(container: dict[str, Any], scope: Scope) -> Findings | None:
    """Check the resources in `container.contained` against dom-2 to dom-5, after all references were seen."""
    listed = container["contained"]
    if type(listed) is not list:
        return None
    found: Findings | None = None
    ids: set[str] = set()
    for index, resource in enumerate(listed):
        if type(resource) is dict:
            step = f".contained[{index}]"
            found = joined(found, _forbidden(resource), step)
            found = joined(found, _check_id(resource, ids), step)
            if not _is_referred_to(resource, container, scope):
                found = joined(found, one("invariant", _DOM_3), step)
    return found


_DOM_3 = "dom-3: A contained resource must be referred to from elsewhere in the resource, or refer to it"


def _forbidden(resource: dict[str, Any]) -> Findings | None:
    found: Findings | None = None
    if "contained" in resource:
        found = one("invariant", "dom-2: A contained resource must not contain others", ".contained")
    meta = resource.get("meta")
    if type(meta) is not dict:
        return found
    for name in ("versionId", "lastUpdated"):
        if name in meta or f"_{name}" in meta:
            text = "dom-4: A contained resource has no version and no time of its last update"
            found = joined(found, one("invariant", text, f".meta.{name}"))
    if "security" in meta:
        text = "dom-5: A contained resource must not have a security label"
        found = joined(found, one("invariant", text, ".meta.security"))
    return found


def _check_id(resource: dict[str, Any], ids: set[str]) -> Findings | None:
    """Check that the id is not among the `ids` of the resources before it, and add it to them."""
    id_ = resource.get("id")
    if type(id_) is not str:
        return None
    if id_ in ids:
        return one("duplicate", "Each contained resource must have an id of its own", ".id")
    ids.add(id_)
    return None


def _is_referred_to(resource: dict[str, Any], container: dict[str, Any], scope: Scope) -> bool:
    id_ = resource.get("id")
    if type(id_) is str and id_ in scope.local_references:
        return True
    # Rare: by a canonical or uri `#id`, or the other way round. Any such string counts, whatever its element.
    return "#" in _strings(resource) or (type(id_) is str and f"#{id_}" in _strings(container))


def _strings(value: Any) -> Iterator[str]:
    """Yield all JSON strings in `value`; property names are not among them."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
        elif isinstance(item, str):
            yield item
