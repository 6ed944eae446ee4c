"""Each operation of the hospital's work is published: https://hl7.org/fhir/R4/operationdefinition.html."""

import httpx
import pytest

from fhir_server.workflows.registry import PATTERNS, WORKFLOW_OPERATIONS
from resources.validation import validate


@pytest.mark.workflow("0-01")
def test_operations_are_published_with_their_parameters(client: httpx.Client) -> None:
    """The CapabilityStatement names each where it can be called, and its definition says how."""
    rest = client.get("/metadata").raise_for_status().json()["rest"][0]
    named = {(one["type"], operation["name"]) for one in rest["resource"] for operation in one["operation"]}
    for operation in WORKFLOW_OPERATIONS:
        assert {(one, operation.code) for one in operation.types} <= named, operation.code
        if operation.definition.startswith("http"):
            continue
        definition = client.get(f"/{operation.definition}").raise_for_status().json()
        assert validate(definition) == []
        listed = [one["name"] for one in definition["parameter"] if one["use"] == "in"]
        assert listed == list(operation.parameters)
        assert definition["description"] != definition["name"], f"{operation.code} says nothing of itself"


def test_no_two_patterns_share_a_name() -> None:
    """Rules, notices, actions and operations are known by their names alone."""
    for named in (
        [pattern.id for pattern in PATTERNS],
        [rule.id for pattern in PATTERNS for rule in pattern.rules],
        [kind.id for pattern in PATTERNS for kind in pattern.notices],
        [action for pattern in PATTERNS for action in pattern.actions],
        [operation.definition for operation in WORKFLOW_OPERATIONS],
    ):
        assert len(set(named)) == len(named), named


def test_a_parameter_is_told_of_in_words(client: httpx.Client) -> None:
    """Those of operations of our own, where the operation says something about them."""
    definition = client.get("/metadata/OperationDefinition/break-glass").raise_for_status().json()
    [reason, _] = definition["parameter"]
    assert reason["documentation"] == "What the emergency is, in 10 to 1,000 characters."
