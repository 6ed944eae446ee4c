"""Where the authorization server is, as the CapabilityStatement tells it: for applications of the older kind.

https://hl7.org/fhir/smart-app-launch/1.0.0/conformance/index.html#using-cs
"""

from typing import Any

from fhir_server.settings import Settings
from fhir_server.smart.oauth.addresses import Addresses
from fhir_server.smart.openid.provider import load_provider

_OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
_SERVICES = "http://terminology.hl7.org/CodeSystem/restful-security-service"


def security(base_url: str, settings: Settings) -> dict[str, Any]:
    """Return `CapabilityStatement.rest.security` of a server that asks for tokens.

    The endpoints of a provider are for discovery to tell, which alone asks for them.
    """
    coding = {"system": _SERVICES, "code": "SMART-on-FHIR"}
    described: dict[str, Any] = {
        "cors": True,
        "service": [{"coding": [coding], "text": "OAuth2 with SMART App Launch"}],
    }
    provider = load_provider(settings.openid_provider, allow_local=settings.local_key_sets == "on")
    if provider is not None and provider.is_alone:
        return described
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
    return {"extension": [{"url": _OAUTH_URIS, "extension": uris}], **described}
