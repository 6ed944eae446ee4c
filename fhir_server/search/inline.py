"""Chains into a Bundle: `Bundle?composition.patient=x` asks the resource that stands first in a document.

The parameters `composition` and `message` lead to no other resource but to the first entry's own. A Bundle
keeps that resource's index values beside its own, so that a chain is a condition on these.
https://hl7.org/fhir/R4/bundle.html#search
"""

from typing import Any

from fhir_server.search.asked import Condition, Field, both, starting_with

KEY = ":inline"
_PATH = f"search.{KEY}"
_RESOURCE = "resource.entry.0.resource"


def first_resource(resource: dict[str, Any]) -> dict[str, Any] | None:
    """Return the resource in the first entry of a Bundle, None if there is none."""
    entries = resource.get("entry", ())
    found: dict[str, Any] | None = entries[0].get("resource") if entries else None
    return found


def condition(field: Field, target: str, asked: Condition) -> Condition:
    """Return the condition that the first resource is of the type `target` and meets `asked`."""
    # Its reference has an index, and begins with its type.
    return both([{field.path: starting_with(f"{target}/")}, {f"{_PATH}.type": target}, _moved(asked)])


def _moved(asked: Condition) -> Condition:
    """Return a condition on documents as one on the index values and the resource within them."""
    moved: Condition = {}
    for path, test in asked.items():
        if path in ("$and", "$or", "$nor"):
            moved[path] = [_moved(part) for part in test]
        elif path == "_id":
            moved[f"{_RESOURCE}.id"] = test
        elif path.startswith("search."):
            moved[f"{_PATH}.{path}"] = test
        elif path.startswith("resource."):
            moved[f"{_RESOURCE}.{path.removeprefix('resource.')}"] = test
        else:  # a moment at which the resource itself was stored, which it never was
            moved[f"{_PATH}.{path}"] = test
    return moved
