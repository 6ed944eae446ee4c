"""The demo hospital on a fixed day, made once for all tests."""

from collections import defaultdict
from datetime import date

import pytest

from fhir_server.demo.datatypes import Resource
from fhir_server.demo.generation import Part, hospital_parts

TODAY = date(2026, 3, 17)


@pytest.fixture(scope="session")
def today() -> date:
    """The day on which the hospital of these tests stands still, a Tuesday."""
    return TODAY


@pytest.fixture(scope="session")
def parts(today: date) -> list[Part]:
    """The hospital with its 200 patients."""
    return hospital_parts(today)


@pytest.fixture(scope="session")
def hospital(parts: list[Part]) -> dict[str, Resource]:
    """All resources by their reference, such as `Patient/patient-001`."""
    return {f"{one['resourceType']}/{one['id']}": one for part in parts for one in part.resources}


@pytest.fixture(scope="session")
def of_type(hospital: dict[str, Resource]) -> dict[str, list[Resource]]:
    """All resources by their type."""
    found: dict[str, list[Resource]] = defaultdict(list)
    for one in hospital.values():
        found[one["resourceType"]].append(one)
    return found
