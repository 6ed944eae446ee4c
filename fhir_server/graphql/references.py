"""What a Reference points to: a contained resource, one of this server, or nothing that can be had here.

https://hl7.org/fhir/R4/graphql.html#references, https://hl7.org/fhir/R4/references.html#literal
"""

from collections.abc import Mapping
from typing import Any

from resources.operation_outcome import UnprocessableContent, error
from resources.references import LiteralReference, parse_reference


def contained_target(text: Any, container: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what a reference such as `#med` means within `container`, `#` being the container itself."""
    if not isinstance(text, str) or not text.startswith("#"):
        return None
    if text == "#":
        return container
    contained = container.get("contained", ())
    return next((one for one in contained if one.get("id") == text[1:]), None)


def local_reference(text: Any, base_url: str) -> LiteralReference | None:
    """Return the reference without its base if it is to a resource of the server at `base_url`, else None."""
    found = parse_reference(text) if isinstance(text, str) else None
    if found is None or found.base not in ("", f"{base_url}/"):
        return None
    return LiteralReference("", found.resource_type, found.id, found.version)


def unresolvable() -> UnprocessableContent:
    """Return the error for what "the server cannot resolve ... and optional is not true"."""
    message = "A reference cannot be resolved; with resource(optional: true) it would be left out"
    return UnprocessableContent(error("not-found", message))
