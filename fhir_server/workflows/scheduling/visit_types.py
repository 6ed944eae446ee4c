"""Which kinds of visits need an order: a table that a hospital may replace.

https://hl7.org/fhir/R4/appointment-definitions.html#Appointment.serviceType
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any


@cache
def _table(path: Path | None) -> Mapping[str, frozenset[str]]:
    text = path.read_text() if path else files(__package__).joinpath("visit_types.toml").read_text()
    return {system: frozenset(codes) for system, codes in tomllib.loads(text).get("order", {}).items()}


def load_visit_types(path: Path | None) -> Mapping[str, frozenset[str]]:
    """Return the codes that need an order, by system; raise ValueError if the file is not such a table."""
    return _table(path)


def needs_order(appointment: Mapping[str, Any], path: Path | None) -> bool:
    """Tell whether an Appointment, by what it is for, needs an order."""
    table = _table(path)
    concepts = [*appointment.get("serviceType", ()), appointment.get("appointmentType", {})]
    codings = (coding for one in concepts for coding in one.get("coding", ()))
    return any(one.get("code") in table.get(one.get("system", ""), ()) for one in codings)
