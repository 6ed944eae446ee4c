"""Whatever is asked, the answer is data or a client's error in GraphQL's form, never a server's fault."""

import os
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fhir_server.graphql.conftest import Ask
from tests.fhir_server.graphql.drawn import mutations, queries

pytestmark = pytest.mark.usefixtures("records")

_ASKED_FOR = os.environ.get("FHIR_FUZZ_EXAMPLES")
_many = settings(
    max_examples=int(_ASKED_FOR or 30),
    derandomize=_ASKED_FOR is None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def _check(answer: httpx.Response) -> None:
    assert answer.status_code < 500, answer.text
    document = answer.json()
    if answer.status_code == 200:
        assert isinstance(document["data"], dict)
        assert "errors" not in document
    else:
        assert document["data"] is None
        assert all(error["message"] for error in document["errors"])


@_many
@given(query=queries("Patient"))
def test_queries_about_a_patient(ask: Ask, query: str) -> None:
    """Any fields of a Patient, with any arguments."""
    _check(ask("/Patient/ida", query))


@_many
@given(query=queries(None))
def test_queries_about_the_system(ask: Ask, query: str) -> None:
    """Any searches and reads of any type, and what they lead to."""
    _check(ask("", query))


@_many
@given(query=mutations())
def test_mutations(ask: Ask, query: str) -> None:
    """Any mutation with any values."""
    _check(ask("", query))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@_many
@given(
    value=_JSON,
    type_=st.sampled_from(["ID!", "[code!]", "Int", "PatientInput", "[token!]", "Boolean", "String"]),
)
def test_values_of_variables(ask: Ask, value: Any, type_: str) -> None:
    """Any JSON as the value of a variable of any type, wherever the variable is used."""
    for use in ("Patient(id: $v) { id }", "PatientList(_count: $v, gender: $v) { id }"):
        _check(ask("", f"query Q($v: {type_}) {{ {use} }}", v=value))
    _check(ask("", "mutation M($v: PatientInput!) { PatientUpdate(id: v, res: $v) { id } }", v=value))


_TOKENS = st.sampled_from(
    [
        "{",
        "}",
        "(",
        ")",
        ":",
        "...",
        "@flatten",
        "on",
        "query",
        "fragment",
        "$v",
        "name",
        "id",
        "Patient",
        '"x"',
        "1",
        "[",
        "]",
        "!",
        "#",
        "\u0000",
        "\ufeff",
        '"""',
    ]
)


@_many
@given(tokens=st.lists(_TOKENS, max_size=14))
def test_documents_of_random_tokens(ask: Ask, tokens: list[str]) -> None:
    """Words and signs in any order."""
    _check(ask("/Patient/ida", "{" + " ".join(tokens)))
