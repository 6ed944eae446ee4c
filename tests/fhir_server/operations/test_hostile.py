"""What nobody would send: every operation answers it with a 4xx and an OperationOutcome, or copes with it."""

from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_server.operations.registry import OPERATIONS

_NAMES = sorted(
    {name for operation in OPERATIONS.values() for name in operation.parameters} | {"", "patient", "code"}
)
_VALUES: list[Any] = [
    None,
    True,
    -1,
    0,
    10**30,
    1.5,
    "",
    " ",
    "x" * 5_000,
    "2020-13-45",
    "Patient/1",
    "\u0000",
    [],
    {},
    [[]],
]
_VALUES += [
    {"a": 1},
    {"resourceType": "Patient"},
    {"resourceType": 1},
    {"reference": "Patient/1"},
    {"tag": [{}]},
]
_VALUES += [{"resourceType": "Patient", "name": [None, {"given": [None, "x"]}], "birthDate": "0001-01-01"}]
_VALUES += [
    {"resourceType": "Patient", "telecom": [{"system": "phone", "value": "%,$|\\"}], "identifier": [{}]}
]
_KINDS = [
    "resource",
    "part",
    "valueString",
    "valueMeta",
    "valueInteger",
    "valueBoolean",
    "valueUri",
    "valueCoding",
    "value",
]

_parameters = st.fixed_dictionaries(
    {
        "resourceType": st.just("Parameters"),
        "parameter": st.one_of(
            st.sampled_from(_VALUES),
            st.lists(
                st.builds(
                    lambda name, kind, value: {"name": name, kind: value},
                    st.sampled_from(_NAMES),
                    st.sampled_from(_KINDS),
                    st.sampled_from(_VALUES),
                ),
                max_size=3,
            ),
        ),
    }
)


def _address(definition: str) -> str:
    operation = OPERATIONS[definition]
    name = next(iter(sorted(operation.types)), "Basic").replace("Resource", "Basic")
    if operation.on_type and "Composition" not in definition:
        return f"/{name}/${operation.code}"
    return f"/{name}/hostile/${operation.code}" if operation.on_instance else f"/${operation.code}"


@pytest.fixture(scope="module")
def filled(client: httpx.Client) -> httpx.Client:
    """A client of a server with a resource of each type that an operation is asked about."""
    client.put("/Basic/hostile", json={"resourceType": "Basic", "id": "hostile", "code": {"text": "x"}})
    client.put("/Patient/1", json={"resourceType": "Patient", "id": "1"})
    return client


@pytest.mark.parametrize("definition", sorted(OPERATIONS))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.one_of(_parameters, st.sampled_from(_VALUES)))
def test_any_body_is_answered(filled: httpx.Client, definition: str, body: Any) -> None:
    """Whatever the body is, nothing fails in the server, and what is refused is refused with an outcome."""
    answer = filled.post(_address(definition), json=body)
    in_xml = filled.post(_address(definition), json=body, headers={"accept": "application/fhir+xml"})
    assert in_xml.status_code < 500, in_xml.text
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400 and not definition.endswith("graphql"):  # which has errors of its own
        assert answer.json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize("definition", sorted(OPERATIONS))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pairs=st.lists(
        st.tuples(
            st.sampled_from([*_NAMES, "_page", "_format", "_sort", "code:not", "patient:missing", "a.b.c"]),
            st.sampled_from(
                ["", "x", "-1", "true", "2020", "9" * 40, "Patient/1", "WzEsbnVsbF0", "\\", "$|,", "é"]
            ),
        ),
        max_size=4,
    )
)
def test_any_query_is_answered(filled: httpx.Client, definition: str, pairs: list[tuple[str, str]]) -> None:
    """Whatever stands in the address, nothing fails in the server."""
    for method in ("GET", "POST"):
        answer = filled.request(method, _address(definition), params=urlencode(pairs))
        assert answer.status_code < 500, f"{answer.url}: {answer.text}"
