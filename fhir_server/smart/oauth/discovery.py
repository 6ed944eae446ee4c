"""What this server tells applications of itself, before they ask for anything.

https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html
https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata
"""

from collections.abc import Mapping
from typing import Any

from fhir_server.settings import Settings
from fhir_server.smart.oauth import assertions, signing_keys
from fhir_server.smart.oauth.addresses import Addresses
from fhir_server.smart.oauth.brands import Brands
from fhir_server.smart.oauth.registration import METHODS
from fhir_server.smart.oauth.scopes import CONTEXT_SCOPES, IDENTITY_SCOPES, REFRESH_SCOPES

CAPABILITIES = (
    "launch-ehr",
    "launch-standalone",
    "authorize-post",
    "client-public",
    "client-confidential-symmetric",
    "client-confidential-asymmetric",
    "sso-openid-connect",
    "context-banner",
    "context-style",
    "context-ehr-patient",
    "context-ehr-encounter",
    "context-standalone-patient",
    "context-standalone-encounter",
    "permission-offline",
    "permission-online",
    "permission-patient",
    "permission-user",
    "permission-v1",
    "permission-v2",
)
"""https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#capabilities"""

_SCOPES = (
    *IDENTITY_SCOPES,
    *CONTEXT_SCOPES,
    *REFRESH_SCOPES,
    *(f"{context}/*.{actions}" for context in ("patient", "user", "system") for actions in ("rs", "cruds")),
)

STYLE: Mapping[str, str] = {
    "color_background": "#ffffff",
    "color_error": "#a4161a",
    "color_highlight": "#005a9c",
    "color_modal_backdrop": "#00000066",
    "color_success": "#1b6e3c",
    "color_text": "#14212b",
    "dim_border_radius": "6px",
    "dim_font_size": "16px",
    "dim_spacing_size": "16px",
    "font_family_body": "system-ui, sans-serif",
    "font_family_heading": "system-ui, sans-serif",
}
"""How our pages look, for applications that want to look alike.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#styling
"""


def smart_configuration(addresses: Addresses, settings: Settings, brands: Brands | None) -> dict[str, Any]:
    """Return the document at `.well-known/smart-configuration`; all addresses in it are absolute."""
    document = _shared(addresses, settings) | {
        "capabilities": list(CAPABILITIES),
        "management_endpoint": addresses.of("grants"),
        "associated_endpoints": [{"url": addresses.fhir, "capabilities": list(CAPABILITIES)}],
    }
    if brands is not None:
        document["user_access_brand_bundle"] = addresses.of("user-access-brands")
        document["user_access_brand_identifier"] = brands.identifier
    return document


def openid_configuration(addresses: Addresses, settings: Settings) -> dict[str, Any]:
    """Return the document by which OpenID Connect finds the same endpoints."""
    return _shared(addresses, settings) | {
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": list(signing_keys.ALGORITHMS),
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "nonce", "fhirUser"],
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }


def _shared(addresses: Addresses, settings: Settings) -> dict[str, Any]:
    document: dict[str, Any] = {
        "issuer": addresses.issuer,
        "jwks_uri": addresses.of("jwks"),
        "authorization_endpoint": addresses.of("authorize"),
        "token_endpoint": addresses.token,
        "introspection_endpoint": addresses.of("introspect"),
        "revocation_endpoint": addresses.of("revoke"),
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "scopes_supported": list(_SCOPES),
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": list(METHODS),
        "token_endpoint_auth_signing_alg_values_supported": list(assertions.ALGORITHMS),
        "authorization_response_iss_parameter_supported": True,
    }
    if settings.dynamic_registration == "on":
        document["registration_endpoint"] = addresses.of("register")
    return document
