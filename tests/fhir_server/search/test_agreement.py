"""A search gives what a plain reading of the specification gives, whatever the resources and the question."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import MongoClient

from tests.fhir_server.search import drawn
from tests.fhir_server.search.agreement import definitions, results
from tests.fhir_server.search.agreement.evaluator import World
from tests.fhir_server.search.stored import NOW, Document, Documents, ask, collection, store


def _search(parameter: definitions.Parameter) -> st.SearchStrategy[tuple[str, str]]:
    if parameter.parts:
        return drawn.combination(parameter.code, tuple(part.type for part in parameter.parts))
    return drawn.search(parameter.code, parameter.type)


_SEARCHES = {
    resource_type: st.one_of(*(_search(definitions.parameters(resource_type)[code]) for code in codes))
    for resource_type, codes in drawn.CODES_ASKED.items()
}


@pytest.fixture(scope="module")
def documents(mongo_client: MongoClient[Document]) -> Iterator[dict[str, Documents]]:
    """The collections of the types that are drawn, with all their indexes."""
    name = "test_agreement"
    mongo_client.drop_database(name)
    yield {name_: collection(mongo_client[name], name_) for name_ in drawn.RESOURCES}
    mongo_client.drop_database(name)


@st.composite
def _cases(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    resource_type = draw(st.sampled_from(sorted(drawn.RESOURCES)))
    resources = draw(st.lists(drawn.RESOURCES[resource_type], min_size=1, max_size=8))
    with_ids = [{**resource, "id": f"r{number}"} for number, resource in enumerate(resources)]
    return with_ids, draw(st.lists(_SEARCHES[resource_type], min_size=1, max_size=3))


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=_cases())
@pytest.mark.feature("search.agreement")
def test_searches_agree(
    documents: dict[str, Documents], case: tuple[list[dict[str, Any]], list[tuple[str, str]]]
) -> None:
    """Server and plain evaluator find the same resources, in the order of their creation."""
    resources, pairs = case
    resource_type = resources[0]["resourceType"]
    found_in = documents[resource_type]
    store(found_in, resources)
    found = list(ask(found_in, urlencode(pairs)))
    world = World({resource_type: resources}, NOW)
    assert found == results.found(world, resource_type, pairs), (pairs, resources)
