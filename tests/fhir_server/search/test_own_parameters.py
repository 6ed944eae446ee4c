"""The search parameters of our own: published, and served like those of R4."""

import httpx
import pytest

from resources.definitions import resource_types, search_parameter_definitions
from resources.own_parameters import own_parameters
from resources.search_parameters import defined_parameters


@pytest.mark.parametrize("url", own_parameters())
def test_each_leads_somewhere_and_takes_no_place_of_another(url: str) -> None:
    """It has values in its type, and R4 has no parameter of its name there."""
    (base,) = own_parameters()[url]["base"]
    code = own_parameters()[url]["code"]
    assert base in resource_types()
    assert defined_parameters(base)[code].paths
    in_r4 = [one for one in search_parameter_definitions() if one["code"] == code]
    assert not any({base, "Resource", "DomainResource"} & set(one["base"]) for one in in_r4)


def test_each_is_published(client: httpx.Client, base_url: str) -> None:
    """The CapabilityStatement names its URL, and there stands a valid SearchParameter."""
    statement = client.get("/metadata").json()
    told = {
        one["definition"]
        for resource in statement["rest"][0]["resource"]
        for one in resource["searchParam"]
        if one["definition"].startswith(base_url)
    }
    assert told == {f"{base_url}/{url}" for url in own_parameters()}
    for url in told:
        answer = client.get(url)
        assert answer.json()["url"] == url
        checked = client.post("/SearchParameter", json={**answer.json(), "status": "draft"})
        assert checked.status_code == 201, checked.text
    assert client.get("/metadata/SearchParameter/Patient-nothing").status_code == 404


def test_one_is_asked(client: httpx.Client) -> None:
    """Open warnings are found, closed ones are not."""
    flag = {"resourceType": "Flag", "code": {"text": "low stock"}, "subject": {"reference": "Location/1"}}
    client.put("/Flag/open", json={**flag, "id": "open", "status": "active"})
    client.put("/Flag/closed", json={**flag, "id": "closed", "status": "inactive"})
    found = client.get("/Flag", params={"status": "active"}).json()
    assert [one["resource"]["id"] for one in found["entry"]] == ["open"]
