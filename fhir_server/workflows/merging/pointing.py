"""What refers to a patient, whatever the type and the element, and how it comes to refer to another one.

https://hl7.org/fhir/R4/references.html#literal
"""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from fhir_server.context import Context
from fhir_server.search.asked import Condition, Field, both, either, one_of
from fhir_server.search.fields import fields
from fhir_server.search.include import reference_parameters
from fhir_server.workflows.records import local
from resources.references import links

Resource = dict[str, Any]

MERGED_FROM = "urn:fhir-hospital-server:merged-from"
"""The system of the tag of what was written about a record that went into another one; the code is its id."""

# The log and what it rests on stay as they were; a patient's links say who went into whom.
_LEFT = frozenset({"AuditEvent", "Provenance", "Patient"})


def moves(resource_type: str) -> bool:
    """Tell whether resources of a type come to be about the other patient."""
    return resource_type not in _LEFT and bool(_fields(resource_type))


def _fields(resource_type: str) -> list[Field]:
    return [
        field
        for code, parameter in reference_parameters(resource_type).items()
        if not parameter.targets or "Patient" in parameter.targets
        for field in fields(resource_type)[code]
    ]


def pointing_to(resource_type: str, patient: str, base_url: str) -> Condition:
    """Return the condition on documents of a type that they refer to a patient."""
    forms = [f"Patient/{patient}", f"{base_url}/Patient/{patient}"]
    paths = dict.fromkeys(field.path for field in _fields(resource_type))
    return either(one_of(path, forms) for path in paths)


def tagged(patient: str) -> Condition:
    """Return the condition on documents that they were written about a record that went into another."""
    tag = {"system": MERGED_FROM, "code": patient}
    return {"resource.meta.tag": {"$elemMatch": tag}}


async def found_pointing(
    patient: str,
    context: Context,
    limit: int,
    also: Condition | None = None,
    skipped: frozenset[str] = frozenset(),
) -> list[Mapping[str, Any]]:
    """Return documents (`resource`, `version`) of up to `limit` resources that refer to a patient."""
    found: list[Mapping[str, Any]] = []
    for resource_type in await context.store.stored_types():
        if not moves(resource_type):
            continue
        condition = pointing_to(resource_type, patient, context.base_url)
        if also is not None:
            condition = both([also, condition])
        ids = [one.partition("/")[2] for one in skipped if one.startswith(f"{resource_type}/")]
        if ids:
            condition = both([{"_id": {"$nin": ids}}, condition])
        documents = await context.store.find(
            resource_type, condition, (), {"resource": 1, "version": 1}, limit - len(found)
        )
        found += documents
        if len(found) >= limit:
            break
    return found


async def count_pointing(patient: str, context: Context) -> dict[str, int]:
    """Return how many resources of each type refer to a patient."""
    counted = {}
    for resource_type in await context.store.stored_types():
        if moves(resource_type):
            condition = pointing_to(resource_type, patient, context.base_url)
            if number := await context.store.count(resource_type, condition):
                counted[resource_type] = number
    return counted


def repointed(resource: Resource, source: str, target: str, base_url: str) -> Resource | None:
    """Return a resource that refers to `target` where it did to `source`; None if it does nowhere.

    A reference to a version stays: it says what was so then.
    """
    changed = copy.deepcopy(resource)
    found = [link for link in links(changed, lambda _text: False) if link.is_reference]
    mine = [
        link
        for link in found
        if local(link.text, base_url) == ("Patient", source) and "/_history/" not in link.text
    ]
    for link in mine:
        link.replace(f"Patient/{target}")
    return changed if mine else None


def with_tag(resource: Resource, patient: str) -> Resource:
    """Return a resource that says from which record it came, if it does not say so of another one before."""
    meta = resource.get("meta") or {}
    tags = list(meta.get("tag") or ())
    if any(one.get("system") == MERGED_FROM and one.get("code") == patient for one in tags):
        return resource
    return {**resource, "meta": {**meta, "tag": [*tags, {"system": MERGED_FROM, "code": patient}]}}


def without_tag(resource: Resource, patient: str) -> Resource:
    """Return a resource without what `with_tag` added."""
    meta = dict(resource.get("meta") or {})
    tags = [
        one
        for one in meta.pop("tag", None) or ()
        if not (one.get("system") == MERGED_FROM and one.get("code") == patient)
    ]
    return {**resource, "meta": {**meta, **({"tag": tags} if tags else {})}}


def patients_of(resource: Mapping[str, Any] | None, base_url: str) -> Iterator[str]:
    """Yield the ids of the patients to whom a resource refers."""
    if resource is None:
        return
    for link in links(dict(resource), lambda _text: False):
        key = local(link.text, base_url) if link.is_reference else None
        if key is not None and key[0] == "Patient" and "/_history/" not in link.text:
            yield key[1]
