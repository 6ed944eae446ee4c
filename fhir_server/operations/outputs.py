"""What operations answer: Parameters, and the entries and links of a Bundle.

https://hl7.org/fhir/R4/operations.html#response
"""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from fhir_server.context import Context, Request
from fhir_server.search.positions import Position, encode_position


def parameters(listed: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return a Parameters resource with the parameters `listed`."""
    found = list(listed)
    return {"resourceType": "Parameters"} | ({"parameter": found} if found else {})


def entry(mode: str, resource: dict[str, Any], base_url: str) -> dict[str, Any]:
    """Return an entry of a searchset; `mode` is `match`, `include` or `outcome`."""
    address = f"{base_url}/{resource['resourceType']}/{resource['id']}"
    return {"fullUrl": address, "resource": resource, "search": {"mode": mode}}


def page_url(
    request: Request, pairs: Iterable[tuple[str, str]], after: Position | None, context: Context
) -> str:
    """Return the address that gives the page after `after` of what `request` asked with `pairs`."""
    page = [("_page", encode_position(after))] if after else []
    text = urlencode([*pairs, *page], safe=":,|/")
    return f"{context.base_url}/{'/'.join(request.path)}" + (f"?{text}" if text else "")
