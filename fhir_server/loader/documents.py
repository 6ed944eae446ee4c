"""What to send for one JSON document: a batch or transaction as it is, else each resource that it holds.

Batches and transactions are posted untouched, byte for byte, so that their conditional references and
`urn:uuid` links mean what their author meant. https://hl7.org/fhir/R4/bundle.html
"""

from collections.abc import Iterator
from typing import Any

import orjson

from fhir_server.loader.items import Item, batches, gather, item, single
from fhir_server.loader.submission import Entry, Failure, Submission
from resources.json_format import dumps, parse
from resources.operation_outcome import InvalidContent, error

# Sending these again changes nothing: https://hl7.org/fhir/R4/http.html#update
_REPEATABLE_METHODS = frozenset({"PUT", "GET", "HEAD", "DELETE"})


def submissions(source: str, body: bytes, size: int = 0) -> Iterator[Submission | Failure]:
    """Return what to send for the document `body`; raises InvalidContent if it is no resource."""
    document = _glance(body)
    one = item(document, body, "", size=size)
    if one.resource_type != "Bundle":
        yield single(source, one)
    elif document.get("type") in ("batch", "transaction"):
        yield _as_it_is(source, body, document, size)
    else:
        yield from _content(source, body, parse(body), size)


def _glance(body: bytes) -> Any:
    """Read what will be sent untouched in half the time that exact digits take: the server looks closely."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return parse(body)  # says where it is wrong


def _as_it_is(source: str, body: bytes, bundle: dict[str, Any], size: int) -> Submission:
    entries = _entries(bundle)
    return Submission(
        source,
        "POST",
        "",
        body,
        tuple(_described(index, entry) for index, entry in enumerate(entries)),
        divisible=bundle["type"] == "batch",
        repeatable=all(_is_repeatable(entry) for entry in entries),
        size=size,
    )


def _content(source: str, body: bytes, bundle: dict[str, Any], size: int) -> Iterator[Submission | Failure]:
    entries = _entries(bundle)
    kept = [index for index, entry in enumerate(entries) if _holds_content(entry)]
    if bundle.get("type") == "history":
        newest = set(_newest(entries))
        kept = [index for index in kept if index in newest]
    items = [_item(index, entries[index], size // len(kept)) for index in kept]
    # Only a transaction rewrites links that have a meaning inside the Bundle alone.
    if items and b'"urn:' in body:
        yield gather(source, items, "transaction")
    else:
        yield from batches(source, items)


def _item(index: int, entry: dict[str, Any], size: int) -> Item:
    resource = entry["resource"]
    full_url = entry.get("fullUrl")
    return item(resource, dumps(resource), f"entry[{index}]", full_url=full_url, size=size)


def _entries(bundle: dict[str, Any]) -> list[dict[str, Any]]:
    entries = bundle.get("entry", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InvalidContent(error("structure", "Bundle.entry is not a list of entries", "Bundle.entry"))
    return entries


def _request(entry: dict[str, Any]) -> dict[str, Any]:
    request = entry.get("request")
    return request if isinstance(request, dict) else {}


def _described(index: int, entry: dict[str, Any]) -> Entry:
    url = str(_request(entry).get("url", ""))
    resource = entry.get("resource")
    named = resource.get("resourceType") if isinstance(resource, dict) else None
    resource_type = named if isinstance(named, str) else url.partition("?")[0].partition("/")[0]
    return Entry(f"entry[{index}] {resource_type} {entry.get('fullUrl') or url}".strip(), resource_type)


def _is_repeatable(entry: dict[str, Any]) -> bool:
    request = _request(entry)
    return request.get("method") in _REPEATABLE_METHODS or "ifNoneExist" in request


def _holds_content(entry: dict[str, Any]) -> bool:
    search = entry.get("search")
    is_outcome = isinstance(search, dict) and search.get("mode") == "outcome"
    return isinstance(entry.get("resource"), dict) and not is_outcome


def _newest(entries: list[dict[str, Any]]) -> list[int]:
    """Return where each resource of a history stands first: the newest version, or its deletion."""
    newest: dict[str, int] = {}
    for index, entry in enumerate(entries):
        resource = entry.get("resource") or {}
        place = f"{resource.get('resourceType')}/{resource.get('id')}"
        newest.setdefault(place if resource else str(_request(entry).get("url")), index)
    return list(newest.values())
