"""Where the authorization server is, as the CapabilityStatement tells it: for applications of the older kind.

https://hl7.org/fhir/smart-app-launch/1.0.0/conformance/index.html#using-cs
"""

from typing import Any

from fhir_server.settings import Settings
from fhir_server.smart.oauth.addresses import Addresses

_OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
_SERVICES = "http://terminology.hl7.org/CodeSystem/restful-security-service"


def security(base_url: str, settings: Settings) -> dict[str, Any]:
    """Return `CapabilityStatement.rest.security` of a server that asks for tokens."""
    addresses = Addresses(base_url)
    endpoints = {
        "authorize": "authorize",
        "token": "token",
        "introspect": "introspect",
        "revoke": "revoke",
    }
    if settings.dynamic_registration == "on":
        endpoints["register"] = "register"
    uris = [{"url": name, "valueUri": addresses.of(path)} for name, path in endpoints.items()]
    coding = {"system": _SERVICES, "code": "SMART-on-FHIR"}
    return {
        "extension": [{"url": _OAUTH_URIS, "extension": uris}],
        "cors": True,
        "service": [{"coding": [coding], "text": "OAuth2 with SMART App Launch"}],
    }
