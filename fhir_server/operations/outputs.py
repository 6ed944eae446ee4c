"""What operations answer: Parameters, and the entries of a Bundle.

https://hl7.org/fhir/R4/operations.html#response
"""

from collections.abc import Iterable
from typing import Any


def parameters(listed: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return a Parameters resource with the parameters `listed`."""
    found = list(listed)
    return {"resourceType": "Parameters"} | ({"parameter": found} if found else {})


def entry(mode: str, resource: dict[str, Any], base_url: str) -> dict[str, Any]:
    """Return an entry of a searchset; `mode` is `match`, `include` or `outcome`."""
    address = f"{base_url}/{resource['resourceType']}/{resource['id']}"
    return {"fullUrl": address, "resource": resource, "search": {"mode": mode}}
