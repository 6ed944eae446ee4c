"""The resources that come beside the matches: those that they refer to, and those that refer to them.

Each round follows the references of what the last one found, with one question to each resource type. What
an access rule has to say about included resources it says in `_fetched`, through which all of them come.
https://hl7.org/fhir/R4/search.html#revinclude
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fhir_server.context import Context
from fhir_server.search.asked import Condition, either, one_of
from fhir_server.search.fields import fields
from fhir_server.search.include import Include
from fhir_server.search.referenced import Canonical, Local, references, sources
from resources.definitions import resource_types
from resources.operation_outcome import Issue
from resources.search_parameters import SearchParameter

Resource = dict[str, Any]

MOST_ROUNDS = 10
"""How often `:iterate` follows the references of what was included."""

_WANTED = {"resource": 1, "version": 1, "seq": 1, "updated": 1}
_Key = tuple[str, str, int]
"""Type, id and version of a resource."""


@dataclass(frozen=True, slots=True)
class Found:
    """The resources that are included, and what has to be said if there would be more."""

    resources: tuple[Resource, ...] = ()
    issues: tuple[Issue, ...] = ()


@dataclass(slots=True)
class _Wanted:
    """What a round looks for in one resource type: ids, versions of ids, canonical URLs, and what refers.

    `referring` are the parameters that refer to one of the resources beside them.
    """

    ids: dict[str, None] = field(default_factory=dict)
    versions: dict[tuple[str, int], None] = field(default_factory=dict)
    canonicals: dict[Canonical, None] = field(default_factory=dict)
    referring: list[tuple[SearchParameter, list[Resource]]] = field(default_factory=list)

    def add(self, reference: Local) -> None:
        """Look for a resource, in the version that is referred to."""
        if reference.version is None:
            self.ids[reference.id] = None
        elif reference.version.isascii() and reference.version.isdigit() and len(reference.version) < 10:
            self.versions[reference.id, int(reference.version)] = None


async def included(matches: Sequence[Resource], includes: Sequence[Include], context: Context) -> Found:
    """Return what is to be included with `matches`, each once and none that is a match itself.

    What was found by `:iterate` leads on, until nothing new comes. There are bounds on the number of
    resources and of rounds; an issue says so where one was reached.
    """
    if not includes or not matches:
        return Found()
    most = context.settings.max_included
    is_wild = any(include.source is None or include.code is None for include in includes)
    types = frozenset(await context.store.stored_types() if is_wild else resource_types())
    seen = {_key(resource) for resource in matches}
    found: list[Resource] = []
    frontier, following = list(matches), list(includes)
    for _ in range(MOST_ROUNDS):
        wanted = _wanted(frontier, following, types, context.base_url)
        limit = most - len(found) + len(seen) + 1
        fetched = [await _fetched(name, wanted[name], limit, context) for name in sorted(wanted)]
        frontier = [one for resources in fetched for one in resources if _key(one) not in seen]
        room = most - len(found)
        found += frontier[:room]
        seen |= {_key(resource) for resource in frontier}
        if len(frontier) > room:
            return Found(tuple(found), (_too_many(most),))
        following = [include for include in includes if include.iterates]
        if not frontier or not following:
            return Found(tuple(found))
    return Found(tuple(found), (_TOO_DEEP,))


_TOO_DEEP = Issue(
    "warning", "incomplete", f"References were followed {MOST_ROUNDS} times; more could be included"
)


def _too_many(most: int) -> Issue:
    message = f"More than {most} resources would be included with this page; ask for fewer matches by _count"
    return Issue("warning", "incomplete", message)


def _key(resource: Resource) -> _Key:
    # What is contained in a resource has no version, and is no resource by itself.
    return resource["resourceType"], resource["id"], int(resource.get("meta", {}).get("versionId", 0))


def _wanted(
    frontier: Iterable[Resource], includes: Iterable[Include], types: frozenset[str], base_url: str
) -> dict[str, _Wanted]:
    """Return what is looked for, by resource type; one of `types`, of which something may be stored."""
    wanted: dict[str, _Wanted] = {}
    referred: dict[str, list[Resource]] = {}
    for resource in frontier:
        if _key(resource)[2]:
            referred.setdefault(resource["resourceType"], []).append(resource)
        for source in sources(resource):
            for include in includes:
                if not include.is_reverse:
                    _follow(source, include, types, wanted, base_url)
    for include in includes:
        if include.is_reverse:
            _follow_back(referred, include, types, wanted)
    return wanted


def _follow(
    source: Resource, include: Include, types: frozenset[str], wanted: dict[str, _Wanted], base_url: str
) -> None:
    for parameter in include.parameters(source["resourceType"]):
        for reference in references(source, parameter, base_url):
            if isinstance(reference, Local):
                if include.takes(reference.resource_type) and reference.resource_type in types:
                    wanted.setdefault(reference.resource_type, _Wanted()).add(reference)
                continue
            for target in parameter.targets or types:
                if target in types and include.takes(target) and "url" in fields(target):
                    wanted.setdefault(target, _Wanted()).canonicals[reference] = None


def _follow_back(
    referred: Mapping[str, list[Resource]],
    include: Include,
    types: frozenset[str],
    wanted: dict[str, _Wanted],
) -> None:
    for source in types if include.source is None else {include.source} & types:
        for parameter in include.parameters(source):
            targets = [
                resource
                for target, resources in referred.items()
                if include.takes(target) and target in (parameter.targets or (target,))
                for resource in resources
            ]
            if targets:
                wanted.setdefault(source, _Wanted()).referring.append((parameter, targets))


async def _fetched(resource_type: str, wanted: _Wanted, limit: int, context: Context) -> list[Resource]:
    """Return the resources of one type that are wanted, about `limit` of them at most.

    All that is included comes this way, through conditions on the current versions.
    """
    named = [condition for condition in _naming(resource_type, wanted) if condition]
    found: list[Resource] = []
    if named:
        documents = await _find(resource_type, either(named), limit, context)
        found += _named(documents, wanted)
        found += await _past(resource_type, documents, wanted, context)
    if wanted.referring:
        conditions = [
            _to_any_of(parameter, targets, context.base_url) for parameter, targets in wanted.referring
        ]
        documents = await _find(resource_type, either(conditions), limit, context)
        found += (
            document["resource"]
            for document in documents
            if any(
                _refers(document["resource"], parameter, targets, context.base_url)
                for parameter, targets in wanted.referring
            )
        )
    return list({_key(resource): resource for resource in found}.values())


async def _find(
    resource_type: str, condition: Condition, limit: int, context: Context
) -> list[dict[str, Any]]:
    return await context.store.find(resource_type, condition, (("seq", 1),), _WANTED, limit)


def _naming(resource_type: str, wanted: _Wanted) -> Iterable[Condition]:
    ids = {**wanted.ids, **dict.fromkeys(resource_id for resource_id, _ in wanted.versions)}
    if ids:
        yield one_of("_id", ids)
    if wanted.canonicals:
        urls = [canonical.url for canonical in wanted.canonicals]
        yield either(one_of(found.path, urls) for found in fields(resource_type)["url"])


def _named(documents: Sequence[dict[str, Any]], wanted: _Wanted) -> Iterable[Resource]:
    """Yield what is wanted as it is now, by id, as that version, or by URL."""
    for document in documents:
        if document["_id"] in wanted.ids or (document["_id"], document["version"]) in wanted.versions:
            yield document["resource"]
    for canonical in wanted.canonicals:
        fitting = [
            document
            for document in documents
            if document["resource"].get("url") == canonical.url
            and canonical.version in (None, document["resource"].get("version"))
        ]
        if fitting:
            # Without a version "the latest" is meant; which that is only the time of storing says for sure.
            yield max(fitting, key=lambda found: (found["updated"], found["seq"]))["resource"]


async def _past(
    resource_type: str, documents: Sequence[dict[str, Any]], wanted: _Wanted, context: Context
) -> list[Resource]:
    """Return the past versions that are wanted, of resources that are still there."""
    current = {document["_id"]: document["version"] for document in documents}
    keys = [
        (resource_type, resource_id, number)
        for resource_id, number in wanted.versions
        if current.get(resource_id, number) != number
    ]
    versions = await context.store.past_versions(keys) if keys else []
    return [version.resource for version in versions if version.resource is not None]


def _to_any_of(parameter: SearchParameter, targets: Sequence[Resource], base_url: str) -> Condition:
    """Return the condition on documents that they refer to one of `targets`, in any version."""
    values: list[str] = []
    for target in targets:
        relative = f"{target['resourceType']}/{target['id']}"
        values += [relative, f"{base_url}/{relative}"]
        if _has_canonicals(parameter) and isinstance(target.get("url"), str):
            values.append(target["url"])
    return either(one_of(found.path, values) for found in fields(parameter.resource_type)[parameter.code])


def _has_canonicals(parameter: SearchParameter) -> bool:
    return any(path.type not in ("Reference", "Resource") for path in parameter.paths)


def _refers(
    resource: Resource, parameter: SearchParameter, targets: Sequence[Resource], base_url: str
) -> bool:
    """Tell whether a resource that an index found refers to `targets`, and not to another version of them."""
    if not _has_canonicals(parameter):
        return True
    found = set(references(resource, parameter, base_url))
    return any(
        reference == Canonical(target.get("url", ""), None)
        or reference == Canonical(target.get("url", ""), target.get("version"))
        or (isinstance(reference, Local) and reference.id == target["id"])
        for reference in found
        for target in targets
    )
