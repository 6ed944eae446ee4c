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
_RESTFUL = re.compile(rf"(?:https?://\S+/)?([A-Z][A-Za-z]*)/{_ID}(?:/_history/{_ID})?").fullmatch
_CONDITIONAL = re.compile(r"([A-Z][A-Za-z]*)\?\S+").fullmatch
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+").fullmatch

_FORM = (
    "A literal reference must be [type]/[id], an absolute URI, the #[id] of a contained resource or, "
    "in a transaction, [type]?[search parameters]"
)


@cache
def _resource_types() -> frozenset[str]:
    return frozenset(resource_types())


def reference_check(targets: tuple[str, ...], of_any: Check) -> Check:
    """Return the check of a Reference to one of the types in `targets`; () and `Resource` allow any type.

    `of_any` is the check of the data type Reference itself.
    """
    allowed = frozenset() if "Resource" in targets else frozenset(targets)

    def check(value: Any, parent: dict[str, Any], scope: Scope) -> Findings | None:
        found = of_any(value, parent, scope)
        if type(value) is not dict:
            return found
        reference = value.get("reference")
        target = None
        if type(reference) is str and reference:
            target = _target_type(reference, scope)
            if target is None:
                found = joined(found, _without_type(reference), ".reference")
            elif allowed and target not in allowed:
                found = joined(found, one("value", _expected(allowed)), ".reference")
        if "type" in value:
            found = joined(found, _check_type(value["type"], target, allowed), ".type")
        return found

    return check


def _target_type(reference: str, scope: Scope) -> str | None:
    """Return the type of the resource that a literal reference points to, if the reference shows it."""
    if reference[0] == "#":
        return _contained_type(reference[1:], scope)
    match = _RESTFUL(reference) or _CONDITIONAL(reference)
    return match[1] if match and match[1] in _resource_types() else None


def _contained_type(local_id: str, scope: Scope) -> str | None:
    scope.local_references.add(local_id)
    if scope.contained_types is None:
        scope.contained_types = _types_by_id(scope.container.get("contained"))
    return scope.contained_types.get(local_id)


def _types_by_id(contained: Any) -> dict[str, str]:
    if type(contained) is not list:
        return {}
    named = [(item.get("id"), item.get("resourceType")) for item in contained if type(item) is dict]
    return {id_: name for id_, name in named if type(id_) is str and type(name) is str}


def _without_type(reference: str) -> Findings | None:
    """Return what is wrong with a reference that does not show the type of its target."""
    if reference[0] == "#":
        if reference == "#":  # the container itself
            return None
        return one("invariant", "ref-1: A local reference must name a resource in contained")
    return None if _ABSOLUTE(reference) else one("value", _FORM)


def _check_type(named: Any, target: str | None, allowed: frozenset[str]) -> Findings | None:
    """Compare `Reference.type`, if it is the name of a resource type, with the reference and the element."""
    if type(named) is not str or named not in _resource_types():
        return None
    if target is not None and named != target:
        return one("value", "The type must be that of the resource that the reference names")
    if allowed and named not in allowed:
        return one("value", _expected(allowed))
    return None


def _expected(allowed: frozenset[str]) -> str:
    return f"The target must be one of {', '.join(sorted(allowed))}"
