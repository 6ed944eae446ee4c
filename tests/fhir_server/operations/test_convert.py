"""$convert (https://hl7.org/fhir/R4/resource-operation-convert.html)."""

from typing import Any

import httpx
import pytest

JSON, XML = "application/fhir+json", "application/fhir+xml"
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p",
    "name": [{"family": "Arenberg", "given": ["Ida", "Jo"]}],
    "birthDate": "1970-03-30",
    "multipleBirthInteger": 2,
}
AS_XML = (
    '<Patient xmlns="http://hl7.org/fhir"><id value="p"/><name><family value="Arenberg"/><given value="Ida"/>'
    '<given value="Jo"/></name><birthDate value="1970-03-30"/><multipleBirthInteger value="2"/></Patient>'
)


@pytest.mark.feature("operation.convert")
def test_from_json_to_xml_and_back(client: httpx.Client) -> None:
    """The resource comes back in the format that is accepted, and to JSON again it is what it was."""
    answer = client.post("/$convert", json=PATIENT, headers={"accept": XML})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(XML)
    assert answer.text.endswith(AS_XML)
    back = client.post("/$convert", content=answer.content, headers={"content-type": XML, "accept": JSON})
    assert back.json() == PATIENT


def test_wrapped_in_parameters_and_by_format(client: httpx.Client) -> None:
    """The resource may stand in Parameters as `input`, in either format; `_format` may say what is wanted."""
    wrapped = {"resourceType": "Parameters", "parameter": [{"name": "input", "resource": PATIENT}]}
    assert client.post("/$convert?_format=xml", json=wrapped).text.endswith(AS_XML)
    as_xml = client.post(
        "/$convert?_format=json",
        content=f'<Parameters xmlns="http://hl7.org/fhir"><parameter><name value="input"/><resource>{AS_XML}'
        "</resource></parameter></Parameters>",
        headers={"content-type": XML},
    )
    assert as_xml.json() == PATIENT


def test_a_resource_that_breaks_a_rule_is_converted_all_the_same(client: httpx.Client) -> None:
    """An Observation without its code is no valid one, but readable FHIR."""
    incomplete = {"resourceType": "Observation", "status": "final"}
    answer = client.post("/$convert", json=incomplete, headers={"accept": XML})
    assert answer.text.endswith(
        '<Observation xmlns="http://hl7.org/fhir"><status value="final"/></Observation>'
    )


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (None, "parameter input is missing"),
        ({"resourceType": "Parameters"}, "parameter input is missing"),
        ({"resourceType": "Parameters", "parameter": [{"name": "input", "valueString": "x"}]}, "a resource"),
        (
            {"resourceType": "Parameters", "parameter": [{"name": "input", "resource": {"a": 1}}]},
            "a resource",
        ),
        (
            {"resourceType": "Parameters", "parameter": [{"_name": {"id": "x"}, "valueString": "x"}]},
            "parameter",
        ),
        ({"resourceType": "Patient", "nonsense": 1}, "nonsense"),
        ({"resourceType": "Nonsense"}, "resourceType"),
        ({"resourceType": 7}, "resourceType"),
        ([1], "Parameters resource"),
    ],
)
def test_what_is_no_resource_is_refused(client: httpx.Client, body: Any, text: str) -> None:
    """What FHIR does not have is named in a 400, whatever format is wanted."""
    answer = client.post("/$convert?_format=xml", **({} if body is None else {"json": body}))
    assert answer.status_code == 400, answer.text
    assert text in answer.text
