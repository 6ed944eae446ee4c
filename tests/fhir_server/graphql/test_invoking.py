"""The ways in which a query is sent, and the form of what comes back.

https://hl7.org/fhir/R4/graphql.html#invoking, https://hl7.org/fhir/R4/graphql.html#errors
"""

import base64
import json
from typing import Any

import httpx
import pytest

from tests.fhir_server.graphql.conftest import Ask

pytestmark = pytest.mark.usefixtures("records")

_ADDRESS = "/Patient/ida/$graphql"
_QUERY = "query A($wanted: Boolean = false) { id gender @include(if: $wanted) } query B { active }"
_VARIABLES = {"wanted": True}
_JSON = "application/json"
_A, _B = {"id": "ida"}, {"active": True}
_GIVEN = {"id": "ida", "gender": "female"}
_PARAMETERS = {"resourceType": "Parameters", "parameter": [{"name": "query", "valueString": "{ id }"}]}

_SENT: list[tuple[str, dict[str, Any], Any]] = [
    ("GET", {"params": {"query": "{ id }"}}, _A),
    ("GET", {"params": {"query": _QUERY, "operationName": "B"}}, _B),
    ("GET", {"params": {"query": _QUERY, "operationName": "A", "variables": json.dumps(_VARIABLES)}}, _GIVEN),
    ("GET", {"params": {"query": "{ id }", "variables": "", "operationName": "", "_format": "json"}}, _A),
    ("POST", {"json": {"query": "{ id }"}, "headers": {"content-type": _JSON}}, _A),
    ("POST", {"json": {"query": "{ id }", "variables": None, "operationName": None}}, _A),
    ("POST", {"json": {"query": _QUERY, "operationName": "A", "variables": _VARIABLES}}, _GIVEN),
    ("POST", {"content": "{ id }", "headers": {"content-type": "application/graphql"}}, _A),
    ("POST", {"content": "{ id }", "headers": {"content-type": "application/graphql; charset=utf-8"}}, _A),
    ("POST", {"json": _PARAMETERS}, _A),
    ("POST", {"params": {"query": "{ id }"}, "content": b""}, _A),
]


@pytest.mark.feature("operation.graphql")
@pytest.mark.parametrize(("method", "sent", "expected"), _SENT)
def test_a_query_may_be_sent_in_several_ways(
    client: httpx.Client, method: str, sent: dict[str, Any], expected: Any
) -> None:
    """In the URL, as JSON, as the body itself, or in Parameters; the answer is application/json."""
    answer = client.request(method, _ADDRESS, **sent)
    assert (answer.status_code, answer.json()) == (200, {"data": expected})
    assert answer.headers["content-type"] == "application/json; charset=utf-8"


_MALFORMED: list[tuple[dict[str, Any], int]] = [
    ({"json": {}}, 400),
    ({"json": []}, 400),
    ({"json": {"query": 1}}, 400),
    ({"json": {"query": "  "}}, 400),
    ({"json": {"query": "{ id }", "variables": []}}, 400),
    ({"json": {"query": "{ id }", "variables": "{}"}}, 400),
    ({"json": {"query": "{ id }", "operationName": 1}}, 400),
    ({"json": {"query": "{ id }", "operationName": "X"}}, 400),
    ({"json": {"resourceType": "Parameters", "parameter": [{"name": "query"}]}}, 400),
    ({"json": {"resourceType": "Parameters", "parameter": "x"}}, 400),
    ({"content": b"{"}, 400),
    ({"content": b"\xff", "headers": {"content-type": "application/graphql"}}, 400),
    ({"content": b"{ id }", "headers": {"content-type": "text/plain"}}, 415),
]


@pytest.mark.feature("operation.graphql.errors")
@pytest.mark.parametrize(("sent", "status"), _MALFORMED)
def test_what_is_no_query_is_refused(client: httpx.Client, sent: dict[str, Any], status: int) -> None:
    """A body without a query, or whose parts are not what they should be, is a client's error."""
    assert client.post(_ADDRESS, **sent).status_code == status
    twice = client.get("/$graphql?query={x}&query={y}")
    assert twice.status_code == 400
    assert client.get("/$graphql", params={"query": "{ id }", "variables": "{"}).status_code == 400


@pytest.mark.feature("operation.graphql.errors")
def test_an_error_has_a_message_a_place_and_an_outcome(ask: Ask) -> None:
    """ "Each error SHALL include a message ... SHOULD include an OperationOutcome", one issue in each."""
    answer = ask("/Patient/ida", "{ id\n  nonsense more }")
    assert answer.status_code == 400
    assert answer.json()["data"] is None
    assert [error["locations"] for error in answer.json()["errors"]] == [
        [{"line": 2, "column": 3}],
        [{"line": 2, "column": 12}],
    ]
    for error in answer.json()["errors"]:
        (issue,) = error["extensions"]["resource"]["issue"]
        assert issue["diagnostics"] == error["message"]
        assert error["extensions"]["resource"]["resourceType"] == "OperationOutcome"


