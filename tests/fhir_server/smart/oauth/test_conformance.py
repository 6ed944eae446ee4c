"""What the CapabilityStatement says of the authorization server.

https://hl7.org/fhir/smart-app-launch/1.0.0/conformance/index.html#using-cs
"""

from typing import Literal

import pytest

from fhir_server.capabilities import capability_statement
from fhir_server.settings import Settings
from resources.validation import validate


@pytest.mark.parametrize(("registration", "names"), [("off", 4), ("on", 5)])
def test_older_applications_find_the_endpoints(registration: Literal["off", "on"], names: int) -> None:
    """They are in an extension, and the statement is a valid resource with it."""
    settings = Settings(mongo_url="x", auth="on", dynamic_registration=registration)
    statement = capability_statement("https://fhir.example.org/fhir", settings, frozenset({"read"}))
    [rest] = statement["rest"]
    [extension] = rest["security"]["extension"]
    uris = {one["url"]: one["valueUri"] for one in extension["extension"]}
    assert len(uris) == names
    assert uris["token"] == "https://fhir.example.org/oauth/token"
    assert rest["security"]["service"][0]["coding"][0]["code"] == "SMART-on-FHIR"
    assert [one for one in validate(statement) if one.severity == "error"] == []


def test_without_tokens_nothing_is_said_of_them() -> None:
    """A server that asks for no token has no security to tell of."""
    settings = Settings(mongo_url="x", auth="off")
    statement = capability_statement("https://fhir.example.org/fhir", settings, frozenset({"read"}))
    assert "security" not in statement["rest"][0]
