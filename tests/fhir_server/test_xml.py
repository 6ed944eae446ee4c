"""Every interaction in XML as well as in JSON (https://hl7.org/fhir/R4/http.html#mime-type)."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from resources import json_format, xml_format

XML = "application/fhir+xml"
PATIENT = b"""<Patient xmlns="http://hl7.org/fhir"><id value="x1"/><active value="true"/>
<name><family value="Arenberg"/><given value="Ida"/></name><multipleBirthInteger value="2"/></Patient>"""


@pytest.fixture(scope="module")
def xml(base_url: str) -> Iterator[httpx.Client]:
    """A client that speaks XML."""
    with httpx.Client(base_url=base_url, headers={"content-type": XML, "accept": XML}) as http:
        yield http


def read(answer: httpx.Response) -> Any:
    """Return the resource in an XML answer."""
    assert answer.headers["content-type"] == f"{XML}; charset=utf-8"
    return xml_format.parse(answer.content)


@pytest.mark.feature("http.format.xml")
def test_what_is_written_in_one_format_reads_in_the_other(xml: httpx.Client, client: httpx.Client) -> None:
    """The format is the way of a message, not a property of the record."""
    created = xml.put("/Patient/x1", content=PATIENT)
    assert created.status_code == 201
    assert read(created) == json_format.parse(client.get("/Patient/x1").content)
    assert client.get("/Patient/x1").json()["name"] == [{"family": "Arenberg", "given": ["Ida"]}]
    assert read(xml.get("/Patient/x1"))["multipleBirthInteger"] == 2


def test_bundles_are_answered_in_xml(xml: httpx.Client, client: httpx.Client) -> None:
    """A transaction goes in and out in XML, and so do searches and histories."""
    entry = {"resource": {"resourceType": "Basic", "id": "x2", "code": {"text": "x"}}}
    entry["request"] = {"method": "PUT", "url": "Basic/x2"}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    answer = read(xml.post("", content=xml_format.dumps(bundle)))
    assert answer["entry"][0]["response"]["status"] == "201 Created"
    for path in ("/Basic?_id=x2", "/Basic/x2/_history", "/Basic/_history", "/_history"):
        in_xml, in_json = read(xml.get(path)), json_format.parse(client.get(path).content)
        assert in_xml == in_json


def test_capabilities_in_xml(xml: httpx.Client, client: httpx.Client) -> None:
    """The largest of our own resources is the same in both."""
    assert read(xml.get("/metadata")) == json_format.parse(client.get("/metadata").content)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"<Patient xmlns='http://hl7.org/fhir'><nonsense value='1'/></Patient>", 400),
        (b"<Patient xmlns='http://hl7.org/fhir'><gender value='bogus'/></Patient>", 422),
        (b"<Patient/>", 400),
        (
            b"<!DOCTYPE p [<!ENTITY e 'x'>]><Patient xmlns='http://hl7.org/fhir'><id value='&e;'/></Patient>",
            400,
        ),
        (b"{}", 400),
        (b"", 400),
    ],
)
def test_errors_are_told_in_xml(xml: httpx.Client, content: bytes, status: int) -> None:
    """The outcome is in the format that the client takes."""
    answer = xml.post("/Patient", content=content)
    assert answer.status_code == status
    assert read(answer)["resourceType"] == "OperationOutcome"
    assert read(xml.get("/Patient/unknown"))["issue"][0]["code"] == "not-found"
