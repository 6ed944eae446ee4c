"""Which kinds of visits need an order: a table that a hospital may replace.

https://hl7.org/fhir/R4/appointment-definitions.html#Appointment.serviceType
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fhir_server.workflows.tables import has_listed, read_codes


def load_visit_types(path: Path | None) -> Mapping[str, frozenset[str]]:
    """Return the codes that need an order, by system; raise ValueError if the file is not such a table."""
    return read_codes(path, __package__, "visit_types.toml", "order")


def needs_order(appointment: Mapping[str, Any], path: Path | None) -> bool:
    """Tell whether an Appointment, by what it is for, needs an order."""
    table = load_visit_types(path)
    concepts = [*appointment.get("serviceType", ()), appointment.get("appointmentType", {})]
    codings = (coding for one in concepts for coding in one.get("coding", ()))
    return any(has_listed(table, one) for one in codings)
