"""uri: character for character. https://hl7.org/fhir/R4/search.html#uri"""

import httpx
import pytest

from tests.fhir_server.search.searching import Resource, Row, check, refusal, row_id, store

URL = "http://acme.org/fhir/ValueSet/123"


def _value_set(name: str, url: str, version: str = "") -> Resource:
    value_set = {"resourceType": "ValueSet", "id": name, "status": "draft", "url": url}
    return value_set | {"version": version} if version else value_set


RESOURCES = [
    _value_set("plain", URL),
    _value_set("first", URL, "1.0"),
    _value_set("second", URL, "2.0"),
    _value_set("longer", f"{URL}/4"),
    _value_set("comma", f"{URL},4"),
    _value_set("oid", "urn:oid:1.2.3.4.5"),
    _value_set("upper", URL.upper()),
    {"resourceType": "Patient", "id": "tagged", "meta": {"profile": [f"{URL}|1", "http://acme.org/p"]}},
    {"resourceType": "Patient", "id": "sourced", "meta": {"source": "http://acme.org/source#1"}},
]

TABLE: list[Row] = [
    ("uri", f"ValueSet?url={URL}", "plain first second"),
    ("uri", "ValueSet?url=urn:oid:1.2.3.4.5", "oid"),
    ("uri", "ValueSet?url=urn:oid:1.2.3.4", ""),
    ("uri", f"ValueSet?url={URL.upper()}", "upper"),
    ("uri", "ValueSet?url=http://acme.org/fhir/ValueSet", ""),
    # "automatically detecting a |[version] portion"
    ("uri", f"ValueSet?url={URL}|1.0", "first"),
    ("uri", f"ValueSet?url={URL}|3.0", ""),
    ("uri", f"ValueSet?url={URL}|1.0,urn:oid:1.2.3.4.5", "first oid"),
    ("all", f"Patient?_profile={URL}", "tagged"),
    ("all", f"Patient?_profile={URL}|1", "tagged"),
    ("all", f"Patient?_profile={URL}|2", ""),
    ("all", "Patient?_profile=http://acme.org/p", "tagged"),
    ("all", "Patient?_source=http://acme.org/source#1", "sourced"),
    ("all", "Patient?_source=http://acme.org/source", ""),
    ("escaping", rf"ValueSet?url={URL}\,4", "comma"),
    ("combining", f"ValueSet?url={URL}/4,{URL.upper()}", "longer upper"),
    ("modifiers", "Patient?_profile:missing=true", "sourced"),
    ("modifiers", "Patient?_source:missing=true", "tagged"),
]


@pytest.fixture(scope="module", autouse=True)
def _stored(client: httpx.Client) -> None:
    store(client, RESOURCES)


@pytest.mark.feature("search.uri")
@pytest.mark.parametrize("row", TABLE, ids=row_id)
def test_uri(client: httpx.Client, row: Row) -> None:
    """Each search of the table finds what its rule says."""
    check(client, row)


def test_an_empty_uri_among_others_is_refused(client: httpx.Client) -> None:
    """https://hl7.org/fhir/R4/search.html#errors: 400 that names the parameter."""
    assert refusal(client, f"ValueSet?url={URL},")["diagnostics"].startswith("url: ")
