"""What is offered agrees with the OperationDefinitions of R4 (https://hl7.org/fhir/R4/operationslist.html)."""

import httpx
import pytest

from fhir_server.operations.operation import ANY_TYPE, Operation
from fhir_server.operations.registry import OPERATIONS
from resources.definitions import Facts, operation_definitions

_DEFINITIONS = {definition["url"]: definition for definition in operation_definitions()}
_OF_R4 = [operation for operation in OPERATIONS.values() if operation.definition in _DEFINITIONS]


def _inputs(definition: Facts) -> set[str]:
    return {parameter["name"] for parameter in definition.get("parameter", ()) if parameter["use"] == "in"}


@pytest.mark.parametrize("operation", _OF_R4, ids=lambda operation: operation.definition.rsplit("/")[-1])
def test_an_operation_is_what_its_definition_says(operation: Operation) -> None:
    """Code, levels, types and the names of the inputs are those of the definition."""
    definition = _DEFINITIONS[operation.definition]
    assert operation.code == definition["code"]
    assert set(operation.parameters) == _inputs(definition)
    if operation.on_type or operation.on_instance:
        assert set(operation.types) == set(definition["resource"])
    offered = (operation.on_system, operation.on_type, operation.on_instance)
    assert offered == (definition["system"], definition["type"], definition["instance"])
    # "this operation (and other meta operations) can be performed on a historical version of a resource"
    assert operation.on_version == operation.code.startswith("meta")


@pytest.mark.parametrize("operation", _OF_R4, ids=lambda operation: operation.definition.rsplit("/")[-1])
@pytest.mark.feature("operation.invocation")
def test_an_operation_is_found_where_it_is_offered(client: httpx.Client, operation: Operation) -> None:
    """Other levels, other types and other methods than those of an operation are refused as such."""
    name = "Basic" if operation.types == ANY_TYPE else next(iter(operation.types), "Basic")
    levels = {
        f"/${operation.code}": operation.on_system,
        f"/{name}/${operation.code}": operation.on_type,
        f"/{name}/none/${operation.code}": operation.on_instance,
        f"/{name}/none/_history/1/${operation.code}": operation.on_version,
    }
    for address, is_offered in levels.items():
        answer = client.put(address, json={})
        assert answer.status_code == (405 if is_offered else 404), f"{address}: {answer.text}"
        if is_offered:
            assert answer.headers["allow"] == ", ".join(operation.methods)
        if is_offered and "GET" not in operation.methods:
            assert client.get(address).status_code == 405


def test_unknown_operations_are_not_found(client: httpx.Client) -> None:
    """An operation that nobody offers gets a 404 with an OperationOutcome."""
    for address in ("/$nonsense", "/Patient/$nonsense", "/Patient/1/$nonsense", "/Patient/1/$", "/$"):
        answer = client.get(address)
        assert (answer.status_code, answer.json()["resourceType"]) == (404, "OperationOutcome"), address
