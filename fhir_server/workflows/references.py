"""References as rules compare them: to this server without its address, and whichever version they name.

Who writes `http://server/fhir/Location/1` or `Location/1/_history/2` means what `Location/1` means. A
reference to another server stays what it is: its `Location/1` is another one.
https://hl7.org/fhir/R4/references.html#literal
"""

from collections.abc import Mapping
from typing import Any, TypeVar, cast

Resource = TypeVar("Resource", bound=Mapping[str, Any])


def relative(resource: Resource, base_url: str) -> Resource:
    """Return a resource with the references to this server relative to `base_url`; their versions stay.

    It is the very resource if there is nothing to change.
    """
    return cast(Resource, _relative(resource, f"{base_url}/"))


def _relative(value: Any, prefix: str) -> Any:
    listed = value.items() if isinstance(value, dict) else enumerate(value)
    others = {}
    for key, inner in listed:
        if isinstance(inner, dict | list):
            found = _relative(inner, prefix)
            if found is not inner:
                others[key] = found
        elif key == "reference" and isinstance(inner, str) and inner.startswith(prefix):
            others[key] = inner.removeprefix(prefix)
    if not others:
        return value
    if isinstance(value, dict):
        return {**value, **others}
    return [others.get(place, inner) for place, inner in enumerate(value)]


def reference_of(element: Any) -> str | None:
    """Return the text of a Reference without the version that it names; None if it has none."""
    text = element.get("reference") if isinstance(element, Mapping) else None
    return text.partition("/_history/")[0] if isinstance(text, str) else None
