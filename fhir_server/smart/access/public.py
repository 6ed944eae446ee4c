"""What a hospital's home page shows to everybody: who it is, what it offers, and where.

Nothing else is seen, on no way: a search that goes on to other types finds nothing there.
"""

from fhir_server.context import Request, Route
from fhir_server.settings import Settings
from fhir_server.smart.principal import Principal

# Places are the hospital's own, and whole sites: not rooms, and not the homes of people.
VISITOR = Principal(
    client_id="visitor",
    scopes=(
        "system/Organization.rs?active=true",
        "system/HealthcareService.rs?active=true",
        "system/Location.rs?status=active&organization:missing=false&partof:missing=true",
    ),
)
"""Whoever asks without a token for what is public."""

_TYPES = frozenset({"Organization", "HealthcareService", "Location"})
_WAYS = frozenset({"read", "search-type"})


def is_public(request: Request, route: Route, settings: Settings) -> bool:
    """Tell whether a request without a token asks for what may be public."""
    is_wanted = settings.public_directory == "on"
    return is_wanted and route.code in _WAYS and bool(request.path) and request.path[0] in _TYPES
