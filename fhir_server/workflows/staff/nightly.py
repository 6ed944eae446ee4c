"""What the night brings: who has to renew something soon is told; who has not is suspended.

https://hl7.org/fhir/R4/practitioner-definitions.html#Practitioner.qualification
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from fhir_server.context import Context
from fhir_server.store import Write, instant
from fhir_server.store.ruling import Entry
from fhir_server.workflows.made import changed, concept, made
from fhir_server.workflows.records import Records
from fhir_server.workflows.services import Services
from fhir_server.workflows.situation import Situation
from fhir_server.workflows.staff.directory import renewal_id
from fhir_server.workflows.staff.people import roles_of
from fhir_server.workflows.staff.qualifications import bounds, is_elective, lapsed
from fhir_server.workflows.staff.terms import TASKS
from fhir_server.write_path import commit, replacement, revision

Resource = Mapping[str, Any]

NIGHTLY = "W12.nightly"
_NOTICE = timedelta(days=30)
_MOST_AT_ONCE = 500


async def nightly(_entry: Entry, context: Context, _services: Services) -> None:
    """Make the tasks to renew what expires within 30 days, and suspend the roles of who has not renewed."""
    situation = Situation(context.now(), context.base_url, context.settings, context.new_id)
    records = Records(context.store, situation)
    writes: list[Write] = []
    for practitioner in await _who_has_to_renew(records):
        writes += await _renewals(practitioner, records)
        if lapsed(practitioner, situation.now):
            writes += await _suspensions(practitioner, records)
        if len(writes) >= _MOST_AT_ONCE:
            break
    if writes:
        await commit(context, writes)


async def _who_has_to_renew(records: Records) -> list[dict[str, Any]]:
    """Return the practitioners of whom something ends."""
    ends = {"resource.qualification.period.end": {"$exists": True}, "resource.active": {"$ne": False}}
    found = await records.aggregate("Practitioner", [{"$match": ends}, {"$project": {"resource": 1}}])
    return [one["resource"] for one in found]


async def _renewals(practitioner: Resource, records: Records) -> list[Write]:
    now, reference = records.situation.now, f"Practitioner/{practitioner['id']}"
    still_lapsed = lapsed(practitioner, now + _NOTICE)
    writes = []
    for one in still_lapsed:
        task_id = renewal_id(reference, one)
        if is_elective(one) or await records.read(f"Task/{task_id}") is not None:
            continue
        task = made(
            "Task",
            id=task_id,
            status="requested",
            intent="order",
            code=concept(TASKS, "training", "Renew what expires"),
            description="Renew a licence or training",
            focus={"reference": reference},
            authoredOn=instant(now),
            lastModified=instant(now),
            owner={"reference": reference},
            restriction={"period": {"end": instant(bounds(one.get("period"))[1])}},
        )
        writes.append(replacement("Task", task_id, task, must_be_new=True))
    return writes


async def _suspensions(practitioner: Resource, records: Records) -> list[Write]:
    roles = await roles_of(f"Practitioner/{practitioner['id']}", records)
    return [revision(changed(role, active=False)) for role in roles if role.get("active") is not False]
