"""Referential integrity: what a resource refers to on this server, and how others may refer to it.

Only literal references count, relative ones and absolute ones to this server; not canonicals, logical
references and references to elsewhere. https://hl7.org/fhir/R4/references.html#literal
"""

from typing import Any

from fhir_server.store import Target
from resources.references import literal_references, parse_reference

_NO_VERSION = 0


def targets(resource: dict[str, Any], at: str, base_url: str) -> tuple[Target, ...]:
    """Return what `resource` refers to; `at` is its FHIRPath in what was sent."""
    found: list[Target] = []
    for expression, text in literal_references(resource, at):
        literal = parse_reference(text.partition("#")[0])
        if literal is not None and literal.base in ("", f"{base_url}/"):
            version = None if literal.version is None else _number(literal.version)
            found.append(Target(literal.resource_type, literal.id, version, expression))
    return tuple(found)


def _number(version_id: str) -> int:
    """Return the number of a version; one that there never is for ids that were never given out."""
    return int(version_id) if version_id.isdecimal() and len(version_id) < 10 else _NO_VERSION


def addresses(resource_type: str, resource_id: str, base_url: str) -> tuple[str, ...]:
    """Return the literal references to the current version of a resource."""
    relative = f"{resource_type}/{resource_id}"
    return (relative, f"{base_url}/{relative}")
