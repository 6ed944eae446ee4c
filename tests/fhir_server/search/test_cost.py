"""What an index serves is told from the condition of a search."""

import pytest

from fhir_server.search.cost import is_served
from tests.fhir_server.search.stored import parsed

SERVED = [
    "Observation?",
    "Observation?code=http://loinc.org|8302-2",
    "Observation?code=a,b",
    "Observation?patient=1",
    "Observation?date=ge2020",
    "Observation?date=ge2020&date=lt2021",
    "Observation?value-quantity=gt5",
    "Observation?code-value-quantity=8302-2$gt5",
    "Observation?component-code-value-quantity=8302-2$gt5",
    "Observation?code:missing=false",
    "Observation?_id=1,2",
    "Observation?_lastUpdated=gt2020",
    "Patient?name=smi",
    "Patient?family:exact=Smith",
    "Patient?_text=word",
    "Patient?_filter=gender eq male or family sw smi",
    "Observation?patient=1&status:not=final",
    "Observation?_filter=patient re Patient/1 and not (status eq final)",
    "Observation?patient.name=smi",
    "Patient?_has:Observation:patient:code=x",
    "Patient?_list=1",
]
NOT_SERVED = [
    "Observation?status:not=final",
    "Observation?code:missing=true",
    "Patient?name:contains=mit",
    "Patient?_filter=name co mit",
    "Patient?_filter=not (gender eq male)",
    "Patient?_filter=gender eq male or name co mit",
    "Patient?_text=not word",
    "Patient?_filter=gender ne male",
]


@pytest.mark.parametrize("search", SERVED)
def test_an_index_serves(search: str) -> None:
    """Equalities, ranges and lists that have to hold, whatever else is asked beside them."""
    resource_type, _, query = search.partition("?")
    assert is_served(parsed(resource_type, query).filter)


@pytest.mark.parametrize("search", NOT_SERVED)
def test_no_index_serves(search: str) -> None:
    """Negations, missing values and parts of texts, unless all alternatives are served."""
    resource_type, _, query = search.partition("?")
    assert not is_served(parsed(resource_type, query).filter)
