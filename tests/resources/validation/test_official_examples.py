"""Real resources: HL7's official examples and Synthea's patients, with fhir.resources as a second opinion."""

import bz2
import tarfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

from resources.definitions import resource_types
from resources.json_format import dumps, parse
from resources.validation import validate

DATA = Path(__file__).parents[4] / "shared/data"
EXAMPLES = DATA / "fhir/r4-examples.tar.gz"
SYNTHEA = DATA / "synthea"

with_examples = pytest.mark.skipif(
    not EXAMPLES.exists(), reason="needs ../shared/data/fhir/r4-examples.tar.gz"
)
with_synthea = pytest.mark.skipif(not SYNTHEA.exists(), reason="needs ../shared/data/synthea")

# https://hl7.org/fhir/R4/narrative-definitions.html#Narrative.div
BLANK_NARRATIVE = "txt-2: the narrative has white space and nothing else"

INVALID = {
    "ActivityDefinition-blood-tubes-supply": (BLANK_NARRATIVE, "invariant"),
    "ActivityDefinition-heart-valve-replacement": (BLANK_NARRATIVE, "invariant"),
    "EventDefinition-example": (BLANK_NARRATIVE, "invariant"),
    "Questionnaire-zika-virus-exposure-assessment": (BLANK_NARRATIVE, "invariant"),
    "DeviceMetric-example": (
        "https://hl7.org/fhir/R4/devicemetric-definitions.html#DeviceMetric.parent is a Device; "
        "the example names a DeviceDefinition",
        "value",
    ),
    "DeviceUseStatement-example": (
        "https://hl7.org/fhir/R4/deviceusestatement-definitions.html#DeviceUseStatement.reasonReference is a "
        "Condition, Observation, DiagnosticReport, DocumentReference or Media; the example names a Procedure",
        "value",
    ),
    "MedicationRequest-medrx0301": (
        "https://hl7.org/fhir/R4/medicationrequest-definitions.html#MedicationRequest.dispenseRequest.performer"
        " is an Organization; the example names a Practitioner",
        "value",
    ),
    "Observation-clinical-gender": (
        "https://hl7.org/fhir/R4/observation-definitions.html#Observation.performer is no Encounter, as the "
        "example has it",
        "value",
    ),
    "Questionnaire-qs1": (
        "https://hl7.org/fhir/R4/questionnaire-definitions.html#Questionnaire.item.linkId is required; "
        "the example leaves it out",
        "required",
    ),
}
"""The official examples that break the specification: the rule, and the code of their issues."""

NOT_IN_R4B = {
    "EffectEvidenceSynthesis",
    "MedicinalProduct",
    "MedicinalProductAuthorization",
    "MedicinalProductContraindication",
    "MedicinalProductIndication",
    "MedicinalProductIngredient",
    "MedicinalProductInteraction",
    "MedicinalProductManufactured",
    "MedicinalProductPackaged",
    "MedicinalProductPharmaceutical",
    "MedicinalProductUndesirableEffect",
    "RiskEvidenceSynthesis",
    "SubstanceNucleicAcid",
    "SubstancePolymer",
    "SubstanceProtein",
    "SubstanceReferenceInformation",
    "SubstanceSourceMaterial",
    "SubstanceSpecification",
}
"""Resource types that R4B, whose models fhir.resources has, does without: https://hl7.org/fhir/R4B/history.html."""

CHANGED_IN_R4B = {"Evidence-example"}
"""Examples of a type that R4B defined anew, so that they cannot be valid in both."""


@cache
def examples() -> dict[str, Any]:
    """Return the official examples by file name, without suffix."""
    with tarfile.open(EXAMPLES) as archive:
        files = {Path(member.name): archive.extractfile(member) for member in archive if member.isfile()}
        return {path.stem: parse(file.read()) for path, file in files.items() if file}


def synthea_resources(most: int | None = None) -> Iterator[dict[str, Any]]:
    """Yield the resources of all Synthea bundles, or of the first ones."""
    for path in sorted(SYNTHEA.glob("*.json.bz2"))[:most]:
        yield from (entry["resource"] for entry in parse(bz2.decompress(path.read_bytes()))["entry"])


def parses_with_fhir_resources(resource: dict[str, Any]) -> bool:
    """Tell whether the models of fhir.resources accept a resource."""
    try:
        get_fhir_model_class(resource["resourceType"]).model_validate_json(dumps(resource))
    except ValidationError:
        return False
    return True


@with_examples
def test_official_examples() -> None:
    """Each official example is valid, but for those that break a rule: https://hl7.org/fhir/R4/downloads.html."""
    assert len(examples()) == 717
    issues = {name: validate(resource) for name, resource in examples().items()}
    assert {name: {issue.code for issue in found} for name, found in issues.items() if found} == {
        name: {code} for name, (_, code) in INVALID.items()
    }


@with_synthea
def test_synthea() -> None:
    """Each of Synthea's resources is valid, the conditional references of its transactions included."""
    issues = [validate(resource) for resource in synthea_resources()]
    assert len(issues) == 13_223
    assert not any(issues)


def test_types_that_the_second_opinion_lacks() -> None:
    """fhir.resources has models for all other types, so the comparison leaves out nothing unawares."""

    def has_model(name: str) -> bool:
        try:
            return get_fhir_model_class(name) is not None
        except ValueError:
            return False

    assert {name for name in resource_types() if not has_model(name)} == NOT_IN_R4B


@with_examples
def test_fhir_resources_accepts_what_is_valid() -> None:
    """A valid example parses with fhir.resources, unless R4B changed its type."""
    comparable = {
        name: resource
        for name, resource in examples().items()
        if name not in INVALID and resource["resourceType"] not in NOT_IN_R4B
    }
    refused = {name for name, resource in comparable.items() if not parses_with_fhir_resources(resource)}
    assert refused == CHANGED_IN_R4B


@with_examples
def test_fhir_resources_on_what_is_invalid() -> None:
    """fhir.resources accepts all of our invalid examples but one: it checks no targets and no narratives."""
    refused = {name for name in INVALID if not parses_with_fhir_resources(examples()[name])}
    assert refused == {"Questionnaire-qs1"}


@with_synthea
def test_fhir_resources_accepts_synthea() -> None:
    """What is valid parses with fhir.resources: Synthea's hospitals, practitioners and one patient."""
    assert all(parses_with_fhir_resources(resource) for resource in synthea_resources(3))
