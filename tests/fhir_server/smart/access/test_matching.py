"""Conditions that are looked at without the database mean what they mean to MongoDB.

https://www.mongodb.com/docs/manual/reference/operator/query/
"""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import MongoClient
from pymongo.collection import Collection

from fhir_server.smart.access.matching import is_understood, meets

Document = dict[str, Any]

_WORDS = st.sampled_from(["a", "b", "c"])
_NUMBERS = st.integers(1, 3)
_VALUES = st.one_of(_WORDS, _NUMBERS, st.none(), st.lists(_WORDS, max_size=3))
_INNER = st.fixed_dictionaries({}, optional={"lo": _NUMBERS, "code": _WORDS})
_DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "one": _VALUES,
        "deep": st.one_of(_INNER, st.lists(_INNER, max_size=3), _WORDS),
    },
)
_TESTS = st.one_of(
    _WORDS,
    _NUMBERS,
    st.builds(lambda words: {"$in": words}, st.lists(_WORDS, max_size=3)),
    st.builds(lambda word: {"$ne": word}, _WORDS),
    st.builds(lambda flag: {"$exists": flag}, st.booleans()),
    st.builds(lambda name, limit: {name: limit}, st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), _NUMBERS),
    st.builds(lambda low, high: {"$gte": low, "$lt": high}, _WORDS, _WORDS),
    st.builds(lambda low, high: {"$elemMatch": {"$gte": low, "$lt": high}}, _WORDS, _WORDS),
    st.builds(lambda low, word: {"$elemMatch": {"lo": {"$gte": low}, "code": word}}, _NUMBERS, _WORDS),
)
_PLAIN = st.dictionaries(
    st.sampled_from(["one", "deep.lo", "deep.code", "deep"]), _TESTS, min_size=1, max_size=2
)
_CONDITIONS = st.recursive(
    _PLAIN,
    lambda inner: st.builds(
        lambda name, parts: {name: parts},
        st.sampled_from(["$and", "$or", "$nor"]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def documents(mongo_client: MongoClient[Document]) -> Iterator[Collection[Document]]:
    """An empty collection."""
    name = "test_matching"
    yield mongo_client[name]["documents"]
    mongo_client.drop_database(name)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    listed=st.lists(_DOCUMENTS, min_size=1, max_size=6),
    conditions=st.lists(_CONDITIONS, min_size=3, max_size=6),
)
def test_as_mongodb_says(
    documents: Collection[Document], listed: list[Document], conditions: list[Document]
) -> None:
    """Of drawn documents those meet a drawn condition that MongoDB finds by it."""
    stored = [{"_id": number, **one} for number, one in enumerate(listed)]
    documents.delete_many({})
    documents.insert_many(stored)
    for condition in conditions:
        found = {one["_id"] for one in documents.find(condition, {"_id": 1})}
        assert {one["_id"] for one in stored if meets(one, condition)} == found, condition


@pytest.mark.parametrize(
    "condition", [{"one": {"$regex": "a"}}, {"$where": "1"}, {"one": {"$gt": 1, "$foo": 2}}, {"one": None}]
)
def test_what_is_not_known_is_an_error(condition: Document) -> None:
    """An operator that is not known is never taken for a match, nor for none."""
    with pytest.raises(ValueError, match="not known"):
        meets({"one": 2}, condition)
    assert not is_understood(condition)
