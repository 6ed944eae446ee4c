"""Conditions on compartments (https://hl7.org/fhir/R4/compartmentdefinition.html), and what they cost."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo.database import Database

from fhir_server.operations.care_dates import care_condition
from fhir_server.search.asked import NOTHING, both
from fhir_server.search.compartments import each_with, in_any_compartment, in_compartment, owners
from fhir_server.search.extraction import search_values
from fhir_server.store.connection import CODEC_OPTIONS
from resources.compartments import compartment_parameters, compartments
from resources.definitions import resource_types
from tests.fhir_server.search.stored import BASE_URL, NOW, collection, store

PATIENTS, OBSERVATIONS = 30, 3000


def _observation(number: int) -> dict[str, Any]:
    day = datetime(2010, 1, 1, tzinfo=UTC) + timedelta(days=number)
    return {
        "resourceType": "Observation",
        "id": f"o{number}",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": f"Patient/{number % PATIENTS}"},
        **({} if number % 7 == 0 else {"effectiveDateTime": day.date().isoformat()}),
        # Some are performed by another patient.
        "performer": [{"reference": "Patient/3" if number % 500 == 0 else "Practitioner/1"}],
    }


@pytest.mark.parametrize("compartment", compartments())
def test_every_type_of_a_compartment_has_a_condition(compartment: str) -> None:
    """A type is asked for if a parameter links it to the compartment, or if it is the one of its name."""
    for resource_type in resource_types():
        condition = in_compartment(compartment, "1", resource_type, BASE_URL, NOW)
        is_linked = bool(compartment_parameters(compartment, resource_type))
        assert (condition != NOTHING) == (is_linked or resource_type == compartment)


def test_owners() -> None:
    """The owners are those whom a parameter of the compartment refers to, by whatever address."""
    resource = _observation(500) | {"focus": [{"reference": "Patient/99"}]}
    resource["performer"].append({"reference": f"{BASE_URL}/Patient/4"})
    resource["performer"].append({"reference": "http://elsewhere.org/fhir/Patient/5"})
    found = owners("Patient", "Observation", search_values(resource), BASE_URL)
    assert found == {str(500 % PATIENTS), "3", "4"}
    assert owners("Encounter", "Observation", search_values(resource), BASE_URL) == set()


def test_a_compartment_is_read_by_indexes_alone(database: Database[dict[str, Any]]) -> None:
    """A page of a compartment reads its resources in order, without sorting, and no other patient's."""
    documents = collection(database, "Observation")
    store(documents, [_observation(number) for number in range(OBSERVATIONS)])
    belongs = in_compartment("Patient", "3", "Observation", BASE_URL, NOW)
    of_patient = OBSERVATIONS // PATIENTS + OBSERVATIONS // 500
    care = care_condition(
        "Observation", datetime(2012, 1, 1, tzinfo=UTC), datetime(2013, 1, 1, tzinfo=UTC), BASE_URL, NOW
    )
    for condition, returned in (
        (belongs, 21),
        (each_with(belongs, {"seq": {"$gt": 1500}}), 21),
        (each_with(belongs, {"updated": {"$gte": NOW - timedelta(seconds=300)}}), 11),
        (each_with(belongs, both([care, {"seq": {"$gt": 500}}])), None),
    ):
        command = {"find": "Observation", "filter": condition, "sort": {"seq": 1}, "limit": 21}
        answer = database.command("explain", command, verbosity="executionStats", codec_options=CODEC_OPTIONS)
        plan = str(answer["queryPlanner"]["winningPlan"])
        assert "COLLSCAN" not in plan
        assert "'SORT'" not in plan, (condition, plan, answer["executionStats"]["totalDocsExamined"])
        statistics = answer["executionStats"]
        assert returned is None or statistics["nReturned"] == returned
        assert statistics["nReturned"] > 10
        assert statistics["totalDocsExamined"] <= of_patient


def test_all_compartments(database: Database[dict[str, Any]]) -> None:
    """What refers to any patient here is in some compartment, whichever parameter it is."""
    documents = collection(database, "Observation")
    elsewhere = _observation(1) | {"subject": {"reference": "http://elsewhere.org/fhir/Patient/5"}}
    group = _observation(2) | {"subject": {"reference": "Group/1"}}
    performed = _observation(500) | {"subject": {"reference": "Group/1"}}
    absolute = _observation(3) | {"subject": {"reference": f"{BASE_URL}/Patient/5"}}
    store(documents, [elsewhere, group, performed, absolute, _observation(4)])
    found = documents.find(in_any_compartment("Patient", "Observation", BASE_URL))
    assert {document["_id"] for document in found} == {"o500", "o3", "o4"}
