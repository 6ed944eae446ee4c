"""Pathways: what brings somebody to the hospital, what is found, and what is done about it."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from fhir_server.demo.tables import document


@dataclass(frozen=True, slots=True)
class Pathway:
    """One story of illness; `kind` is chronic, inpatient or emergency.

    The first of `diagnoses` is the reason for the visit. `values` are ranges of analytes that it changes,
    `vitals` the differences it makes to vital signs; `urgency` is the Emergency Severity Index.
    """

    key: str
    kind: str
    department: str
    ages: tuple[int, int]
    sex: str | None
    diagnoses: tuple[str, ...]
    panels: tuple[str, ...]
    values: dict[str, tuple[float, float]]
    vitals: dict[str, float]
    medicines: tuple[str, ...]
    procedures: tuple[str, ...]
    imaging: dict[str, str]
    plan: dict[str, Any] | None
    urgency: int


@cache
def pathways(kind: str) -> tuple[Pathway, ...]:
    """Return the pathways of `kind`, in the order of the table."""
    return tuple(_pathway(row) for row in document("pathways") if row["kind"] == kind)


def _pathway(row: dict[str, Any]) -> Pathway:
    youngest, oldest = row["ages"]
    return Pathway(
        key=row["key"],
        kind=row["kind"],
        department=row["department"],
        ages=(youngest, oldest),
        sex=row.get("sex"),
        diagnoses=tuple(row.get("diagnoses", ())),
        panels=tuple(row.get("panels", ())),
        values={key: (low, high) for key, (low, high) in row.get("values", {}).items()},
        vitals=row.get("vitals", {}),
        medicines=tuple(row.get("medicines", ())),
        procedures=tuple(row.get("procedures", ())),
        imaging=row.get("imaging", {}),
        plan=row.get("plan"),
        urgency=row.get("urgency", 3),
    )
