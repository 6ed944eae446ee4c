"""What the records of a compartment refer to beyond it: practitioners, organizations, medications, documents.

"any resource referenced from those, including binaries and attachments"
https://hl7.org/fhir/R4/patient-operation-everything.html
"""

from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from heapq import nsmallest
from itertools import groupby
from typing import Any

from fhir_server.context import Context
from fhir_server.search.asked import Condition, both
from fhir_server.search.compartments import each_with, owners
from resources.references import links, parse_reference

Document = dict[str, Any]

SUPPORTING_TYPES = frozenset(
    {
        *("Binary", "Device", "DeviceMetric", "Endpoint", "HealthcareService", "Location", "Medication"),
        *("Organization", "OrganizationAffiliation", "Practitioner", "PractitionerRole", "Substance"),
    }
)
"""What supports the records of all patients together; of one patient it is what the records refer to."""

# References that are held at once; a record refers to hundreds, mostly the same again and again.
_MOST_HELD = 10_000
_READ_AT_ONCE = 500
_FETCHED_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Referenced:
    """References in their order, as `Type/id`, and whether there are more after them."""

    names: tuple[str, ...]
    has_more: bool


def references(resource: dict[str, Any], base_url: str) -> Iterator[str]:
    """Yield what `resource` refers to on this server, as `Type/id`: references, and addresses of Binaries."""
    own = f"{base_url}/"

    def is_binary(text: str) -> bool:
        return text.removeprefix(own).startswith("Binary/")

    for link in links(resource, is_binary):
        literal = parse_reference(link.text.removeprefix(own))
        if literal is not None and not literal.base:
            yield f"{literal.resource_type}/{literal.id}"


async def referenced(
    scope: Iterable[tuple[str, Condition]], after: str, types: frozenset[str] | None, context: Context
) -> Referenced:
    """Return what the resources of `scope` (types, with the condition on each) refer to, from `after` on.

    All of them are read, as each may refer to anything; no more than a bounded number of names is held.
    """
    held: set[str] = set()
    bound: str | None = None
    async for document in _all(scope, context):
        for name in references(document["resource"], context.base_url):
            if name <= after or (bound is not None and name > bound):
                continue
            if types is None or name.partition("/")[0] in types:
                held.add(name)
        if len(held) > 2 * _MOST_HELD:
            held = set(nsmallest(_MOST_HELD, held))
            bound = max(held)
    names = sorted(held)
    return Referenced(tuple(names[:_MOST_HELD]), bound is not None or len(names) > _MOST_HELD)


async def _all(scope: Iterable[tuple[str, Condition]], context: Context) -> AsyncIterator[Document]:
    for resource_type, condition in scope:
        position: Condition = {}
        while True:
            documents = await context.store.find(
                resource_type,
                each_with(condition, position),
                (("seq", 1),),
                {"resource": 1, "seq": 1},
                _READ_AT_ONCE,
            )
            for document in documents:
                yield document
            if len(documents) < _READ_AT_ONCE:
                break
            position = {"seq": {"$gt": documents[-1]["seq"]}}


@dataclass(frozen=True, slots=True)
class Whose:
    """The compartment that is asked for, `compartment/id`, and the patients whose records may be seen."""

    compartment: str
    id: str
    patients: frozenset[str]

    def supports(self, resource_type: str, document: Document, base_url: str) -> bool:
        """Tell whether a resource supports the compartment: it is neither in it nor another patient's record.

        That a record refers to one of somebody else, as a newborn's to its mother's, opens neither.
        """
        if document["_id"] == self.id and resource_type == self.compartment:
            return False
        if self.id in owners(self.compartment, resource_type, document["search"], base_url):
            return False
        if resource_type == "Patient":
            return document["_id"] in self.patients
        belongs_to = owners("Patient", resource_type, document["search"], base_url)
        return not belongs_to or not belongs_to.isdisjoint(self.patients)


async def fetched(
    names: Iterable[str], whose: Whose, since: Condition, context: Context
) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """Yield name and resource of those of `names` that meet `since` and support the compartment, in order."""
    for resource_type, same_type in groupby(names, lambda name: name.partition("/")[0]):
        ids = [name.partition("/")[2] for name in same_type]
        for index in range(0, len(ids), _FETCHED_AT_ONCE):
            chosen = ids[index : index + _FETCHED_AT_ONCE]
            condition = both([{"_id": {"$in": chosen}}, since])
            wanted = {"resource": 1, "search": 1}
            documents = await context.store.find(resource_type, condition, (), wanted, len(chosen))
            found = {document["_id"]: document for document in documents}
            for document in (found[resource_id] for resource_id in chosen if resource_id in found):
                if whose.supports(resource_type, document, context.base_url):
                    yield f"{resource_type}/{document['_id']}", document["resource"]
