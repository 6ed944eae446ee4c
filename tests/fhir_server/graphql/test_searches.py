"""Searches of the system and of what refers to a resource, as lists and as connections.

https://hl7.org/fhir/R4/graphql.html#searching, https://hl7.org/fhir/R4/graphql.html#reverse
"""

from typing import Any

import httpx
import pytest

from fhir_server.graphql.arguments import searched_codes
from fhir_server.search.known import supported_codes
from fhir_server.settings import Settings
from resources.definitions import resource_types
from tests.fhir_server.conftest import running_server
from tests.fhir_server.graphql.conftest import Ask

pytestmark = pytest.mark.usefixtures("records")

_FOUND: list[tuple[str, Any]] = [
    ("{ Patient(id: ida) { id gender } }", {"Patient": {"id": "ida", "gender": "female"}}),
    ('{ a: Patient(id: "ida") { id } b: Patient(id: max) { id } }', {"a": {"id": "ida"}, "b": {"id": "max"}}),
    ("{ PatientList(family: aren) { id } }", {"PatientList": [{"id": "ida"}]}),
    (
        '{ PatientList(name: ["idi", "max"], _sort: "_id") { id } }',
        {"PatientList": [{"id": "ida"}, {"id": "max"}]},
    ),
    ('{ PatientList(family: "Comma, Jun") { id } }', {"PatientList": [{"id": "max"}]}),
    ('{ PatientList(family: "Comma\\\\, Jun") { id } }', {"PatientList": [{"id": "max"}]}),
    ("{ PatientList(family: nobody) { id } }", {"PatientList": []}),
    ("{ PatientList(active: true, family: berg) { id } }", {"PatientList": [{"id": "ida"}]}),
    ('{ PatientList(birthdate: ["1970-03-30", "lt1930"]) { id } }', {"PatientList": [{"id": "ida"}]}),
    ("{ PatientList(_id: [ida, nobody]) { id } }", {"PatientList": [{"id": "ida"}]}),
    (
        '{ PatientList(_filter: "birthdate ge 1970 and gender eq female") { id } }',
        {"PatientList": [{"id": "ida"}]},
    ),
    (
        '{ PatientList(fhirpath: "name.count() = 3", _id: [ida, max]) { id } }',
        {"PatientList": [{"id": "ida"}]},
    ),
    ("{ ConditionList(clinical_status: active, patient: ida) { id } }", {"ConditionList": [{"id": "c1"}]}),
    (
        '{ ObservationList(patient: "Patient/ida", _sort: "-_id", _count: 2) { id } }',
        {"ObservationList": [{"id": "o5"}, {"id": "o4"}]},
    ),
    (
        '{ ObservationList(value_quantity: gt63, patient: ida, _sort: "_id") { id } }',
        {"ObservationList": [{"id": "o4"}, {"id": "o5"}]},
    ),
    (
        "{ ConditionList(patient: ida) { subject { resource(type: Patient) { id } } } }",
        {"ConditionList": [{"subject": {"resource": {"id": "ida"}}}]},
    ),
    ("{ SubstanceNucleicAcidList { id } }", {"SubstanceNucleicAcidList": []}),
]


@pytest.mark.feature("operation.graphql.search")
@pytest.mark.parametrize(("query", "expected"), _FOUND)
def test_what_a_search_of_the_system_gives(ask: Ask, query: str, expected: Any) -> None:
    """A resource by its id, or the matches of search parameters with underscores, arrays and FHIRPath."""
    answer = ask("", query)
    assert answer.json() == {"data": expected}


_REFUSED = [
    ("{ Patient(id: nobody) { id } }", 404),
    ('{ Patient(id: "no body") { id } }', 400),
    ("{ Patient { id } }", 400),
    ("{ PatientList(birthdate: soon) { id } }", 400),
    ("{ PatientList(nonsense: 1) { id } }", 400),
    ("{ PatientList(_include: x) { id } }", 400),
    ('{ PatientList(_sort: "nonsense") { id } }', 400),
    ("{ PatientList(_count: -1) { id } }", 400),
    ('{ PatientList(fhirpath: "((") { id } }', 400),
    ("{ PatientList(family: null, active: {}) { id } }", 400),
    ('{ PatientConnection(_cursor: "bm9uc2Vuc2U") { count } }', 400),
    ('{ PatientConnection(_cursor: "%%%", family: x) { count } }', 400),
    ("{ PatientList(_cursor: x) { id } }", 400),
]


