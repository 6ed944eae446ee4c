"""HL7's official examples through the REST interface: what goes in comes out.

https://hl7.org/fhir/R4/downloads.html; all but server-set elements is kept: https://hl7.org/fhir/R4/http.html#update
"""

import json
import tarfile
from functools import cache
from pathlib import Path

import httpx
import pytest

from tests.fhir_server.faults.content import content, of_the_client
from tests.sweeps import sampled

EXAMPLES = Path(__file__).parents[3] / "shared/data/fhir/r4-examples.tar.gz"

pytestmark = pytest.mark.skipif(not EXAMPLES.exists(), reason="needs ../shared/data/fhir/r4-examples.tar.gz")

_BLANK_NARRATIVE = "narrative-definitions.html#Narrative.div: txt-2, but it has white space only"
REFUSED = {
    "ActivityDefinition-blood-tubes-supply": (422, _BLANK_NARRATIVE),
    "ActivityDefinition-heart-valve-replacement": (422, _BLANK_NARRATIVE),
    "EventDefinition-example": (422, _BLANK_NARRATIVE),
    "Questionnaire-zika-virus-exposure-assessment": (422, _BLANK_NARRATIVE),
    "DeviceMetric-example": (
        400,
        "devicemetric-definitions.html#DeviceMetric.parent: a Device, but it is a DeviceDefinition",
    ),
    "DeviceUseStatement-example": (
        400,
        "deviceusestatement-definitions.html#DeviceUseStatement.reasonReference: many, but not a Procedure",
    ),
    "MedicationRequest-medrx0301": (
        400,
        "medicationrequest-definitions.html#MedicationRequest.dispenseRequest.performer: an Organization, "
        "but it is a Practitioner",
    ),
    "Observation-clinical-gender": (
        400,
        "observation-definitions.html#Observation.performer: many, but not an Encounter",
    ),
    "Questionnaire-qs1": (
        422,
        "questionnaire-definitions.html#Questionnaire.item.linkId: required, but it is not there",
    ),
}
"""The examples that break a rule of https://hl7.org/fhir/R4/: the answer, the rule, and what is there."""


@cache
def examples() -> dict[str, bytes]:
    """Return the examples as they are, by file name without suffix."""
    with tarfile.open(EXAMPLES) as archive:
        files = {Path(member.name): archive.extractfile(member) for member in archive if member.isfile()}
        return {path.stem: file.read() for path, file in files.items() if file}


def test_there_are_as_many_as_there_should_be() -> None:
    """717 examples of 130 types, each of which has an id."""
    resources = [json.loads(example) for example in examples().values()]
    assert len(resources) == 717
    assert len({resource["resourceType"] for resource in resources}) == 130
    assert all(resource["id"] for resource in resources)


@cache
def chosen() -> dict[str, bytes]:
    """Return the examples that are stored: all in a whole sweep, else some, and those that break a rule."""
    some = sampled(sorted(examples()), 3)
    return {name: examples()[name] for name in sorted({*some, *REFUSED})}


@pytest.mark.feature("http.format.json")
def test_each_example_comes_back_as_it_was(client: httpx.Client) -> None:
    """Each is stored by an update and read again; decimals, order, extensions and narrative are the same."""
    refused: dict[str, int] = {}
    for name, example in chosen().items():
        resource = json.loads(example)
        address = f"/{resource['resourceType']}/{resource['id']}"
        written = client.put(address, content=example)
        if written.status_code != 201:
            refused[name] = written.status_code
            assert written.json()["resourceType"] == "OperationOutcome"
            assert client.get(address).status_code == 404
            continue
        # Without this a Binary is read as the file that it is.
        fhir = {"accept": "application/fhir+json"}
        reads = (client.get(place, headers=fhir) for place in (address, f"{address}/_history/1"))
        for answer in (written, *reads):
            stored = content(answer.content)
            assert stored["id"] == resource["id"]
            assert of_the_client(stored) == of_the_client(content(example)), name
    assert refused == {name: status for name, (status, _) in REFUSED.items()}


def test_each_example_is_found_by_its_id(client: httpx.Client) -> None:
    """The index values of any real resource can be stored, and a search finds it."""
    for name, example in chosen().items():
        resource = json.loads(example)
        found = client.get(f"/{resource['resourceType']}", params={"_id": resource["id"]}).json()
        assert found["total"] == (0 if name in REFUSED else 1), name
