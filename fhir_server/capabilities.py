"""The CapabilityStatement, made from the route table and the registries, so that it cannot promise more.

https://hl7.org/fhir/R4/capabilitystatement.html
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from fhir_server import __version__
from fhir_server.context import Route
from fhir_server.formats import FORMATS
from fhir_server.operations.definitions import canonical
from fhir_server.operations.operation import ANY_TYPE, Operation
from fhir_server.operations.registry import OPERATIONS
from fhir_server.patches import PATCH_FORMATS
from fhir_server.search.include import include_values, revinclude_values
from fhir_server.search.known import supported_codes
from fhir_server.search.results import RESULT_PARAMETERS
from fhir_server.settings import Settings
from fhir_server.smart.oauth.conformance import security
from fhir_server.store.audit.log import AUDIT_EVENT
from resources.compartments import compartment_urls
from resources.custom_parameters import CustomParameters, custom_parameters
from resources.definitions import resource_types
from resources.search_parameters import search_parameters

Routes = Mapping[tuple[str, ...], Mapping[str, Route]]

# The day of the latest change to what the statement says.
_DATE = "2026-11-28"
_TYPE = "{type}"
_LEVELS = ("history-system", "history-type", "history-instance")
_SEARCHES = ("search-type", "search-system", "search-compartment")
_ENFORCED = {"off": (), "enforce": ("enforced",)}
# https://hl7.org/fhir/R4/valueset-type-restful-interaction.html
_TYPE_CODES = (
    *("read", "vread", "update", "patch", "delete"),
    *("history-instance", "history-type", "create", "search-type"),
)
# https://hl7.org/fhir/R4/valueset-system-restful-interaction.html
_SYSTEM_CODES = ("transaction", "batch", "search-system", "history-system")
# What nobody may do with AuditEvents.
_UNALTERABLE = frozenset({"update", "patch", "delete"})


def capability_statement(base_url: str, settings: Settings, codes: frozenset[str]) -> dict[str, Any]:
    """Return the CapabilityStatement of the server at `base_url`; callers must not change it.

    `codes` are those of the interactions that the route table offers, see `interaction_codes`.
    """
    return _statement(base_url, settings, codes, custom_parameters())


@lru_cache(maxsize=16)
def _statement(
    base_url: str, settings: Settings, codes: frozenset[str], custom: CustomParameters
) -> dict[str, Any]:
    del custom  # what it says of parameters is found out below; here it makes a new one a new statement
    rest: dict[str, Any] = {
        "mode": "server",
        "documentation": _documentation(codes),
        "resource": [_resource(name, base_url, settings, codes) for name in resource_types()],
        "interaction": _interactions(_SYSTEM_CODES, codes),
    }
    if "search-system" in codes:
        rest["searchParam"] = list(_search_parameters(resource_types()[0], _common_codes(), base_url))
    rest["operation"] = _operations((one for one in _enabled(settings) if one.on_system), base_url)
    if settings.auth == "on":
        rest["security"] = security(base_url, settings)
    if "search-compartment" in codes:
        rest["compartment"] = list(compartment_urls())
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": _DATE,
        "kind": "instance",
        "software": {"name": "FHIR R4 hospital server", "version": __version__},
        "implementation": {"description": "FHIR R4 server on MongoDB", "url": base_url},
        "fhirVersion": "4.0.1",
        "format": [name for format_ in FORMATS for name in (format_.media_type, format_.short_name)],
        "patchFormat": list(PATCH_FORMATS),
        "rest": [{name: value for name, value in rest.items() if value}],
    }


def interaction_codes(routes: Routes) -> frozenset[str]:
    """Return the codes of all interactions in the route table, as the specification names them."""
    return frozenset(_codes(routes))


def _codes(routes: Routes) -> Iterator[str]:
    for pattern, methods in routes.items():
        for route in methods.values():
            if route.code == "history":
                yield _LEVELS[len(pattern) - 1]
            elif route.code == "batch-or-transaction":
                yield from ("batch", "transaction")
            else:
                yield route.code


def _interactions(known: Iterable[str], codes: frozenset[str]) -> list[dict[str, str]]:
    return [{"code": code} for code in known if code in codes]


def _documentation(codes: frozenset[str]) -> str:
    """Return what the elements of the statement have no place for."""
    results = ", ".join(sorted(RESULT_PARAMETERS))
    conditional = ", ".join(sorted(code for code in codes if code.startswith("conditional-")))
    return (
        f"Parameters about the results of a search: {results}. "
        f"Conditional interactions: conditional-create, conditional-read, {conditional}. "
        "Searches, and operations that only read, are answered later with `Prefer: respond-async`."
    )


def _resource(resource_type: str, base_url: str, settings: Settings, codes: frozenset[str]) -> dict[str, Any]:
    operations = (
        one
        for one in _enabled(settings)
        if (one.on_type or one.on_instance or one.on_version)
        and (one.types == ANY_TYPE or resource_type in one.types)
    )
    is_log = settings.is_audited and resource_type == AUDIT_EVENT
    resource = {
        "type": resource_type,
        "profile": f"http://hl7.org/fhir/StructureDefinition/{resource_type}",
        "interaction": _interactions(_TYPE_CODES, codes - _UNALTERABLE if is_log else codes),
        "versioning": "versioned-update" if settings.require_if_match == "on" else "versioned",
        "readHistory": "vread" in codes,
        "updateCreate": not is_log,
        "conditionalCreate": True,
        "conditionalRead": "full-support",
        "conditionalUpdate": "conditional-update" in codes and not is_log,
        "conditionalDelete": "not-supported" if is_log else settings.conditional_delete,
        "referencePolicy": ["literal", "logical", *_ENFORCED[settings.referential_integrity]],
        "searchInclude": list(include_values(resource_type)),
        "searchRevInclude": list(revinclude_values(resource_type)),
        "searchParam": list(_search_parameters(resource_type, supported_codes(resource_type), base_url)),
        "operation": _operations(operations, base_url),
    }
    return {name: value for name, value in resource.items() if value not in ([], None)}


def _search_parameters(resource_type: str, codes: Iterable[str], base_url: str) -> Iterator[dict[str, str]]:
    parameters = search_parameters(resource_type)
    for code in codes:
        definition = canonical(parameters[code].url, base_url)
        yield {"name": code, "definition": definition, "type": parameters[code].type}


def _common_codes() -> list[str]:
    """Return the codes that mean the same in a search for any type."""
    first, *others = resource_types()
    urls = {code: parameter.url for code, parameter in search_parameters(first).items()}
    return [
        code
        for code in supported_codes(first)
        if all(
            code in supported_codes(other) and search_parameters(other)[code].url == urls[code]
            for other in others
        )
    ]


def _enabled(settings: Settings) -> Iterator[Operation]:
    return (operation for operation in OPERATIONS.values() if operation.is_enabled(settings))


def _operations(operations: Iterable[Operation], base_url: str) -> list[dict[str, str]]:
    return [{"name": one.code, "definition": canonical(one.definition, base_url)} for one in operations]
