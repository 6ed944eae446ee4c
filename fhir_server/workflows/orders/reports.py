"""DiagnosticReport: what ends an order, is released to the patient, and is corrected with notice.

https://hl7.org/fhir/R4/diagnosticreport.html
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fhir_server.store import instant
from fhir_server.workflows.consequences import Consequence, Put, Strike
from fhir_server.workflows.made import changed, concept
from fhir_server.workflows.notices import notice
from fhir_server.workflows.orders import release
from fhir_server.workflows.orders.answers import answering, corrected
from fhir_server.workflows.orders.notices import AVAILABLE, CHANGED, CORRECTED
from fhir_server.workflows.orders.papers import papers
from fhir_server.workflows.orders.people import doctors
from fhir_server.workflows.orders.pictures import pictures, together
from fhir_server.workflows.orders.rules import UNFINISHED
from fhir_server.workflows.orders.vocabulary import (
    OPEN_TASKS,
    OWN,
    Resource,
    is_final,
    is_fulfilment,
    references,
    subject,
)
from fhir_server.workflows.pattern import Change, Violation, Watch
from fhir_server.workflows.records import Records
from fhir_server.workflows.situation import Situation

_OPEN_ORDERS = frozenset({"active", "on-hold"})
_UNFINISHED = frozenset({"registered", "preliminary"})


@dataclass(frozen=True, slots=True)
class Facts:
    """What a report answers, by which `tasks`, the `results` in it and the `pictures`, and who is to know."""

    orders: tuple[Resource, ...] = ()
    specimens: tuple[Resource, ...] = ()
    results: tuple[Resource, ...] = ()
    tasks: tuple[Resource, ...] = ()
    people: tuple[str, ...] = ()
    pictures: tuple[Resource, ...] = ()


async def gather(change: Change, records: Records) -> Facts:
    """Return what has to be known about a report; nobody who looks at the same order acts meanwhile."""
    report = change.after
    if report is None:
        return Facts()
    base_url, tasks = records.situation.base_url, []
    orders = []
    for reference in references(report, "basedOn", base_url, "ServiceRequest"):
        await records.lock(f"W7/{reference}")
        order = await records.read(reference)
        if order is not None:
            orders.append(order)
            found = await records.search("Task", ("focus", reference))
            tasks += [one for one in found if is_fulfilment(one)]
    specimens = [await records.read(one) for one in references(report, "specimen", base_url, "Specimen")]
    results = [await records.read(one) for one in references(report, "result", base_url, "Observation")]
    people = await doctors(report, orders, records) if is_final(change.before) else ()
    shown = await pictures(report, records)
    return Facts(tuple(orders), _there(specimens), _there(results), tuple(tasks), people, shown)


def _there(found: Iterable[dict[str, Any] | None]) -> tuple[dict[str, Any], ...]:
    return tuple(one for one in found if one is not None)


def check(change: Change, facts: Facts, situation: Situation) -> Iterable[Violation]:
    """Yield what is wrong with a report."""
    report = change.after
    if report is None:
        return
    yield from answering(change, facts.orders, facts.specimens, facts.results, situation)
    if is_final(report) and any(one.get("status") in _UNFINISHED for one in facts.results):
        yield UNFINISHED.broken("Some of its results are not final", "DiagnosticReport.result")
    yield from release.violations(change, situation)


def follows(change: Change, facts: Facts, situation: Situation) -> Iterable[Consequence]:
    """End the order, release the results with the report, and tell who is to be told."""
    report = change.after
    if report is None:
        return
    if is_final(report) and not is_final(change.before):
        yield from _ending(facts, situation)
        yield from release.later(change, situation)
    yield from papers(change, situation)
    if release.is_released(report) and is_final(report):
        for result in facts.results:
            if is_final(result) and not release.is_released(result):
                yield Put(release.released(result))
    yield from together(report, facts.pictures)
    patient = subject(report, situation.base_url)
    if release.newly_released(change):
        yield Strike(release.release_key(change.reference))
        yield from _named(change.reference, facts, situation)
        if patient is not None:
            yield notice(AVAILABLE, change.reference, patient, situation.now)
    elif corrected(change):
        moment = instant(situation.now)
        for one in facts.people:
            yield notice(CORRECTED, change.reference, one, situation.now, occasion=moment)
        if patient is not None and release.is_released(report):
            yield notice(CHANGED, change.reference, patient, situation.now, occasion=moment)


def _ending(facts: Facts, situation: Situation) -> Iterable[Consequence]:
    """Yield the end of what the report answers: the orders, and their tasks."""
    for order in facts.orders:
        if order["status"] in _OPEN_ORDERS:
            yield Put(changed(order, status="completed"))
    for task in facts.tasks:
        if task["status"] in OPEN_TASKS - {"draft"}:
            yield Put(changed(task, status="completed", lastModified=instant(situation.now)))


def _named(reference: str, facts: Facts, situation: Situation) -> Iterable[Consequence]:
    """Yield the tasks with the report as their output, which patients may see now that it is released."""
    output = {"type": concept(OWN, "report", "Report"), "valueReference": {"reference": reference}}
    for task in facts.tasks:
        if task["status"] == "completed" and output not in task.get("output", ()):
            outputs = [*task.get("output", ()), output]
            yield Put(changed(task, lastModified=instant(situation.now), output=outputs))


WATCH = Watch(
    frozenset({"DiagnosticReport"}), completes=release.labelled, gather=gather, check=check, follows=follows
)
