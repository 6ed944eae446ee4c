"""What a Composition refers to, each resource once, in the order in which it is first named.

"any other resources referenced from Composition must be included" (https://hl7.org/fhir/R4/composition.html);
what these refer to in turn "may also be included", and is not.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from fhir_server.context import Context
from resources.operation_outcome import MOST_ISSUES, Issue, UnprocessableContent, error
from resources.references import LiteralReference, links, parse_reference

# A document is one answer, and perhaps one resource; MongoDB takes 16 MB of that.
_MOST_RESOURCES = 5_000


@dataclass(frozen=True, slots=True)
class _Named:
    """A reference as written, and taken apart if it leads to this server."""

    text: str
    literal: LiteralReference | None


async def content(composition: dict[str, Any], context: Context) -> list[dict[str, Any]]:
    """Return the resources that `composition` refers to, without itself and those contained in it.

    A reference to a version gives this version. Raises UnprocessableContent with all references that lead
    nowhere or to another server, or if there are too many.
    """
    named = list(islice(_references(composition, context.base_url), _MOST_RESOURCES + 1))
    if len(named) > _MOST_RESOURCES:
        message = f"A document has {_MOST_RESOURCES} resources at most, and the Composition refers to more"
        raise UnprocessableContent(error("too-costly", message))
    found = await _current(named, context)
    resources: dict[tuple[str, str, str], dict[str, Any]] = {}
    issues: list[Issue] = []
    for one in named:
        resource = await _resource(one.literal, found, context) if one.literal else None
        if resource is None:
            issues.append(_issue(one))
        else:
            # A version and the current one may be the same.
            resources.setdefault(_identity(resource), resource)
    if issues:
        raise UnprocessableContent(*issues[:MOST_ISSUES])
    return list(resources.values())


def _identity(resource: dict[str, Any]) -> tuple[str, str, str]:
    return resource["resourceType"], resource["id"], resource["meta"]["versionId"]


def _references(composition: dict[str, Any], base_url: str) -> Iterator[_Named]:
    own = f"{base_url}/"
    seen = {f"Composition/{composition['id']}"}
    for link in links(composition, lambda _text: False):
        address = link.text.removeprefix(own)
        # A reference to a part of the Composition itself, and an empty one, lead to no other resource.
        if link.is_reference and address and not address.startswith("#") and address not in seen:
            seen.add(address)
            literal = parse_reference(address)
            yield _Named(link.text, literal if literal is None or not literal.base else None)


async def _current(named: Iterable[_Named], context: Context) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the current versions of all that is named, one look for each type."""
    wanted: dict[str, list[str]] = {}
    for one in named:
        if one.literal is not None and one.literal.version is None:
            wanted.setdefault(one.literal.resource_type, []).append(one.literal.id)
    return {
        (resource_type, document["_id"]): document["resource"]
        for resource_type, ids in wanted.items()
        for document in await context.store.find(
            resource_type, {"_id": {"$in": ids}}, (), {"resource": 1}, len(ids)
        )
    }


async def _resource(
    literal: LiteralReference, found: dict[tuple[str, str], dict[str, Any]], context: Context
) -> dict[str, Any] | None:
    if literal.version is None:
        return found.get((literal.resource_type, literal.id))
    number = int(literal.version) if literal.version.isdecimal() and len(literal.version) < 10 else 0
    version = await context.store.read_version(literal.resource_type, literal.id, number)
    return version.resource if version else None


def _issue(one: _Named) -> Issue:
    if one.literal is None:
        message = "The Composition refers to something on another server, from which nothing is fetched"
        return error("not-supported", message)
    return error(
        "not-found",
        f"The Composition refers to {one.literal.resource_type}/{one.literal.id}, which is not here",
    )
