"""Observation: a result, what it answers, and what it sets off.

https://hl7.org/fhir/R4/observation.html
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_server.store import instant
from fhir_server.workflows.consequences import Consequence, Create
from fhir_server.workflows.made import concept, key_id, made
from fhir_server.workflows.notices import notice
from fhir_server.workflows.orders import critical, release
from fhir_server.workflows.orders.answers import answering, corrected
from fhir_server.workflows.orders.notices import AVAILABLE, CHANGED, CORRECTED
from fhir_server.workflows.orders.people import doctors
from fhir_server.workflows.orders.rules import STAYS
from fhir_server.workflows.orders.vocabulary import (
    FOLLOW_UP,
    OWN,
    REPORTED_STATES,
    Resource,
    is_abnormal,
    is_critical,
    is_final,
    is_result,
    references,
    subject,
)
from fhir_server.workflows.pattern import Change, Violation, Watch
from fhir_server.workflows.records import Records
from fhir_server.workflows.situation import Situation


@dataclass(frozen=True, slots=True)
class Facts:
    """What a result answers (`orders`, `specimens`), the `reports` it stands in, and who is to know of it."""

    orders: tuple[Resource, ...] = ()
    specimens: tuple[Resource, ...] = ()
    reports: tuple[Resource, ...] = ()
    people: tuple[str, ...] = ()
    alert: critical.Alert | None = None

    @property
    def is_released(self) -> bool:
        """Whether a report of it is released."""
        return any(release.is_released(one) for one in self.reports)


async def gather(change: Change, records: Records) -> Facts:
    """Return what has to be known about a result; nothing about what is none."""
    result = change.after
    if result is None or not is_result(result):
        return Facts()
    base_url = records.situation.base_url
    orders = await _all(references(result, "basedOn", base_url, "ServiceRequest"), records, is_locked=True)
    specimens = await _all(references(result, "specimen", base_url, "Specimen"), records)
    reports = await _reports(change.reference, records)
    before = change.before or {}
    concerns = result.get("status") in REPORTED_STATES or before.get("status") in REPORTED_STATES
    people = await doctors(result, orders, records) if concerns else ()
    is_ending = change.before is not None and is_critical(change.before) and not is_critical(result)
    alert = await critical.alert(change.reference, records) if is_ending else None
    return Facts(orders, specimens, tuple(reports), people, alert)


async def _reports(reference: str, records: Records) -> Sequence[Resource]:
    """Return the reports that a result stands in, which is asked once for all results of a transaction."""
    together = records.changed("Observation")

    async def look() -> Mapping[str, Sequence[Resource]]:
        return await records.referring("DiagnosticReport", "result", together or [reference])

    found = await records.once(("W7.reports", reference if not together else ""), look)
    return found.get(reference, ())


async def _all(
    wanted: Iterable[str], records: Records, *, is_locked: bool = False
) -> tuple[dict[str, Any], ...]:
    found = []
    for one in wanted:
        if is_locked:
            await records.lock(f"W7/{one}")
        resource = await records.read(one)
        found += [resource] if resource else []
    return tuple(found)


def check(change: Change, facts: Facts, situation: Situation) -> Iterable[Violation]:
    """Yield what is wrong with a result."""
    result, before = change.after, change.before
    if result is None:
        return
    if not is_result(result):
        if before is not None and is_result(before) and is_final(before):
            yield STAYS.broken("It is a result of an examination no more", "Observation.category")
        return
    yield from answering(change, facts.orders, facts.specimens, (), situation)
    yield from release.violations(change, situation, is_reported=facts.is_released)


def follows(change: Change, facts: Facts, situation: Situation) -> Iterable[Consequence]:
    """Yield alerts, follow-ups, and news of what was changed."""
    result = change.after
    if result is None or not is_result(result):
        return
    yield from critical.begins(change, facts.people, situation)
    yield from critical.ends(change, facts.alert, situation)
    if is_abnormal(result) and not (change.before and is_abnormal(change.before)):
        yield Create(_follow_up(change.reference, result, facts, situation))
    if any(is_final(one) for one in facts.reports):
        return  # the report tells
    yield from release.later(change, situation)
    patient = subject(result, situation.base_url)
    if corrected(change):
        moment = instant(situation.now)
        for one in facts.people:
            yield notice(CORRECTED, change.reference, one, situation.now, occasion=moment)
        if patient and release.is_released(result):
            yield notice(CHANGED, change.reference, patient, situation.now, occasion=moment)
    elif release.newly_released(change) and patient:
        yield notice(AVAILABLE, change.reference, patient, situation.now)


def _follow_up(reference: str, result: Resource, facts: Facts, situation: Situation) -> dict[str, Any]:
    """Return the task of seeing to what is not as it should be, one for all results of an order."""
    orders = [{"reference": one} for one in references(result, "basedOn", situation.base_url)]
    about = orders[0]["reference"] if orders else reference
    return made(
        "Task",
        id=key_id("W7.follow-up", about),
        meta={"security": [release.HELD]},
        basedOn=orders or None,
        status="requested",
        intent="order",
        code=concept(OWN, FOLLOW_UP, "Follow up an abnormal result"),
        focus={"reference": reference},
        encounter=result.get("encounter"),
        authoredOn=instant(situation.now),
        lastModified=instant(situation.now),
        owner={"reference": facts.people[0]} if facts.people else None,
        **{"for": result["subject"]},
    )


WATCH = Watch(
    frozenset({"Observation"}), completes=release.labelled, gather=gather, check=check, follows=follows
)
