"""Which tests patients may order themselves: a table that a hospital may replace.

https://hl7.org/fhir/R4/servicerequest-definitions.html#ServiceRequest.code
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fhir_server.workflows.tables import has_listed, read_codes


def bookable(path: Path | None) -> Mapping[str, frozenset[str]]:
    """Return the codes in the file at `path` by their systems, for None those that come with the server."""
    return read_codes(path, __package__, "bookable.toml")


def is_bookable(order: Mapping[str, Any], path: Path | None) -> bool:
    """Tell whether all that an order is for, by any of its codes, is something that patients may order."""
    table = bookable(path)
    codings = order.get("code", {}).get("coding", ())
    return bool(codings) and all(has_listed(table, one) for one in codings)