@pytest.mark.feature("operation.graphql.errors")
def test_resources_that_are_not_there(client: httpx.Client, ask: Ask) -> None:
    """A query about one that never was gets a 404, one about a deleted one a 410."""
    assert ask("/Patient/nobody", "{ id }").status_code == 404
    client.put("/Patient/was", json={"resourceType": "Patient", "id": "was"})
    client.delete("/Patient/was")
    assert ask("/Patient/was", "{ id }").status_code == 410
    assert ask("", "{ Patient(id: was) { id } }").status_code == 410
    assert client.get("/Patient/$graphql", params={"query": "{ id }"}).status_code == 404


def test_an_entry_of_a_batch_carries_a_binary(client: httpx.Client) -> None:
    """The result of $graphql is a Binary where only a resource may stand; errors have their outcome."""
    urls = ["Patient/ida/$graphql?query={id}", "Patient/ida/$graphql?query={nonsense}"]
    entries = [{"request": {"method": "GET", "url": url}} for url in urls]
    answer = client.post("/", json={"resourceType": "Bundle", "type": "batch", "entry": entries})
    found, refused = answer.json()["entry"]
    assert found["resource"]["contentType"] == "application/json"
    assert json.loads(base64.b64decode(found["resource"]["data"])) == {"data": {"id": "ida"}}
    assert refused["response"]["status"].startswith("400")
    assert refused["response"]["outcome"]["resourceType"] == "OperationOutcome"


@pytest.mark.feature("operation.graphql.result")
def test_the_result_of_another_operation_is_asked(client: httpx.Client) -> None:
    """ "It's also possible to apply graphql to the results of other operations", but not to failures."""
    query = '{ all: parameter(name: "return") @flatten { valueMeta { versionId } } }'
    found = client.get("/Patient/ida/$meta", params={"_graphql": query})
    assert found.json() == {"data": {"valueMeta": [{"versionId": "1"}]}}
    assert found.headers["content-type"] == "application/json; charset=utf-8"
    wrong = client.get("/Patient/ida/$meta", params={"_graphql": "{ nonsense }"})
    assert (wrong.status_code, wrong.json()["data"]) == (400, None)
    twice = client.get("/Patient/ida/$meta?_graphql={id}&_graphql={id}")
    assert twice.status_code == 400
    failed = client.get("/Patient/nobody/$meta", params={"_graphql": query})
    assert (failed.status_code, failed.json()["resourceType"]) == (404, "OperationOutcome")


@pytest.mark.feature("operation.graphql.result")
def test_mutations_have_no_place_in_what_only_reads(client: httpx.Client) -> None:
    """Not about a result, not as part of a transaction, and not by itself when nobody waits."""
    mutation = 'mutation { PatientUpdate(id: "hidden", res: {active: true}) { id } }'
    assert client.get("/Patient/ida/$meta", params={"_graphql": mutation}).status_code == 400
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "query", "valueString": mutation}]}
    entry = {"resource": parameters, "request": {"method": "POST", "url": "$graphql"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    assert client.post("/", json=bundle).status_code == 400
    assert client.get("/Patient/hidden").status_code == 404
    waited = client.post("/$graphql", json={"query": "{ __typename }"}, headers={"prefer": "respond-async"})
    assert (waited.status_code, waited.json()) == (200, {"data": {"__typename": "Query"}})


def test_unknown_parameters_are_refused(client: httpx.Client) -> None:
    """As on every interaction, unless the client asks for lenience."""
    address = "/Patient/ida/$graphql?query={id}&operationname=X"
    assert client.get(address).status_code == 400
    assert client.get(address, headers={"prefer": "handling=lenient"}).json() == {"data": _A}


_SECRETS = [
    '{ PatientList(family: 77, birthdate: "Geheim") { id } }',
    '{ PatientList(family: {Geheim: "Geheim"}) { id } }',
    "{ Patient(id: $x) { id } }",
    "query Q($x: Int!) { PatientList(_count: $x) { id } }",
    "query Q($x: [Boolean!]) { Patient(id: max) { id @skip(if: true) } }",
    '{ PatientList(family: "Geheim { id } }',
    '{ PatientList(_count: "Geheim") { id } }',
    '{ PatientList(family: "x" "Geheim") { id } }',
    '{ Patient(id: "Geheim Geheim") { id } }',
    '{ PatientList(fhirpath: "name.Geheim(") { id } }',
]


@pytest.mark.parametrize("query", _SECRETS)
def test_no_error_repeats_a_value(ask: Ask, query: str) -> None:
    """What stands in quotes or variables may be about a patient, and is in no message."""
    answer = ask("", query, x="Geheim")
    assert answer.status_code == 400, answer.text
    assert "Geheim" not in answer.text
