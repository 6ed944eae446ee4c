"""A search gives what a plain reading of the specification gives, whatever the resources and the question."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import MongoClient

from tests.fhir_server.search import drawn, evaluator
from tests.fhir_server.search.stored import NOW, Document, Documents, ask, collection, store

_SEARCHES = {
    resource_type: st.one_of(
        *(drawn.search(code, kind) for code, (kind, _) in parameters.items()),
        *(
            drawn.combination(code, tuple(kind for kind, _ in bases[0][1]))
            for code, bases in evaluator.COMPOSITES.get(resource_type, {}).items()
        ),
    )
    for resource_type, parameters in evaluator.PARAMETERS.items()
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


def _expected(resources: list[dict[str, Any]], pairs: list[tuple[str, str]], now: datetime) -> list[str]:
    return [
        resource["id"]
        for resource in resources
        if all(evaluator.meets(resource, name, text, now) for name, text in pairs)
    ]


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=_cases())
def test_searches_agree(
    documents: dict[str, Documents], case: tuple[list[dict[str, Any]], list[tuple[str, str]]]
) -> None:
    """Server and plain evaluator find the same resources, in the order of their creation."""
    resources, pairs = case
    found_in = documents[resources[0]["resourceType"]]
    store(found_in, resources)
    found = list(ask(found_in, urlencode(pairs)))
    assert found == _expected(resources, pairs, NOW), (pairs, resources)
