"""What an operation answers if that is not one resource.

https://hl7.org/fhir/R4/operations.html#response
"""

from collections.abc import Iterable
from typing import Any


def parameters(listed: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return a Parameters resource with the parameters `listed`."""
    found = list(listed)
    return {"resourceType": "Parameters"} | ({"parameter": found} if found else {})
