"""How a resource is laid down in MongoDB, so that a person with `mongosh` sees FHIR and can query it.

One collection per resource type holds the live resources; `history` holds the versions that were
replaced, and the deletions. The layout is argued in `docs/decisions/0003-storage.md`.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from fhir_server.search.extraction import search_values

HISTORY = "history"
REFERENCES = "references"
"""The field of a live document with what it refers to, kept if referential integrity is enforced."""

_MILLISECOND = timedelta(milliseconds=1)

Method = Literal["POST", "PUT", "DELETE"]
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a resource as stored; `resource` is None for the version that is a deletion.

    `number` is the version id, `updated` is `meta.lastUpdated` (aware, UTC, milliseconds), and `sequence`
    orders the resources of a type by their creation.
    """

    resource_type: str
    id: str
    number: int
    updated: datetime
    method: Method
    sequence: int
    resource: dict[str, Any] | None

    @property
    def location(self) -> str:
        """The address of this version, relative to the base."""
        return f"{self.resource_type}/{self.id}/_history/{self.number}"

    def showing(self, resource: dict[str, Any]) -> "Version":
        """Return the version with `resource` as what is shown of it."""
        return self if resource is self.resource else replace(self, resource=resource)


@dataclass(frozen=True, slots=True)
class Target:
    """What a resource refers to: the current version, or the one that is named, of a resource on this server.

    `expression` is the FHIRPath of the reference, in what was sent.
    """

    resource_type: str
    id: str
    version: int | None
    expression: str

    @property
    def key(self) -> tuple[str, str]:
        """The resource, whatever the version."""
        return self.resource_type, self.id


@dataclass(frozen=True, slots=True)
class Write:
    """One change to one resource; `resource` and `search` (its index values) are None for a deletion.

    Without `search` the index values are worked out when it is stored, as it is then: the rules of the
    hospital's work may fill in more.
    `if_match` is the version that must be the current one; `must_be_new` refuses to replace anything.
    `indexed` is the revision of the custom parameters by which `search` was made, 0 if the type has none.
    `number` is what the new version will be, where something relies on it: a patch was applied to the one
    before it, or a reference names it. `previous_meta` is what `meta` was in what the patch was applied to,
    as labels may change without a new version.

    `needs_if_match` refuses to change what exists without `if_match`. Where referential integrity is
    enforced, `refers_to` is what the resource refers to, and `referred_as` how others may refer to what is
    deleted. `at` is the FHIRPath of the resource in what was sent, if it is not the root. One that `follows`
    is made by the rules or an operation of the hospital's work, and not by whoever asked.
    """

    method: Method
    resource_type: str
    id: str
    resource: dict[str, Any] | None = None
    search: dict[str, Any] | None = None
    if_match: int | None = None
    must_be_new: bool = False
    number: int | None = None
    previous_meta: dict[str, Any] | None = None
    needs_if_match: bool = False
    refers_to: tuple[Target, ...] | None = None
    referred_as: tuple[str, ...] = ()
    at: str | None = None
    indexed: int = 0
    follows: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a write: `version` is None where there was nothing to delete."""

    version: Version | None
    created: bool = False


@dataclass(slots=True)
class SequenceNumbers:
    """Hands out increasing 63-bit numbers: milliseconds, a counter, and bits that tell processes apart."""

    clock: Callable[[], int] = field(default=time.time_ns)
    _process_bits: int = field(default_factory=lambda: int.from_bytes(os.urandom(2)) & 0xFFF)
    _last: int = 0

    def next(self) -> int:
        """Return a number above all that this process handed out before."""
        tick = (self.clock() // 1_000_000) << 8
        self._last = max(tick, self._last + 1)
        return (self._last << 12) | self._process_bits


def index_values(write: Write) -> dict[str, Any]:
    """Return the index values of what a write stores, worked out if it does not have them yet."""
    if write.search is not None or write.resource is None:
        return write.search or {}
    return search_values(write.resource)


def live_document(write: Write, number: int, updated: datetime, sequence: int) -> Document:
    """Return the document of a new current version, with `meta.versionId` and `meta.lastUpdated` set."""
    resource = dict(write.resource or {})
    stamp = {"versionId": str(number), "lastUpdated": instant(updated)}
    resource["meta"] = {**stamp, **resource.get("meta", {}), **stamp}
    document = {
        "_id": write.id,
        "seq": sequence,
        "version": number,
        "updated": updated,
        "method": write.method,
        "resource": _id_first(resource, write.id),
        "search": index_values(write),
        **index_stamp(write.indexed),
    }
    if write.refers_to is not None:
        # Versions stay when their resource is deleted, so that these references do.
        current = {f"{to.resource_type}/{to.id}" for to in write.refers_to if to.version is None}
        document[REFERENCES] = sorted(current)
    return document


def index_stamp(indexed: int) -> Document:
    """Return the field that goes with `search` wherever that is set, for the fence to look at."""
    return {"indexed": indexed} if indexed else {}


def _id_first(resource: dict[str, Any], resource_id: str) -> dict[str, Any]:
    return {
        "resourceType": resource["resourceType"],
        "id": resource_id,
        "meta": resource["meta"],
        **{key: value for key, value in resource.items() if key not in ("resourceType", "id", "meta")},
    }


def past_document(resource_type: str, live: Document, until: datetime) -> Document:
    """Return the document under which `history` keeps a version that is replaced at the moment `until`."""
    return _history_document(resource_type, live, until) | {"resource": live["resource"]}


def deletion_document(resource_type: str, live: Document, updated: datetime) -> Document:
    """Return the document under which `history` keeps the deletion of `live`."""
    after = {**live, "version": live["version"] + 1, "updated": updated, "method": "DELETE"}
    # A deletion is what is current at its own moment alone: from then on nothing is.
    return _history_document(resource_type, after, updated + _MILLISECOND)


def _history_document(resource_type: str, document: Document, until: datetime) -> Document:
    return {
        "_id": f"{resource_type}/{document['_id']}/_history/{document['version']}",
        "type": resource_type,
        "id": document["_id"],
        "seq": document["seq"],
        "version": document["version"],
        "updated": document["updated"],
        "until": until,
        "method": document["method"],
    }


def version_of_live(resource_type: str, document: Document) -> Version:
    """Return what a document of a type's own collection holds."""
    return _version(resource_type, document["_id"], document)


def version_of_past(document: Document) -> Version:
    """Return what a document of `history` holds."""
    return _version(document["type"], document["id"], document)


def _version(resource_type: str, resource_id: str, document: Document) -> Version:
    return Version(
        resource_type,
        resource_id,
        document["version"],
        document["updated"],
        document["method"],
        document["seq"],
        document.get("resource"),
    )


def instant(moment: datetime) -> str:
    """Return `moment` (aware, UTC) as a FHIR instant with milliseconds."""
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def next_instant(now: datetime, previous: datetime | None) -> datetime:
    """Return `now` in whole milliseconds, but later than `previous`: no two versions share a time."""
    whole = now.replace(microsecond=now.microsecond // 1000 * 1000)
    return whole if previous is None else max(whole, previous + _MILLISECOND)
