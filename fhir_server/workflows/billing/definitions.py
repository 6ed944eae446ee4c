"""Finding the definition that says what an event costs. https://hl7.org/fhir/R4/chargeitemdefinition.html"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from fhir_server.workflows.records import Records

Resource = dict[str, Any]
Coding = tuple[str | None, str]
_CODE = "resource.code.coding.code"
_CONTEXT = "resource.useContext.valueCodeableConcept.coding.code"
_INSTANCE = "resource.instance.reference"


async def definitions(records: Records, codes: Iterable[str], instances: Iterable[str]) -> list[Resource]:
    """Return the active definitions that are for one of `codes` or of `instances`."""
    named = [{path: {"$in": sorted(set(codes))}} for path in (_CODE, _CONTEXT)]
    named.append({_INSTANCE: {"$in": sorted(set(instances))}})
    condition = {"$match": {"resource.status": "active", "$or": named}}
    found = await records.aggregate("ChargeItemDefinition", [condition, {"$project": {"resource": 1}}])
    return [document["resource"] for document in found]


async def by_url(records: Records, urls: Iterable[str]) -> dict[str, Resource]:
    """Return the definitions of canonical URLs; an active one before one that is not."""
    wanted = sorted(set(urls))
    if not wanted:
        return {}
    condition = {"$match": {"resource.url": {"$in": wanted}}}
    found = await records.aggregate("ChargeItemDefinition", [condition, {"$project": {"resource": 1}}])
    listed = sorted((one["resource"] for one in found), key=lambda one: one.get("status") == "active")
    return {one["url"]: one for one in listed}


def best(
    found: Sequence[Resource], codings: Sequence[Coding], instances: Sequence[str], moment: datetime
) -> Resource | None:
    """Return the one of `found` that is meant most exactly at a time.

    For this very thing comes before for its code, and that before for a context of its code; then the newest.
    """
    ranked = [
        (rank, one.get("date", ""), one["id"], one)
        for one in found
        if _is_effective(one, moment) and (rank := _rank(one, codings, instances))
    ]
    return max(ranked, key=lambda one: one[:3])[3] if ranked else None


def _rank(definition: Resource, codings: Sequence[Coding], instances: Sequence[str]) -> int:
    """Return how exactly a definition is meant, 0 if not at all."""
    if any(one.get("reference") in instances for one in definition.get("instance", ())):
        return 3
    if _has(definition.get("code"), codings):
        return 2
    uses = definition.get("useContext", ())
    return int(any(_has(use.get("valueCodeableConcept"), codings) for use in uses))


def by_service(found: Sequence[Resource], service: str, moment: datetime) -> Resource | None:
    """Return the newest definition of a service of the hospital's table."""
    return best(found, [(None, service)], (), moment)


def _has(concept: Any, codings: Sequence[Coding]) -> bool:
    told = [(one.get("system"), one.get("code")) for one in (concept or {}).get("coding", ())]
    return any(
        code == wanted and (system == there or system is None)
        for there, code in told
        for system, wanted in codings
    )


def _is_effective(definition: Resource, moment: datetime) -> bool:
    period = definition.get("effectivePeriod", {})
    day = moment.date().isoformat()
    return period.get("start", "")[:10] <= day and day <= (period.get("end") or "9999")[:10]
