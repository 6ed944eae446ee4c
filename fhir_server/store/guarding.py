"""What a store that is looked at through access rules asks of them.

The rules themselves are made in `fhir_server/smart/access`; here stands only where they are asked: in every
method of the store that gives something out, and in every transaction that changes something.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from fhir_server.store.documents import Document, Version, Write
from fhir_server.store.meta import Change

Resource = Mapping[str, Any]


class Guard(Protocol):
    """The rules for one caller."""

    def visible(self, resource_type: str) -> Document:
        """Return the MongoDB filter that the documents of a type meet which the caller may see; {}: all."""

    def sees(self, resource: Resource) -> bool:
        """Tell whether the caller may see a resource, in the version that is given."""

    def shown(self, resource: dict[str, Any]) -> dict[str, Any]:
        """Return the part of a resource that the caller may see, which is mostly all of it."""

    def check(self, write: Write, live: dict[str, Any] | None) -> None:
        """Raise an error unless the caller may make the change, `live` being what it replaces or deletes."""


def guarded(guard: Guard | None, resource_type: str, condition: Document) -> Document:
    """Return `condition`, and that the caller may see what meets it."""
    visible = {} if guard is None else guard.visible(resource_type)
    if not visible:
        return condition
    return {"$and": [visible, condition]} if condition else visible


def as_seen(guard: Guard | None, version: Version) -> Version | None:
    """Return the version as the caller may see it, None if not at all; a deletion is for others to judge."""
    if guard is None or version.resource is None:
        return version
    if not guard.sees(version.resource):
        return None
    return version.showing(guard.shown(version.resource))


def shown(guard: Guard | None, documents: list[Document]) -> list[Document]:
    """Return documents that were found, their resources as the caller may see them."""
    if guard is not None:
        for document in documents:
            if "resource" in document:
                document["resource"] = guard.shown(document["resource"])
    return documents


def relabelling(guard: Guard, resource_type: str, resource_id: str, change: Change) -> Change:
    """Return `change` with the question before it whether the caller may make it."""

    def checked(resource: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        meta, search = change(resource)
        relabelled = {**resource, "meta": meta}
        guard.check(Write("PUT", resource_type, resource_id, relabelled, search), resource)
        return meta, search

    return checked
