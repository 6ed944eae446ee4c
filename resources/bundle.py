"""Bundles: the entries of a batch or transaction taken apart, and bundles that answer put together.

https://hl7.org/fhir/R4/bundle.html, https://hl7.org/fhir/R4/http.html#transaction
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, cast

from resources.operation_outcome import MOST_ISSUES, InvalidContent, Issue, UnprocessableContent, error
from resources.validation import validate

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One request in a batch or transaction; `index` is its place in the bundle, counted from 0.

    `resource` is any JSON value, as whoever stores it checks it.
    """

    index: int
    method: Method
    url: str
    full_url: str | None = None
    resource: Any = None
    if_match: str | None = None
    if_none_match: str | None = None
    if_none_exist: str | None = None
    if_modified_since: str | None = None

    @property
    def expression(self) -> str:
        """The FHIRPath of this entry."""
        return f"Bundle.entry[{self.index}]"


def request_entries(bundle: dict[str, Any]) -> list[Entry]:
    """Return the entries of a batch or transaction.

    Raises InvalidContent or UnprocessableContent with all issues of the bundle itself; the resources in it
    are not looked into.
    """
    found = bundle.get("entry", [])
    entries = found if isinstance(found, list) else []
    issues = validate({**bundle, "entry": [_envelope(entry) for entry in entries]} if entries else bundle)
    issues += islice(_missing_requests(entries), MOST_ISSUES)
    if issues:
        raise refusal(issues)
    return [_entry(index, entry) for index, entry in enumerate(entries)]


def _missing_requests(entries: Sequence[Any]) -> Iterator[Issue]:
    """Yield what validation lets pass: collections need no requests, and an extension may be all of a url."""
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            continue
        where = f"Bundle.entry[{index}]"
        request = entry.get("request")
        if "request" not in entry:
            yield error("required", "Each entry of a batch or transaction needs a request", where)
        elif isinstance(request, dict) and not ("method" in request and "url" in request):
            yield error("required", "A request needs the values of method and url", f"{where}.request")


def _envelope(entry: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    # An entry may not be empty; without its resource it might seem so.
    return {key: value for key, value in entry.items() if key != "resource"} or {"fullUrl": "urn:uuid:0"}


def _entry(index: int, entry: dict[str, Any]) -> Entry:
    request = entry["request"]
    return Entry(
        index=index,
        method=cast(Method, request["method"]),
        url=request["url"],
        full_url=entry.get("fullUrl"),
        resource=entry.get("resource"),
        if_match=request.get("ifMatch"),
        if_none_match=request.get("ifNoneMatch"),
        if_none_exist=request.get("ifNoneExist"),
        if_modified_since=request.get("ifModifiedSince"),
    )


# Issues that mean "this is not the FHIR it claims to be", against "readable, but breaks a rule".
_STRUCTURAL_CODES = frozenset({"structure", "value", "invalid", "too-long"})


def refusal(issues: Sequence[Issue]) -> InvalidContent | UnprocessableContent:
    """Return the error that carries `issues`: InvalidContent if any is structural."""
    structural = any(issue.code in _STRUCTURAL_CODES for issue in issues)
    return InvalidContent(*issues) if structural else UnprocessableContent(*issues)


def bundle(
    bundle_type: str,
    entries: Sequence[dict[str, Any]],
    *,
    links: Sequence[tuple[str, str]] = (),
    total: int | None = None,
) -> dict[str, Any]:
    """Return a Bundle of `bundle_type`; `links` are pairs of relation and absolute URL."""
    result: dict[str, Any] = {"resourceType": "Bundle", "type": bundle_type}
    if total is not None:
        result["total"] = total
    if links:
        result["link"] = [{"relation": relation, "url": url} for relation, url in links]
    if entries:
        result["entry"] = list(entries)
    return result
