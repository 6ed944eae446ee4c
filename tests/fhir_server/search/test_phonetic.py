"""phonetic: names that sound alike. https://hl7.org/fhir/R4/patient.html#search"""

import httpx
import pytest

from tests.fhir_server.search.searching import Resource, Row, check, refusal, row_id, store


def _patient(name: str, **parts: object) -> Resource:
    return {"resourceType": "Patient", "id": name, "name": [parts]}


RESOURCES = [
    _patient("meyer", family="Meyer", given=["Robert"]),
    _patient("maier", family="Maier", given=["Rupert"]),
    _patient("smith", family="Smith", given=["Jon", "Paul"]),
    _patient("smyth", family="Smyth", given=["John"]),
    _patient("garcia", text="José García-López"),
    _patient("han", family="李", given=["2"]),
    {"resourceType": "Organization", "id": "clinic", "name": "Saint Mary's Clinic"},
    {"resourceType": "Practitioner", "id": "philips", "name": [{"family": "Philips"}]},
]

TABLE: list[Row] = [
    ("string", "Patient?phonetic=mayer", "meyer"),
    ("string", "Patient?phonetic=Mier", "maier"),
    ("string", "Patient?phonetic=smith", "smith smyth"),
    ("string", "Patient?phonetic=smeth", "smith smyth"),
    ("string", "Patient?phonetic=jon smyth", "smith smyth"),
    ("string", "Patient?phonetic=smith paul", "smith"),
    ("string", "Patient?phonetic=garsia", "garcia"),
    ("string", "Patient?phonetic=garkia", ""),
    ("string", "Patient?phonetic=Lopes", "garcia"),
    ("string", "Patient?phonetic=李", "han"),
    ("string", "Patient?phonetic=smith,robbert", "smith smyth meyer"),
    ("string", "Patient?phonetic=smith&phonetic=paul", "smith"),
    ("string", "Patient?name=smeth", ""),
    ("string", "Organization?phonetic=sent maries klinik", "clinic"),
    ("string", "Practitioner?phonetic=filips", "philips"),
    ("modifiers", "Patient?phonetic:missing=true", ""),
]


@pytest.fixture(scope="module", autouse=True)
def _stored(client: httpx.Client) -> None:
    store(client, RESOURCES)


@pytest.mark.feature("search.string.phonetic")
@pytest.mark.parametrize("row", TABLE, ids=row_id)
def test_phonetic(client: httpx.Client, row: Row) -> None:
    """A name is found by what sounds like its words."""
    check(client, row)


def test_what_is_refused(client: httpx.Client) -> None:
    """https://hl7.org/fhir/R4/search.html#errors: neither spaces nor modifiers of strings."""
    assert "spaces" in refusal(client, "Patient?phonetic= ")["diagnostics"]
    assert ":missing" in refusal(client, "Patient?phonetic:exact=x")["diagnostics"]
