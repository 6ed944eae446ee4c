"""Which of a message's resources are there already: one question for all of them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from adapters.to_fhir.drafts import OWN, Draft, Identity
from fhir_server.context import Context
from fhir_server.search.asked import Condition, either
from fhir_server.search.escaping import escape
from fhir_server.search.parameters import parse_search
from fhir_server.store.several import Part
from fhir_server.workflows.records import local
from fhir_server.workflows.registration.identity import is_merged, links

Resource = dict[str, Any]
_MOST = 2_000
_MOST_LINKS = 20


@dataclass(frozen=True, slots=True)
class Stored:
    """A resource as it is stored: with the number of its version."""

    resource: Resource
    number: int

    @property
    def reference(self) -> str:
        """Its address, relative to the base."""
        return f"{self.resource['resourceType']}/{self.resource['id']}"


@dataclass(slots=True)
class Found:
    """What is there of a message's drafts, by draft key; `several` are patients of whom one number is.

    `taken` are ids that drafts would get, of resources that are something else by now.
    """

    stored: dict[str, Stored] = field(default_factory=dict)
    several: dict[str, list[Stored]] = field(default_factory=dict)
    taken: set[tuple[str, str]] = field(default_factory=set)

    def resource(self, key: str) -> Resource | None:
        """Return what is there of a draft."""
        found = self.stored.get(key)
        return None if found is None else found.resource


async def look(drafts: Sequence[Draft], context: Context) -> Found:
    """Look for the resources of `drafts`; a patient whose record went into another one is that one."""
    by_type: defaultdict[str, list[Draft]] = defaultdict(list)
    for draft in drafts:
        by_type[draft.type].append(draft)
    found = Found()
    parts = [
        Part(resource_type, _condition(resource_type, listed, context), {"resource": 1, "version": 1}, _MOST)
        for resource_type, listed in by_type.items()
    ]
    for listed, documents in zip(by_type.values(), await context.store.find_parts(parts), strict=True):
        there = [Stored(one["resource"], one["version"]) for one in documents]
        _match(listed, there, found)
    for draft in by_type.get("Patient", ()):
        if draft.key in found.stored:
            found.stored[draft.key] = await _survivor(found.stored[draft.key], context)
    return found


def _condition(resource_type: str, drafts: Sequence[Draft], context: Context) -> Condition:
    """Return the condition on documents that they are one of `drafts`."""
    identities = {one for draft in drafts for one in draft.identities}
    ids = {draft.id for draft in drafts} | {one.value for one in identities if one.system == OWN}
    conditions: list[Condition] = [{"_id": {"$in": sorted(ids)}}]
    tokens = sorted(f"{escape(one.system)}|{escape(one.value)}" for one in identities if one.system != OWN)
    if tokens:
        pairs = [("identifier", ",".join(tokens))]
        query = parse_search(
            resource_type, pairs, lenient=False, base_url=context.base_url, now=context.now()
        )
        conditions.append(query.filter)
    return either(conditions)


def _match(drafts: Sequence[Draft], there: Sequence[Stored], found: Found) -> None:
    by_identity: defaultdict[Identity, list[Stored]] = defaultdict(list)
    by_id = {one.resource["id"]: one for one in there}
    for one in there:
        for identifier in _identifiers(one.resource):
            if identifier.get("system") and identifier.get("value"):
                by_identity[Identity(identifier["system"], identifier["value"])].append(one)
    for draft in drafts:
        hits: dict[str, Stored] = {}
        for identity in draft.identities:
            own = by_id.get(identity.value) if identity.system == OWN else None
            for hit in [own] if own is not None else by_identity.get(identity, ()):
                hits.setdefault(hit.resource["id"], hit)
        if not hits and draft.parts and draft.id in by_id:
            hits[draft.id] = by_id[draft.id]
        elif not hits and draft.id in by_id:
            found.taken.add((draft.type, draft.id))
        if len(hits) > 1 and draft.type == "Patient":
            found.several[draft.key] = list(hits.values())
        if hits:
            found.stored[draft.key] = next(iter(hits.values()))


def _identifiers(resource: Mapping[str, Any]) -> list[dict[str, Any]]:
    listed = resource.get("identifier") or []
    single = [listed] if isinstance(listed, dict) else list(listed)
    others = (resource.get("accessionIdentifier"), resource.get("masterIdentifier"))
    return [*single, *(one for one in others if one)]


async def _survivor(stored: Stored, context: Context) -> Stored:
    """Return the record that a patient's record went into in the end."""
    for _ in range(_MOST_LINKS):
        if not is_merged(stored.resource):
            return stored
        key = local(next(links(stored.resource, "replaced-by"), None), context.base_url)
        version = None if key is None else await context.store.read(*key)
        if version is None or version.resource is None:
            return stored
        stored = Stored(version.resource, version.number)
    return stored
