"""The hospital as applications show it to patients: a bundle that an administrator wrote, published as it is.

https://hl7.org/fhir/smart-app-launch/STU2.2/brands.html
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LARGEST_BYTES = 16 * 1024 * 1024
_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_ABSENT_REASONS = ("asked-declined", "asked-unknown")


@dataclass(frozen=True, slots=True)
class Brands:
    """A User-access Brand Bundle as bytes, its weak ETag, and the identifier of the hospital in it."""

    body: bytes
    etag: str
    identifier: Mapping[str, Any]


def load_brands(path: Path | None) -> Brands | None:
    """Return the bundle of a file, None without one; raise ValueError if it is none that may be published."""
    if path is None:
        return None
    try:
        body = path.read_bytes()
        bundle = json.loads(body)
    except (OSError, ValueError):
        raise ValueError("the brands are a JSON file that can be read") from None
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle" or len(body) > _LARGEST_BYTES:
        raise ValueError("the brands are a Bundle")
    if bundle.get("type") != "collection" or not isinstance(bundle.get("timestamp"), str):
        raise ValueError("the brands are a Bundle of type collection with a timestamp")
    if not all(isinstance(entry, dict) for entry in bundle.get("entry") or ()):
        raise ValueError("the entries of the brands are objects")
    _check_absent_reasons(bundle)
    _check_endpoints(bundle)
    return Brands(body, f'W/"{hashlib.sha256(body).hexdigest()[:32]}"', _primary(bundle))


def _check_absent_reasons(content: Any) -> None:
    """Raise ValueError if something is said to be absent for a reason that brands may not give.

    https://hl7.org/fhir/smart-app-launch/STU2.2/brands.html#must-support-definition-ms-and-data-absent-reasons
    """
    if isinstance(content, list):
        for one in content:
            _check_absent_reasons(one)
    elif isinstance(content, dict):
        if content.get("url") == _ABSENT and content.get("valueCode") not in _ABSENT_REASONS:
            raise ValueError(f"the brands say why something is absent by {' or '.join(_ABSENT_REASONS)} only")
        for one in content.values():
            _check_absent_reasons(one)


def _check_endpoints(bundle: Mapping[str, Any]) -> None:
    """Raise ValueError if there is an Endpoint that is no brand's."""
    branded = {
        endpoint.get("reference")
        for organization in _resources(bundle, "Organization")
        for endpoint in organization.get("endpoint") or ()
    }
    for entry in bundle.get("entry") or ():
        resource = entry.get("resource") or {}
        names = {entry.get("fullUrl"), f"Endpoint/{resource.get('id')}"}
        if resource.get("resourceType") == "Endpoint" and not names & branded:
            raise ValueError("each Endpoint of the brands is named by an Organization, its brand")


def _resources(bundle: Mapping[str, Any], resource_type: str) -> list[Mapping[str, Any]]:
    found = [entry.get("resource") or {} for entry in bundle.get("entry") or ()]
    return [resource for resource in found if resource.get("resourceType") == resource_type]


def _primary(bundle: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the identifier of the first organization that is part of no other, which no other may have."""
    organizations = _resources(bundle, "Organization")
    identifiers = [found for one in organizations for found in one.get("identifier") or ()]
    for organization in organizations:
        own = organization.get("identifier") or []
        if "partOf" not in organization and own and own[0].get("value"):
            key = own[0].get("system"), own[0]["value"]
            if [(one.get("system"), one.get("value")) for one in identifiers].count(key) == 1:
                return {name: value for name, value in own[0].items() if name in ("system", "value")}
    raise ValueError(
        "the brands have an Organization that is part of no other, with an identifier of its own"
    )
