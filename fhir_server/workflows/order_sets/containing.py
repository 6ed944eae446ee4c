"""What a CarePlan contains, each with an id of its own, and what that refers to in the definitions.

https://hl7.org/fhir/R4/references.html#contained
"""

import re
from collections.abc import Mapping
from typing import Any

from fhir_server.workflows.order_sets.rules import CONTENT
from resources.patch.places import copied

Resource = Mapping[str, Any]

_CONTAINED = re.compile(r"CarePlan\.contained\[([0-9]+)\]")


class Contained:
    """The resources to contain, in order; `plan` is the order set, of which some may be."""

    def __init__(self, plan: Resource) -> None:
        """Begin with none."""
        self.plan = plan
        self.resources: list[dict[str, Any]] = []
        self._places: list[str] = []
        self._counts: dict[str, int] = {}
        self._taken: dict[tuple[int, str], str] = {}

    def added(self, resource: dict[str, Any], place: str) -> dict[str, str]:
        """Contain `resource`, which comes of what is at `place`, and return a reference to it."""
        reference = self._reserved(resource["resourceType"])
        self._hold(reference, resource, place)
        return {"reference": reference}

    def whence(self, expression: str) -> tuple[str, str]:
        """Return what something in the CarePlan comes of, and the path to it in its own resource."""
        found = _CONTAINED.match(expression)
        if found is None:
            return "PlanDefinition", expression
        number = int(found[1])
        return self._places[number], self.resources[number]["resourceType"] + expression[found.end() :]

    def taken(self, resource: dict[str, Any], container: Resource, place: str) -> dict[str, Any]:
        """Return a copy of `resource` that refers to what is contained here instead of in `container`.

        What it refers to comes along, once. Raises the refusal of CONTENT for what is not there.
        """
        moved: dict[str, Any] = self._moved(copied(resource), container, place)
        return moved

    def _moved(self, value: Any, container: Resource, place: str) -> Any:
        if isinstance(value, list):
            return [self._moved(one, container, place) for one in value]
        if not isinstance(value, dict):
            return value
        found = {name: self._moved(one, container, place) for name, one in value.items()}
        reference = found.get("reference")
        if isinstance(reference, str) and reference.startswith("#"):
            found["reference"] = self._brought(reference, container, place)
        return found

    def _brought(self, reference: str, container: Resource, place: str) -> str:
        key = (id(container), reference)
        if key not in self._taken:
            held = (one for one in container.get("contained", ()) if f"#{one.get('id')}" == reference)
            resource = next(held, None)
            if resource is None:
                raise CONTENT.error("It refers to what is not contained in its definition", place)
            self._taken[key] = self._reserved(resource["resourceType"])
            self._hold(self._taken[key], self._moved(copied(resource), container, place), place)
        return self._taken[key]

    def _reserved(self, resource_type: str) -> str:
        self._counts[resource_type] = self._counts.get(resource_type, 0) + 1
        return f"#{resource_type.lower()}-{self._counts[resource_type]}"

    def _hold(self, reference: str, resource: dict[str, Any], place: str) -> None:
        first = {"resourceType": resource["resourceType"], "id": reference[1:]}
        self.resources.append(first | {name: resource[name] for name in resource if name not in first})
        self._places.append(place)
