"""The CapabilityStatement, made from the route table and the definitions, so that it cannot promise more.

https://hl7.org/fhir/R4/capabilitystatement.html
"""

from functools import lru_cache
from typing import Any

from fhir_server import __version__
from fhir_server.patches import PATCH_FORMATS
from fhir_server.search.criteria import supported_codes
from fhir_server.settings import Settings
from resources.definitions import resource_types
from resources.search_parameters import search_parameters

# The day of the latest change to what the statement says.
_DATE = "2026-11-21"
_TYPE_INTERACTIONS = (
    "read",
    "vread",
    "update",
    "patch",
    "delete",
    "history-instance",
    "history-type",
    "create",
    "search-type",
)
_SYSTEM_INTERACTIONS = ("transaction", "batch", "history-system")


_ENFORCED = {"off": (), "enforce": ("enforced",)}


@lru_cache(maxsize=16)
def capability_statement(base_url: str, settings: Settings) -> dict[str, Any]:
    """Return the CapabilityStatement of the server at `base_url`; callers must not change it."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": _DATE,
        "kind": "instance",
        "software": {"name": "FHIR R4 hospital server", "version": __version__},
        "implementation": {"description": "FHIR R4 server on MongoDB", "url": base_url},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json", "application/fhir+xml", "xml"],
        "patchFormat": list(PATCH_FORMATS),
        "rest": [
            {
                "mode": "server",
                "resource": [_resource(name, settings) for name in resource_types()],
                "interaction": _interactions(_SYSTEM_INTERACTIONS),
            }
        ],
    }


def _interactions(codes: tuple[str, ...]) -> list[dict[str, str]]:
    return [{"code": code} for code in codes]


def _resource(resource_type: str, settings: Settings) -> dict[str, Any]:
    parameters = search_parameters(resource_type)
    return {
        "type": resource_type,
        "profile": f"http://hl7.org/fhir/StructureDefinition/{resource_type}",
        "interaction": _interactions(_TYPE_INTERACTIONS),
        "versioning": "versioned-update" if settings.require_if_match == "on" else "versioned",
        "readHistory": True,
        "updateCreate": True,
        "conditionalCreate": True,
        "conditionalRead": "full-support",
        "conditionalUpdate": True,
        "conditionalDelete": settings.conditional_delete,
        "referencePolicy": ["literal", "logical", *_ENFORCED[settings.referential_integrity]],
        "searchParam": [
            {"name": code, "definition": parameters[code].url, "type": parameters[code].type}
            for code in supported_codes(resource_type)
        ],
    }
