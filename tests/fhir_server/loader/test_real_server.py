"""The loader against the real server, with files as others make them."""

import bz2
import json
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from fhir_server.commands.load import load

# The first two refer to nothing; patients refer to them by conditional references.
SYNTHEA = ("0-hospitalInformation", "0-practitionerInformation", "6c8f3e83", "8708d3e1")


def run(url: str, *paths: Path) -> str:
    """Load `paths`, of which nothing may fail; returns what was printed."""
    result = CliRunner().invoke(load, [*map(str, paths), "--url", url])
    assert result.exit_code == 0, result.output
    return result.output


def count(client: httpx.Client, resource_type: str) -> int:
    """Return how many resources of a type the server has."""
    total: int = client.get(f"/{resource_type}", params={"_summary": "count"}).json()["total"]
    return total


def test_synthea_is_loaded_and_no_hospital_comes_twice(
    client: httpx.Client, base_url: str, shared_data: Path
) -> None:
    """Conditional references find what was loaded first; conditional creates add nothing a second time."""
    files = [file for name in SYNTHEA for file in (shared_data / "synthea").glob(f"{name}*")]
    assert len(files) == len(SYNTHEA)
    expected = {"Organization": 194, "Location": 194, "Practitioner": 195}
    for times in (1, 2):
        run(base_url, *reversed(files))
        assert {name: count(client, name) for name in expected} == expected
        assert count(client, "Patient") == 2 * times
    entries = json.loads(bz2.decompress(files[2].read_bytes()))["entry"]
    encounter = next(one for one in entries if one["resource"]["resourceType"] == "Encounter")["resource"]
    assert "?" in encounter["serviceProvider"]["reference"]
    found = client.get("/Encounter", params={"_count": 1}).json()["entry"][0]["resource"]
    assert client.get(f"/{found['serviceProvider']['reference']}").status_code == 200


def test_lines_keep_their_digits(client: httpx.Client, base_url: str, tmp_path: Path) -> None:
    """A decimal in a line of ndjson is on the server as it was in the file."""
    line = (
        b'{"resourceType":"Observation","id":"digits","status":"final","code":{"text":"x"},'
        b'"valueQuantity":{"value":1.00}}\n'
    )
    (tmp_path / "observations.ndjson").write_bytes(line)
    run(base_url, tmp_path)
    assert b'"value":1.00' in client.get("/Observation/digits").content.replace(b" ", b"")


@pytest.mark.parametrize("bundle_type", ["collection", "searchset"])
def test_a_downloaded_bundle_is_loaded(
    client: httpx.Client, base_url: str, tmp_path: Path, bundle_type: str
) -> None:
    """What was read from one server can be written to another."""
    patient = {"resourceType": "Patient", "id": f"from-{bundle_type}", "active": True}
    bundle = {"resourceType": "Bundle", "type": bundle_type, "entry": [{"resource": patient}]}
    (tmp_path / "bundle.json").write_text(json.dumps(bundle))
    run(base_url, tmp_path)
    assert client.get(f"/Patient/from-{bundle_type}").json()["active"] is True


def test_what_the_server_refuses_is_told_with_its_reason(base_url: str, tmp_path: Path) -> None:
    """The server's own words reach the person who loads, one line for each resource refused."""
    lines = [
        {"resourceType": "Patient", "id": f"p{n}", "gender": "wrong" if n % 2 else "other"} for n in range(4)
    ]
    file = tmp_path / "patients.ndjson"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = CliRunner().invoke(load, [str(file), "--url", base_url])
    assert result.exit_code == 1
    failures = [line for line in result.output.splitlines() if line.startswith("FAILED")]
    assert len(failures) == 2
    assert all("Patient.gender" in line for line in failures)
    assert failures[0].startswith(f"FAILED {file}: line 2 Patient/p1: ")
