"""References: the form of a literal reference, and whether its target is of a type that the element allows.

Nothing is looked up outside of the resource: whether a target exists is for the store to say.

Source: https://hl7.org/fhir/R4/references.html#literal, https://hl7.org/fhir/R4/references.html#contained
"""

import re
from functools import cache
from typing import Any

from resources.definitions import resource_types
from resources.validation.findings import Check, Findings, Scope, joined, one

_ID = "[A-Za-z0-9.-]{1,64}"
# [base]/[type]/[id], also with a version; [type]?[search], as transactions may have it; or any other URI
_literal = re.compile(
    rf"(https?://\S+/)?([A-Z][A-Za-z]*)(?:/{_ID}(?:/_history/{_ID})?|\?\S+)|[A-Za-z][A-Za-z0-9+.-]*:\S+"
).fullmatch

_UNKNOWN = ""
"""Stands for the type of a target that a well-formed reference does not tell."""

_FORM = (
    "A literal reference must be [type]/[id], an absolute URI, #[id] of a contained resource or, "
    "in a transaction, [type]?[search parameters]"
)


@cache
def _resource_types() -> frozenset[str]:
    return frozenset(resource_types())


def reference_check(targets: tuple[str, ...], of_any: Check) -> Check:
    """Return the check of a Reference to one of the types in `targets`; () and `Resource` allow any type.

    `of_any` is the check of the data type Reference itself.
    """
    is_limited = bool(targets) and "Resource" not in targets
    allowed = (frozenset(targets) if is_limited else _resource_types()) | {_UNKNOWN}

    def check(value: Any, parent: dict[str, Any], scope: Scope) -> Findings | None:
        found = of_any(value, parent, scope)
        if type(value) is not dict:
            return found
        reference = value.get("reference")
        target: str | None = _UNKNOWN
        if type(reference) is str and reference:
            target = _target_type(reference, scope)
            if target not in allowed:
                found = joined(found, _complaint(reference, target, targets), ".reference")
        if "type" in value:
            found = joined(found, _check_type(value["type"], target, targets, allowed), ".type")
        return found

    return check


def _target_type(reference: str, scope: Scope) -> str | None:
    """Return the type of the resource that a reference leads to; None if it is malformed or leads nowhere."""
    if reference[0] == "#":
        return _contained_type(reference[1:], scope)
    match = _literal(reference)
    if match is None:
        return None
    base, name = match.groups()
    if name in _resource_types():
        return name
    return None if name and not base else _UNKNOWN


def _contained_type(local_id: str, scope: Scope) -> str | None:
    if not local_id:  # "#" is the container itself
        return _UNKNOWN
    scope.local_references.add(local_id)
    if scope.contained_types is None:
        scope.contained_types = _types_by_id(scope.container.get("contained"))
    return scope.contained_types.get(local_id)


def _types_by_id(contained: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for resource in contained if type(contained) is list else ():
        if type(resource) is dict and type(resource.get("id")) is str:
            name = resource.get("resourceType")
            found[resource["id"]] = name if type(name) is str and name in _resource_types() else _UNKNOWN
    return found


def _complaint(reference: str, target: str | None, targets: tuple[str, ...]) -> Findings:
    if target is not None:
        return one("value", _expected(targets))
    if reference[0] == "#":
        return one("invariant", "ref-1: A local reference must name a resource in contained")
    return one("value", _FORM)


def _check_type(
    named: Any, target: str | None, targets: tuple[str, ...], allowed: frozenset[str]
) -> Findings | None:
    """Compare `Reference.type`, if it is the name of a resource type, with the reference and the element."""
    if type(named) is not str or named not in _resource_types():
        return None
    if target and named != target:
        return one("value", "The type must be that of the resource that the reference names")
    return None if named in allowed else one("value", _expected(targets))


def _expected(targets: tuple[str, ...]) -> str:
    return f"The target must be one of {', '.join(targets)}"
