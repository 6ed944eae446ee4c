"""The demo's tables: every key leads somewhere, every row is used, every code of HL7's is one."""

from collections.abc import Iterator
from typing import Any

import pytest

from fhir_server.demo.clinical import analyte, find_diagnosis, find_medicine, find_panel
from fhir_server.demo.datatypes import Resource
from fhir_server.demo.departments import find_department
from fhir_server.demo.pathways import Pathway, pathways
from fhir_server.demo.tables import by_key, rows
from resources.definitions import code_system, code_system_urls

PATHWAYS = [pathway for kind in ("chronic", "inpatient", "emergency") for pathway in pathways(kind)]


@pytest.mark.parametrize("pathway", PATHWAYS, ids=lambda pathway: str(pathway.key))
def test_a_pathway_names_what_the_tables_have(pathway: Pathway) -> None:
    """Every key of a pathway stands in its table, and what it changes is measured by one of its panels."""
    assert find_department(pathway.department).name
    assert all(find_diagnosis(key) for key in pathway.diagnoses)
    assert all(find_medicine(key) for key in pathway.medicines)
    assert all(key in by_key("procedures") for key in pathway.procedures)
    assert all(key in by_key("imaging") for key in pathway.imaging)
    measured = {key for panel in pathway.panels for key in find_panel(panel).analytes}
    assert set(pathway.values) <= measured
    assert all(analyte(key) for key in measured)


def test_every_row_of_the_tables_is_used() -> None:
    """No illness, medicine, analyte or procedure is listed for nothing."""
    diagnoses = {key for pathway in PATHWAYS for key in pathway.diagnoses}
    assert {row["key"] for row in rows("diagnoses")} == diagnoses
    medicines = {key for pathway in PATHWAYS for key in pathway.medicines}
    assert {row["key"] for row in rows("medicines")} == medicines
    panels = {key for pathway in PATHWAYS for key in pathway.panels}
    assert {row["key"] for row in rows("panels")} == panels
    assert {row["key"] for row in rows("analytes")} == {
        key for panel in panels for key in find_panel(panel).analytes
    }
    assert {row["key"] for row in rows("procedures")} == {
        key for pathway in PATHWAYS for key in pathway.procedures
    }


def codings(value: Any) -> Iterator[tuple[str, str, str | None]]:
    """Return all Codings in `value`."""
    if isinstance(value, dict):
        if "system" in value and "code" in value and "value" not in value:
            yield value["system"], value["code"], value.get("display")
        for part in value.values():
            yield from codings(part)
    elif isinstance(value, list):
        for part in value:
            yield from codings(part)


def test_codes_of_hl7_are_what_hl7_says(hospital: dict[str, Resource]) -> None:
    """Where R4 defines all codes of a system, code and display are among them."""
    checked = 0
    for system, code, display in {coding for one in hospital.values() for coding in codings(one)}:
        if system not in code_system_urls():
            continue
        defined = code_system(system)
        if defined.content == "complete":
            assert code in defined.concepts, (system, code)
            assert defined.concepts[code].display == display, (system, code)
            checked += 1
    assert checked > 80
