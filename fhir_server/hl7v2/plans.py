"""What a message changes, worked out and not stored yet."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from adapters.applying import OrderAnswer
from fhir_server.hl7v2.joining import is_same
from fhir_server.hl7v2.looking import Stored
from fhir_server.hl7v2.merges import Merging
from fhir_server.store import Write
from fhir_server.write_path import replacement
from hl7.errors import UNKNOWN_KEY, HL7Error, Location

Resource = dict[str, Any]


class SeveralPatients(HL7Error):
    """The numbers of a message are those of several patients, so that it is not known whose it is (204)."""

    code = UNKNOWN_KEY

    def __init__(self, patients: Sequence[Stored]) -> None:
        super().__init__("these numbers are of several patients", location=Location("PID", 1, 3))
        self.patients = tuple(patients)


@dataclass(slots=True)
class Plan:
    """What a message changes: resources as they are `after`, by reference, and as they were `before`.

    `times` are those of the events that are applied. One that `is_old` says nothing but what is older than
    what is known.
    """

    before: dict[str, Stored] = field(default_factory=dict)
    after: dict[str, Resource] = field(default_factory=dict)
    warnings: list[HL7Error] = field(default_factory=list)
    times: dict[str, datetime] = field(default_factory=dict)
    merging: Merging | None = None
    is_old: bool = False
    references: dict[str, str] = field(default_factory=dict)
    answers: list[OrderAnswer] = field(default_factory=list)
    made_once: dict[str, Resource] = field(default_factory=dict)

    def put(self, resource: Resource, stored: Stored | None) -> None:
        """Have a resource stored, if it is not so already."""
        reference = f"{resource['resourceType']}/{resource['id']}"
        if stored is not None:
            self.before[reference] = stored
            if is_same(stored.resource, resource):
                self.after.pop(reference, None)
                return
        self.after[reference] = resource

    def once(self, resource: Resource) -> None:
        """Have a resource stored that is made once, and left alone after that."""
        self.made_once[f"{resource['resourceType']}/{resource['id']}"] = resource

    def current(self, reference: str) -> Resource | None:
        """Return a resource as the plan leaves it, if it is about it."""
        stored = self.before.get(reference)
        return self.after.get(reference) or (None if stored is None else stored.resource)

    def writes(self, source: str) -> list[Write]:
        """Return the writes; each says by `meta.source` which message it comes from.

        Raises InvalidContent or UnprocessableContent for a resource that is not valid.
        """
        return [self._write(reference, resource, source) for reference, resource in self.after.items()]

    def _write(self, reference: str, resource: Resource, source: str) -> Write:
        stored = self.before.get(reference)
        meta = {
            name: one
            for name, one in resource.get("meta", {}).items()
            if name not in ("versionId", "lastUpdated", "source")
        }
        resource_type, _, resource_id = reference.partition("/")
        made = replacement(
            resource_type,
            resource_id,
            {**resource, "meta": {**meta, "source": source}},
            must_be_new=stored is None,
        )
        return made if stored is None else replace(made, number=stored.number + 1)