@pytest.mark.feature("operation.graphql.search")
@pytest.mark.parametrize(("query", "status"), _REFUSED)
def test_searches_that_are_refused(ask: Ask, query: str, status: int) -> None:
    """What REST would not answer is an error here, with the same status and an OperationOutcome."""
    answer = ask("", query)
    assert (answer.status_code, answer.json()["data"]) == (status, None)
    assert answer.json()["errors"][0]["extensions"]["resource"]["resourceType"] == "OperationOutcome"


_REVERSE: list[tuple[str, str, Any]] = [
    ("/Patient/ida", "{ ConditionList(_reference: patient) { id } }", {"ConditionList": [{"id": "c1"}]}),
    (
        "/Patient/ida",
        '{ ObservationList(_reference: subject, status: amended, _sort: "_id") { id } }',
        {"ObservationList": [{"id": "o3"}, {"id": "o4"}, {"id": "o5"}]},
    ),
    ("/Patient/max", "{ ObservationList(_reference: subject) { id } }", {"ObservationList": []}),
    (
        "/Organization/clinic",
        "{ ProvenanceList(_reference: target) { id } }",
        {"ProvenanceList": [{"id": "pr"}]},
    ),
    (
        "/Patient/ida",
        "{ ObservationConnection(_reference: patient, _count: 2) { count edges { resource { status } } } }",
        {
            "ObservationConnection": {
                "count": 5,
                "edges": [{"resource": {"status": "corrected"}}, {"resource": {"status": "final"}}],
            }
        },
    ),
    (
        "",
        '{ PatientList(_id: [ida, max], _sort: "_id") { id ConditionList(_reference: subject) { id } } }',
        {"PatientList": [{"id": "ida", "ConditionList": [{"id": "c1"}]}, {"id": "max", "ConditionList": []}]},
    ),
    (
        "/Patient/ida",
        "{ contained { ... on Practitioner { ObservationList(_reference: performer) { id } } } }",
        {"contained": [{"ObservationList": []}, {}]},
    ),
]


@pytest.mark.feature("operation.graphql.reverse")
@pytest.mark.parametrize(("address", "query", "expected"), _REVERSE)
def test_what_refers_to_a_resource(ask: Ask, address: str, query: str, expected: Any) -> None:
    """`_reference` names the parameter by which resources of a type refer to the one that holds the field."""
    assert ask(address, query).json() == {"data": expected}


@pytest.mark.feature("operation.graphql.reverse")
@pytest.mark.parametrize(
    "query",
    [
        "{ ConditionList { id } }",
        "{ ConditionList(_reference: code) { id } }",
        "{ ConditionList(_reference: nonsense) { id } }",
        "{ ConditionList(_reference: patient, _id: c1) { id } }",
        "{ ConditionConnection(_reference: patient, cursor: x) { count } }",
        "{ name { ConditionList(_reference: patient) { id } } }",
        "{ PractitionerList(_reference: nonsense) { id } }",
    ],
)
def test_reverse_lookups_that_are_refused(ask: Ask, query: str) -> None:
    """Without `_reference`, or with an id or a cursor, there is no reverse lookup."""
    assert ask("/Patient/ida", query).status_code == 400


_PAGE = "{ count offset pagesize first previous next last edges { mode score resource { id } } }"


