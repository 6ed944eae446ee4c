"""The demo is the same for the same arguments, whole, and valid."""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

from fhir_server.demo.datatypes import Resource
from fhir_server.demo.generation import Part, hospital_parts
from resources.json_format import dumps, parse
from resources.validation import validate

# A leap day, the last day of a year, and a Sunday.
OTHER_DAYS = [date(2024, 2, 29), date(2025, 12, 31), date(2026, 3, 22)]

# What a visitor is promised, at least, and how many of some there are exactly.
AT_LEAST = {
    "Organization": 20,
    "HealthcareService": 10,
    "Practitioner": 40,
    "PractitionerRole": 40,
    "Schedule": 15,
    "Slot": 1000,
    "RelatedPerson": 10,
    "Encounter": 350,
    "Condition": 200,
    "AllergyIntolerance": 50,
    "Observation": 4000,
    "DiagnosticReport": 300,
    "ServiceRequest": 300,
    "Specimen": 300,
    "MedicationRequest": 300,
    "MedicationDispense": 100,
    "MedicationAdministration": 100,
    "Immunization": 500,
    "Procedure": 80,
    "CarePlan": 30,
    "Goal": 30,
    "Appointment": 150,
    "Claim": 50,
    "ClaimResponse": 30,
    "ChargeItem": 100,
    "Invoice": 50,
    "Task": 20,
    "SupplyRequest": 3,
    "SupplyDelivery": 30,
    "Medication": 50,
    "Device": 30,
    "Flag": 3,
}


def references(value: Any) -> Iterator[str]:
    """Return all literal references in `value`."""
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        for part in value.values():
            yield from references(part)
    elif isinstance(value, list):
        for part in value:
            yield from references(part)


def test_there_is_enough_to_explore(of_type: dict[str, list[Resource]]) -> None:
    """Every kind of record that the workflows speak of is there."""
    counts = {name: len(found) for name, found in of_type.items()}
    assert {name: number for name, number in AT_LEAST.items() if counts.get(name, 0) < number} == {}
    assert (counts["Patient"], counts["Coverage"]) == (200, 200)
    assert 8_000 <= sum(counts.values()) <= 12_500


def test_the_same_arguments_make_the_same_bytes(parts: list[Part], today: date) -> None:
    """Nothing depends on the clock, on the order of dictionaries, or on what ran before."""
    hospital_parts(today, patients=3, seed=5)
    assert [dumps(part.bundle()) for part in hospital_parts(today)] == [
        dumps(part.bundle()) for part in parts
    ]


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_another_process_makes_the_same_bytes(today: date, hash_seed: str) -> None:
    """Nothing depends on the order of sets, which differs from one process to the next."""
    program = (
        "import hashlib, datetime; from fhir_server.demo.generation import hospital_parts;"
        "from resources.json_format import dumps;"
        f"parts = hospital_parts(datetime.date.fromisoformat('{today}'), patients=12);"
        "print(hashlib.sha256(b''.join(dumps(part.bundle()) for part in parts)).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
    other = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    here = hashlib.sha256(b"".join(dumps(part.bundle()) for part in hospital_parts(today, patients=12)))
    assert other.stdout.strip() == here.hexdigest()


def test_another_seed_makes_other_people(today: date) -> None:
    """The seed decides who they are, not how many."""
    first, second = (hospital_parts(today, patients=8, seed=seed) for seed in (1, 2))
    names = [
        [
            one["name"][0]["text"]
            for part in parts
            for one in part.resources
            if one["resourceType"] == "Patient"
        ]
        for parts in (first, second)
    ]
    assert len(names[0]) == len(names[1]) == 8
    assert set(names[0]) != set(names[1])


@pytest.mark.parametrize("day", OTHER_DAYS, ids=str)
def test_another_day_makes_the_same_records(hospital: dict[str, Resource], day: date) -> None:
    """Loading again on another day replaces records and adds none: the ids do not depend on the day."""
    other = {f"{one['resourceType']}/{one['id']}" for part in hospital_parts(day) for one in part.resources}
    assert other == set(hospital)


@pytest.mark.parametrize("number", [0, 1, 19, 320])
def test_any_number_of_patients_makes_a_hospital(today: date, number: int) -> None:
    """A hospital may be empty, small, or too full for its beds and slots: the references still hold."""
    found = [one for part in hospital_parts(today, patients=number) for one in part.resources]
    known = {f"{one['resourceType']}/{one['id']}" for one in found}
    assert len(known) == len(found)
    assert {link for one in found for link in references(one)} <= known
    assert sum(one["resourceType"] == "Patient" for one in found) == number


def test_every_resource_is_valid(hospital: dict[str, Resource]) -> None:
    """Our own validation, which every write passes, has nothing against any of them."""
    issues = {name: validate(parse(dumps(one))) for name, one in hospital.items()}
    assert {name: found for name, found in issues.items() if found} == {}


def test_every_resource_is_valid_for_others(hospital: dict[str, Resource]) -> None:
    """fhir.resources, which is not ours, reads every one of them."""
    for one in hospital.values():
        get_fhir_model_class(one["resourceType"]).model_validate(json.loads(dumps(one)))


def test_every_reference_resolves(hospital: dict[str, Resource]) -> None:
    """Nothing in the demo refers to anything outside of it."""
    assert {link for one in hospital.values() for link in references(one)} <= set(hospital)


def test_parts_refer_only_backwards(parts: list[Part]) -> None:
    """Each part refers to those of earlier waves and to itself, so that they can be loaded in this order."""
    homes = {f"{one['resourceType']}/{one['id']}": part for part in parts for one in part.resources}
    for part in parts:
        for one in part.resources:
            for link in references(one):
                assert homes[link] is part or homes[link].wave < part.wave, (one["id"], link)


def test_ids_can_be_read_and_stand_in_a_url(hospital: dict[str, Resource]) -> None:
    """https://hl7.org/fhir/R4/datatypes.html#id, in lower case and telling what they are."""
    assert [name for name in hospital if not re.fullmatch(r"[A-Z][A-Za-z]+/[a-z0-9\-]{1,64}", name)] == []


def test_everything_is_marked_as_test_data(hospital: dict[str, Resource]) -> None:
    """Every resource carries the security label HTEST, so that nobody takes it for a real record."""
    for one in hospital.values():
        assert [label["code"] for label in one["meta"]["security"]] == ["HTEST"]


def test_bundles_can_be_loaded_again(parts: list[Part]) -> None:
    """Every entry is a PUT under the resource's own id."""
    for part in parts:
        bundle = part.bundle()
        assert validate(parse(dumps(bundle))) == []
        for entry in bundle["entry"]:
            one = entry["resource"]
            assert entry["request"] == {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}
