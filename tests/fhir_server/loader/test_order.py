"""Which files go first (https://hl7.org/fhir/R4/http.html#trules)."""

import gzip
import json
from pathlib import Path

import pytest

from fhir_server.loader.order import LAST, in_waves, wave_of


def written(file: Path, *resource_types: str, padding: int = 0) -> Path:
    """Write a Bundle with resources of these types."""
    entries = [{"resource": {"resourceType": name, "text": "x" * padding}} for name in resource_types]
    data = json.dumps({"resourceType": "Bundle", "type": "batch", "entry": entries}, indent=1).encode()
    file.write_bytes(gzip.compress(data) if file.suffix == ".gz" else data)
    return file


@pytest.mark.parametrize(
    ("resource_types", "wave"),
    [
        (["Organization", "Location"], 0),
        (["Practitioner", "PractitionerRole"], 1),
        (["Organization", "Practitioner"], 1),
        (["Patient"], 2),
        (["Medication", "Device"], 3),
        (["Organization", "Encounter"], LAST),
        (["Encounter", "Organization"], LAST),
        (["Nonsense"], LAST),
        ([], LAST),
    ],
)
def test_the_content_decides(tmp_path: Path, resource_types: list[str], wave: int) -> None:
    """A file goes with the last of its types, whatever its name says."""
    assert wave_of(written(tmp_path / "hospitalInformation.json", *resource_types)) == wave


@pytest.mark.parametrize("packing", ["", ".gz"])
@pytest.mark.parametrize("cut", range(len('"resourceType": "Encounter"')))
def test_a_type_is_seen_wherever_it_stands(tmp_path: Path, cut: int, packing: str) -> None:
    """Reading in pieces misses no type that lies across two of them, wherever they are cut."""
    plain = written(tmp_path / "plain.json", "Organization", "Encounter").read_bytes()
    padding = 64 * 1024 - plain.index(b'"resourceType": "Encounter"') - cut
    file = written(tmp_path / f"a.json{packing}", "Organization", "Encounter", padding=padding)
    assert wave_of(file) == LAST


def test_text_is_no_type(tmp_path: Path) -> None:
    """JSON inside a string does not count."""
    text = json.dumps({"resourceType": "Organization", "alias": [json.dumps({"resourceType": "Encounter"})]})
    (tmp_path / "a.json").write_text(text)
    assert wave_of(tmp_path / "a.json") == 0


def test_unreadable_files_come_last(tmp_path: Path) -> None:
    """Whoever loads them will say what is wrong."""
    (tmp_path / "a.json.gz").write_bytes(b"no gzip")
    assert wave_of(tmp_path / "a.json.gz") == LAST


def test_files_are_grouped_in_order(tmp_path: Path) -> None:
    """Within a group the given order stays; groups without files are left out."""
    patients = [written(tmp_path / f"{n}.json", "Patient", "Encounter") for n in range(2)]
    hospital = written(tmp_path / "z.json", "Organization")
    staff = written(tmp_path / "y.ndjson", "Practitioner")
    assert in_waves([*patients, staff, hospital]) == [[hospital], [staff], patients]