@pytest.mark.feature("operation.graphql.connection")
@pytest.mark.parametrize("name", ["_cursor", "cursor"])
def test_cursors_lead_through_all_pages(ask: Ask, name: str) -> None:
    """The cursors give the next, the first, the previous and the last page, and each says where it is."""

    def page(arguments: str) -> Any:
        return ask("", f"{{ ObservationConnection({arguments}) {_PAGE} }}").json()["data"][
            "ObservationConnection"
        ]

    first = page('patient: ida, _count: 2, _sort: "_id"')
    assert (first["count"], first["offset"], first["pagesize"]) == (5, 0, 2)
    assert first["edges"][0] == {"mode": "match", "resource": {"id": "o1"}}
    seen, cursor, offsets = ["o1", "o2"], first["next"], [0]
    while cursor is not None:
        found = page(f'{name}: "{cursor}"')
        seen += [edge["resource"]["id"] for edge in found["edges"]]
        offsets.append(found["offset"])
        assert (found["count"], found["pagesize"]) == (5, 2)
        assert page(f'{name}: "{found["first"]}"')["edges"] == first["edges"]
        cursor = found.get("next")
    assert (seen, offsets) == (["o1", "o2", "o3", "o4", "o5"], [0, 2, 4])
    back = page(f'{name}: "{found["previous"]}"')
    assert (back["offset"], [edge["resource"]["id"] for edge in back["edges"]]) == (2, ["o3", "o4"])
    last = page(f'{name}: "{first["last"]}"')
    assert (last["offset"], [edge["resource"]["id"] for edge in last["edges"]]) == (3, ["o4", "o5"])
    assert "next" not in last


@pytest.mark.feature("operation.graphql.connection")
def test_a_cursor_stands_alone_and_fits_its_type(ask: Ask) -> None:
    """ "The client cannot change the parameters for the search ... when providing a cursor"."""
    first = ask("", "{ ObservationConnection(_count: 1) { next } }").json()["data"]
    cursor = first["ObservationConnection"]["next"]
    assert ask("", f'{{ ObservationConnection(_cursor: "{cursor}") {{ offset }} }}').status_code == 200
    for query in (
        f'{{ ObservationConnection(_cursor: "{cursor[:-6]}AAAAAA") {{ count }} }}',
        f'{{ ObservationConnection(_cursor: "{cursor}é") {{ count }} }}',
        f'{{ ObservationConnection(_cursor: "{cursor}", _count: 3) {{ count }} }}',
        f'{{ PatientConnection(_cursor: "{cursor}") {{ count }} }}',
    ):
        assert ask("", query).status_code == 400, query


@pytest.mark.feature("operation.graphql.connection")
def test_a_fhirpath_is_kept_by_the_cursor(ask: Ask) -> None:
    """It chooses among the matches of each page, which may become shorter, on later pages too."""
    arguments = 'patient: ida, _count: 2, _sort: "_id", fhirpath: "status != \'final\'"'
    query = f"{{ ObservationConnection({arguments}) {_PAGE} }}"
    first = ask("", query).json()["data"]["ObservationConnection"]
    assert [edge["resource"]["id"] for edge in first["edges"]] == ["o1"]
    again = ask("", f'{{ ObservationConnection(cursor: "{first["next"]}") {_PAGE} }}')
    edges = again.json()["data"]["ObservationConnection"]["edges"]
    assert [edge["resource"]["id"] for edge in edges] == ["o3", "o4"]


@pytest.mark.feature("operation.graphql.search")
def test_a_list_is_given_as_a_whole_or_not_at_all(settings: Settings) -> None:
    """ "SHALL return an error indicating that the query could not be fulfilled"."""
    small = settings.model_copy(update={"max_page_size": 3})
    with running_server(small) as base_url, httpx.Client(base_url=base_url) as client:
        query = "{ ObservationList(status: %s) { id } }"
        refused = client.get("/$graphql", params={"query": query % "[final, amended, corrected]"})
        assert refused.status_code == 408
        assert refused.json()["errors"][0]["extensions"]["resource"]["issue"][0]["code"] == "too-costly"
        given = client.get("/$graphql", params={"query": query % "amended"})
        assert len(given.json()["data"]["ObservationList"]) == 3
        asked_for = client.get("/$graphql", params={"query": "{ ObservationList(_count: 2) { id } }"})
        assert len(asked_for.json()["data"]["ObservationList"]) == 2


def test_each_parameter_has_a_name_of_its_own() -> None:
    """With `_` for `-` no two parameters of a type become one, and none is lost but the chained `_has`."""
    for resource_type in resource_types():
        assert set(searched_codes(resource_type).values()) == set(supported_codes(resource_type))
