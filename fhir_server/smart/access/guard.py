"""The rules for one caller, as the store asks them: what is seen, what is shown of it, what may be changed.

Someone else's resource is one that is not there, for reading and for writing alike. What the caller sees but
may not do is refused as forbidden.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fhir_server.search.asked import NOTHING, Condition, both, either
from fhir_server.search.extraction import search_values
from fhir_server.search.subsetting import Subsetting, subset
from fhir_server.smart.access.grants import CREATE_BY_UPDATE, Caller, Grant, grants
from fhir_server.smart.access.matching import meets
from fhir_server.store import Write
from resources.operation_outcome import Forbidden, ResourceNotFound, error

Limits = Callable[[str], Condition]
"""From a resource type to what holds for all that the caller does with it."""

_READING = frozenset("rs")
_STAMPED = frozenset({"id", "meta", "resourceType"})


class AccessGuard:
    """The rules for one caller, for as long as one request takes (see `fhir_server.store.guarding.Guard`)."""

    def __init__(self, caller: Caller, limits: Limits = lambda _: {}) -> None:
        """Go by what `caller` was granted, within `limits`."""
        self._caller = caller
        self._limits = limits
        self._grants: dict[str, tuple[Grant, ...]] = {}

    def grants(self, resource_type: str) -> tuple[Grant, ...]:
        """Return what the caller was granted for a type."""
        if resource_type not in self._grants:
            limits = self._limits(resource_type)
            self._grants[resource_type] = tuple(
                Grant(one.actions, both([one.condition, limits]), one.elements, one.changes)
                for one in grants(self._caller, resource_type)
            )
        return self._grants[resource_type]

    def may(self, actions: Iterable[str], resource_type: str) -> bool:
        """Tell whether there is any resource of the type with which the caller may do one of `actions`."""
        wanted = frozenset(actions)
        return any(grant.actions & wanted for grant in self.grants(resource_type))

    def visible(self, resource_type: str) -> Condition:
        """Return the condition that the documents meet which the caller may see; {} for all of them."""
        conditions = [one.condition for one in self.grants(resource_type) if one.actions & _READING]
        if not conditions:
            return NOTHING
        return {} if {} in conditions else either(conditions)

    def sees(self, resource: Mapping[str, Any]) -> bool:
        """Tell whether the caller may see a resource."""
        return any(True for _ in self._granted(resource, _READING))

    def shown(self, resource: dict[str, Any]) -> dict[str, Any]:
        """Return the part of a resource that the caller may see, marked as such."""
        known = self.grants(resource["resourceType"])
        if all(grant.elements is None for grant in known):
            return resource
        elements: set[str] = set()
        for grant in self._granted(resource, _READING):
            if grant.elements is None:
                return resource
            elements |= grant.elements
        return subset(resource, Subsetting(elements=tuple(sorted(elements))))

    def check(self, write: Write, live: dict[str, Any] | None) -> None:
        """Raise ResourceNotFound for what the caller does not see, Forbidden for what they may not do."""
        if live is not None and not self.sees(live) and not any(self._granted(live, frozenset("ud"))):
            raise ResourceNotFound(error("not-found", f"There is no {write.resource_type}/{write.id}"))
        if write.resource is None:
            self._check(frozenset("d"), write, live)
        elif live is None:
            actions = frozenset("c" if write.method == "POST" else f"c{CREATE_BY_UPDATE}")
            self._check(actions, write, write.resource)
        else:
            self._check_update(write, live, write.resource)

    def _check(self, actions: frozenset[str], write: Write, resource: Mapping[str, Any] | None) -> None:
        if resource is None:
            # There is nothing to delete; whether the caller might is known all the same.
            allowed = self.may(actions, write.resource_type)
        else:
            allowed = any(True for _ in self._granted(resource, actions))
        if not allowed:
            raise _forbidden(write)

    def _check_update(self, write: Write, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Raise Forbidden unless one grant covers the resource before and after, and what changes."""
        changed = {
            name for name in (before.keys() | after.keys()) - _STAMPED if before.get(name) != after.get(name)
        }
        if _labels(before) != _labels(after):
            changed.add("meta")
        allowed = list(self._granted(before, frozenset("u")))
        for grant in self._granted(after, frozenset("u")):
            if any(grant is one for one in allowed) and (grant.changes is None or changed <= grant.changes):
                return
        raise _forbidden(write)

    def _granted(self, resource: Mapping[str, Any], actions: frozenset[str]) -> Iterable[Grant]:
        """Yield the grants for one of `actions` that cover a resource."""
        document: dict[str, Any] | None = None
        for grant in self.grants(resource["resourceType"]):
            if not grant.actions & actions:
                continue
            if not grant.condition:
                yield grant
                continue
            if document is None:
                values = search_values(dict(resource))
                document = {"_id": resource.get("id"), "search": values, "resource": resource}
            if meets(document, grant.condition):
                yield grant


def _labels(resource: Mapping[str, Any]) -> Any:
    """Return the security labels, by which others are kept from a resource or let to it."""
    return resource.get("meta", {}).get("security") or []


def _forbidden(write: Write) -> Forbidden:
    message = f"Your role or the scopes of this application do not allow this change of {write.resource_type}"
    return Forbidden(error("forbidden", message))
