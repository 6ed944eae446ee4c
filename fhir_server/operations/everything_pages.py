"""A page of $everything: first the compartment, type by type, then what its resources refer to.

Within a type resources come in the order of their creation, what they refer to in the order of type and id. A
page goes on after the last resource of the one before, so that no resource comes twice, whoever writes
meanwhile. https://hl7.org/fhir/R4/patient-operation-everything.html
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fhir_server.context import Context
from fhir_server.operations.care_dates import care_condition
from fhir_server.operations.supporting import SUPPORTING_TYPES, Whose, fetched, referenced
from fhir_server.search.asked import Condition, both
from fhir_server.search.compartments import each_with, in_any_compartment, in_compartment
from fhir_server.search.positions import Position
from resources.compartments import compartment_parameters

Found = tuple[str, dict[str, Any]]
"""The search mode, `match` or `include`, and the resource."""

Scope = list[tuple[str, Condition]]

# Stands in a position for what is referred to, where others have the type.
_REFERENCED = "~"
# No type in a compartment has a rank above this one.
_COMPARTMENT = (1, "~")


@dataclass(frozen=True, slots=True)
class Everything:
    """What is asked for: a compartment (`whose`; None: all of this kind) and what is wanted of it.

    Care dates are from `start` on and before `end`. `types` are the resource types
    wanted, None for all.
    """

    compartment: str
    whose: Whose | None
    start: datetime | None = None
    end: datetime | None = None
    since: datetime | None = None
    types: frozenset[str] | None = None


async def everything_page(
    wanted: Everything, after: Position | None, size: int, context: Context
) -> tuple[list[Found], Position | None]:
    """Return up to `size` resources from `after` on, and where the next page begins if there is one."""
    page: list[Found] = []
    last = None
    async with aclosing(_everything(wanted, after, size + 1, context)) as everything:
        async for found, position in everything:
            if len(page) == size:
                return page, last
            page.append(found)
            last = position
    return page, None


async def _everything(
    wanted: Everything, after: Position | None, limit: int, context: Context
) -> AsyncGenerator[tuple[Found, Position]]:
    """Yield what comes after `after`, each with the position after it; of a type up to `limit`."""
    scope = await _scope(wanted, context)
    last, name = after.values if after else ("", "")
    since: Condition = {"updated": {"$gte": wanted.since}} if wanted.since else {}
    for resource_type, condition in scope:
        rank = _rank(wanted.compartment, resource_type)
        is_over = after is not None and rank < _rank(wanted.compartment, last)
        if is_over or (wanted.types is not None and resource_type not in wanted.types):
            continue
        position: Condition = {"seq": {"$gt": after.sequence}} if after and resource_type == last else {}
        mode = "include" if rank > _COMPARTMENT else "match"
        for document in await context.store.find(
            resource_type,
            each_with(condition, both([since, position])),
            (("seq", 1),),
            {"resource": 1, "seq": 1},
            limit,
            # Of all patients nearly every resource matches, and the order is that of this index.
            index="seq" if wanted.whose is None else None,
        ):
            yield (mode, document["resource"]), Position((resource_type, ""), document["seq"])
    if wanted.whose is not None:
        async for found in _referenced(wanted, wanted.whose, scope, name, since, context):
            yield found


async def _referenced(
    wanted: Everything, whose: Whose, scope: Scope, after: str, since: Condition, context: Context
) -> AsyncGenerator[tuple[Found, Position]]:
    has_more = True
    while has_more:
        found = await referenced(scope, after, wanted.types, context)
        async for name, resource in fetched(found.names, whose, since, context):
            yield ("include", resource), Position((_REFERENCED, name), 0)
        has_more = found.has_more
        after = found.names[-1] if found.names else after


async def _scope(wanted: Everything, context: Context) -> Scope:
    """Return the types that are looked at one after the other, with the condition on each."""
    # The audit log is not among what is stored, unless it is asked for by name.
    stored = {*await context.store.stored_types(), *(wanted.types or ())}
    scope: Scope = []
    now, base_url = context.now(), context.base_url
    for resource_type in sorted(stored, key=lambda name: _rank(wanted.compartment, name)):
        if _rank(wanted.compartment, resource_type) > _COMPARTMENT:
            if wanted.whose is None and resource_type in SUPPORTING_TYPES:
                scope.append((resource_type, {}))
            continue
        belongs = (
            in_any_compartment(wanted.compartment, resource_type, base_url)
            if wanted.whose is None
            else in_compartment(wanted.compartment, wanted.whose.id, resource_type, base_url, now)
        )
        care = care_condition(resource_type, wanted.start, wanted.end, base_url, now)
        scope.append((resource_type, each_with(belongs, care)))
    return scope


def _rank(compartment: str, resource_type: str) -> tuple[int, str]:
    """Return the place of a type: the one of the compartment, those in it, others, what is referred to."""
    if resource_type == compartment:
        return 0, ""
    if compartment_parameters(compartment, resource_type):
        return _COMPARTMENT[0], resource_type
    return (3 if resource_type == _REFERENCED else 2), resource_type
