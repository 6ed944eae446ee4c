"""Bare resources, and the requests that they are gathered into: one by one, or in batches of a bounded size.

A resource with an id becomes a PUT, so that loading it again adds nothing; one without becomes a POST.
https://hl7.org/fhir/R4/http.html#upsert
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

from fhir_server.loader.submission import Entry, Failure, Submission
from resources.json_format import dumps
from resources.operation_outcome import InvalidContent, error

# A batch is full at whichever comes first: large enough to spare round trips, small enough to bound memory.
BATCH_ENTRIES = 100
BATCH_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Item:
    """A bare resource on its way to the server; `raw` is its JSON as it was found."""

    label: str
    resource_type: str
    id: str | None
    raw: bytes
    full_url: str | None = None
    size: int = 0

    def as_entry(self) -> bytes:
        """Return the resource as JSON of a Bundle.entry with its request."""
        request = {"method": "POST", "url": self.resource_type}
        if self.id is not None:
            request = {"method": "PUT", "url": f"{self.resource_type}/{self.id}"}
        full_url = b'"fullUrl":' + dumps(self.full_url) + b"," if self.full_url else b""
        return b"{" + full_url + b'"resource":' + self.raw + b',"request":' + dumps(request) + b"}"

    def described(self) -> Entry:
        """Return what a person needs to find this resource again."""
        name = f"{self.resource_type}/{self.id}" if self.id else self.resource_type
        return Entry(f"{self.label} {name}".strip(), self.resource_type)


def item(resource: Any, raw: bytes, label: str, *, full_url: str | None = None, size: int = 0) -> Item:
    """Return `resource` as an item; raises InvalidContent if it is not a resource at all."""
    resource_type = resource.get("resourceType") if isinstance(resource, dict) else None
    if not isinstance(resource_type, str) or not resource_type:
        raise InvalidContent(error("structure", "This is not a FHIR resource: it has no resourceType"))
    identity = resource.get("id")
    named = identity if isinstance(identity, str) and identity else None
    return Item(label, resource_type, named, raw, full_url, size)


def single(source: str, one: Item) -> Submission:
    """Return the submission of one resource by itself."""
    entries = (one.described(),)
    path = quote(one.resource_type, safe="")
    if one.id is None:
        return Submission(source, "POST", path, one.raw, entries, False, False, one.size)
    path = f"{path}/{quote(one.id, safe='')}"
    return Submission(source, "PUT", path, one.raw, entries, False, True, one.size)


def gather(
    source: str, items: Sequence[Item], bundle_type: Literal["batch", "transaction"] = "batch"
) -> Submission:
    """Return one Bundle of `items` to post."""
    joined = b",".join(one.as_entry() for one in items)
    return Submission(
        source,
        "POST",
        "",
        b'{"resourceType":"Bundle","type":"' + bundle_type.encode() + b'","entry":[' + joined + b"]}",
        tuple(one.described() for one in items),
        divisible=bundle_type == "batch",
        repeatable=all(one.id is not None for one in items),
        size=sum(one.size for one in items),
    )


def batches(source: str, items: Iterable[Item | Submission | Failure]) -> Iterator[Submission | Failure]:
    """Group the items of a stream into batches of a bounded size; whatever else is in it passes through."""
    waiting: list[Item] = []
    waiting_bytes = 0
    for one in items:
        if not isinstance(one, Item):
            yield one
            continue
        if waiting and (len(waiting) >= BATCH_ENTRIES or waiting_bytes + len(one.raw) > BATCH_BYTES):
            yield gather(source, waiting)
            waiting, waiting_bytes = [], 0
        waiting.append(one)
        waiting_bytes += len(one.raw)
    if waiting:
        yield gather(source, waiting)
