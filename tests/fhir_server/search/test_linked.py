"""A running server finds what the plain evaluator finds, in resources that are linked and in Synthea's.

Many more questions: `python -m tests.fhir_server.search.agreement`. https://hl7.org/fhir/R4/search.html
"""

from collections.abc import Callable, Iterator
from random import Random

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import MongoClient

from fhir_server.settings import Settings
from tests.fhir_server.conftest import FHIR_JSON, running_server
from tests.fhir_server.search.agreement import comparison, invented, worlds
from tests.fhir_server.search.agreement.features import SUPPORTED
from tests.fhir_server.search.agreement.questions import Drawing
from tests.fhir_server.search.agreement.results import Address

_PATIENTS = 2
_EXAMPLES = 150

_many = settings(
    max_examples=_EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
# What a seed draws cannot be made smaller by hypothesis, so that `smallest` does it.
_seeds = st.integers(min_value=0, max_value=2**32)


Checking = Callable[[int], None]
"""Asks the question that a seed stands for, and asserts that the answers agree."""


def _checking(client: httpx.Client, addresses: list[Address]) -> Checking:
    drawing = Drawing(worlds.world(client, addresses), SUPPORTED)

    def check(seed: int) -> None:
        question = drawing.question(Random(seed))
        if comparison.difference(client, drawing.world, question):
            smallest = comparison.smallest(client, drawing.world, question)
            assert comparison.difference(client, drawing.world, smallest) == "", smallest

    return check


@pytest.fixture(scope="module")
def about_linked(client: httpx.Client) -> Checking:
    """Ask about invented resources, which are stored first."""
    return _checking(client, invented.store(client, Random(1)))


@_many
@given(seed=_seeds)
@pytest.mark.feature("search.agreement")
def test_questions_about_linked_resources_agree(about_linked: Checking, seed: int) -> None:
    """Matches, their order, their pages and what comes along are those of the evaluator."""
    about_linked(seed)


@pytest.fixture(scope="module")
def about_synthea(mongo_url: str) -> Iterator[Checking]:
    """Ask a second server about some of Synthea's patients."""
    if not worlds.SYNTHEA.is_dir():
        pytest.skip("needs ../shared/data/synthea")
    name = "test-agreement-synthea"
    with (
        running_server(
            Settings(mongo_url=mongo_url, database=name, log_level="error", auth="off", workflows_off="all")
        ) as base_url,
        httpx.Client(base_url=base_url, headers={"content-type": FHIR_JSON}, timeout=60) as client,
    ):
        yield _checking(client, worlds.store_synthea(client, _PATIENTS))
    with MongoClient[dict[str, object]](mongo_url) as mongo:
        mongo.drop_database(name)


@_many
@given(seed=_seeds)
@pytest.mark.feature("search.agreement")
def test_questions_about_synthea_agree(about_synthea: Checking, seed: int) -> None:
    """The same, of resources as a hospital has them."""
    about_synthea(seed)
