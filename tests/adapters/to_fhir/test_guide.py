"""The tables of the mapping, against those of HL7's v2-to-FHIR guide."""

import tomllib
from pathlib import Path

import pytest

from adapters.to_fhir import catalogue
from tests.adapters.to_fhir import code_tables, page
from tests.adapters.to_fhir.guide import mapped_rows

_EXCUSED = tomllib.loads((Path(__file__).parent / "excused.toml").read_text(encoding="utf-8"))

_READ_BY_FUNCTIONS = frozenset({"CWE", "ED", "PL", "SN", "XCN", "XON"})


def _missing(guide: Path, folder: str, names: set[str]) -> set[str]:
    ours = catalogue.rows()
    deeper = {row.rpartition(".")[0] for row in ours if "." in row}
    return {
        row
        for listed in mapped_rows(guide, folder, names).values()
        for row in listed
        if row not in ours and row not in deeper and not row.endswith(tuple("."))
    }


def _tables(guide: Path) -> set[str]:
    """Return the tables of the datatypes that functions read, by their names."""
    names = {path.name.split("R4_ ")[-1].split(" - ")[0] for path in (guide / "datatypes").glob("*.csv")}
    return {name for name in names if name.partition("[")[0] in _READ_BY_FUNCTIONS}


def _whole(row: str) -> str:
    """Return the table of a row if it is left out as a whole, else the row."""
    table = row.rpartition(" ")[0]
    return table if table in _EXCUSED else row


@pytest.fixture(scope="module")
def guide(shared_data: Path) -> Path:
    """The guide's tables."""
    return shared_data / "v2-to-fhir"


def test_rows_of_the_guide_are_mapped_or_excused(guide: Path) -> None:
    """Each row that maps something is mapped here, or left out for a reason that is written down."""
    segments = {table.name for table in catalogue.SEGMENTS} | {"AIP[Appointment]", "AIL[Appointment]"}
    missing = _missing(guide, "segments", segments | {"EVN[Provenance]", "OBX[DocumentReference]"})
    datatypes = {table.name for table in catalogue.DATATYPES} | _tables(guide)
    missing |= _missing(guide, "datatypes", datatypes)
    # FN and SAD have tables of their own.
    by_parts = {"XPN[HumanName] 1", "XAD[Address] 1", "XCN[Practitioner] 2"}
    missing = {row if row in _EXCUSED else _whole(row) for row in missing - by_parts}
    assert missing - _EXCUSED.keys() == set()
    assert _EXCUSED.keys() - missing == set()


def test_code_tables_are_those_of_the_guide(guide: Path) -> None:
    """The product's code tables have each code of the guide that changes, and nothing else."""
    assert code_tables.PRODUCT.read_text(encoding="utf-8") == code_tables.text(guide)


def test_page_of_the_mapping_is_up_to_date() -> None:
    """docs/hl7v2/mapping.md says what the tables say."""
    assert page.PAGE.read_text(encoding="utf-8") == page.text()
