"""What a message is made from: what changed, what belongs to it, and for which destination it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from adapters.destinations import Destination
from hl7.building import FieldValue

Resource = Mapping[str, Any]
SegmentFields = Sequence[FieldValue]
"""A segment as `hl7.building` takes it: its name and its fields from the first on."""


@dataclass(frozen=True, slots=True)
class Told:
    """One event that is told: the message (`ADT^A01`), and the resource before and after it.

    `before` is None for what is new, `after` for what was deleted.
    """

    message: str
    before: Resource | None
    after: Resource | None

    @property
    def resource(self) -> Resource:
        """The resource as it is, or was if it is no more."""
        found = self.after or self.before
        assert found is not None  # noqa: S101 - nothing is told of nothing
        return found


@dataclass(frozen=True, slots=True)
class Telling:
    """The circumstances in which a message is made.

    `found` are the resources that are referred to, by the texts of their references. `related` are lists of
    what refers to the resource, or to its patient, by name: `encounters` that are under way, `allergies`,
    `coverages`, `accounts`. `now` is aware; `control_id` is MSH-10.
    """

    told: Told
    destination: Destination
    found: Mapping[str, Resource]
    now: datetime
    control_id: str
    related: Mapping[str, Sequence[Resource]] = field(default_factory=dict)

    def get(self, reference: Any, within: Resource | None = None) -> Resource | None:
        """Return what a Reference points to.

        One of those found, or one contained in the resource `within`.
        """
        text = reference.get("reference") if isinstance(reference, Mapping) else reference
        if not isinstance(text, str) or not text:
            return None
        if text.startswith("#"):
            contained = (within or self.told.resource).get("contained", ())
            return next((one for one in contained if one.get("id") == text[1:]), None)
        return self.found.get(text)

    @property
    def patient(self) -> Resource | None:
        """Whom the resource is about."""
        return self.patient_of(self.told.resource)

    def patient_of(self, resource: Resource) -> Resource | None:
        """Return whom a resource is about."""
        if resource["resourceType"] == "Patient":
            return resource
        if resource["resourceType"] == "Appointment":
            actors = [self.get(one.get("actor")) for one in resource.get("participant", ())]
            return next((one for one in actors if one and one["resourceType"] == "Patient"), None)
        found = self.get(resource.get("subject") or resource.get("patient"), resource)
        return found if found is not None and found["resourceType"] == "Patient" else None

    @property
    def encounter(self) -> Resource | None:
        """The encounter that the resource belongs to, or else the one of its patient that is under way."""
        resource = self.told.resource
        if resource["resourceType"] == "Encounter":
            return resource
        context = resource.get("encounter") or resource.get("context")
        if isinstance(context, Mapping) and "encounter" in context:  # of a DocumentReference
            context = next(iter(context["encounter"]), None)
        found = self.get(context)
        if found is not None and found["resourceType"] == "Encounter":
            return found
        return next(iter(self.related.get("encounters", ())), None)
