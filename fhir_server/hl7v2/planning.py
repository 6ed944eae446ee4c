"""From what a message says, and what is there, to what is to be stored; nothing is stored yet."""

from collections.abc import Callable
from datetime import datetime, timedelta

from adapters.channels import Channel
from adapters.to_fhir.drafts import (
    REFERENCE,
    Draft,
    Mapped,
    Merge,
    OrderControl,
    Payers,
    Visit,
    linked,
)
from fhir_server.context import Context
from fhir_server.hl7v2.effects import add_effects
from fhir_server.hl7v2.joining import joined, without
from fhir_server.hl7v2.looking import Found, look
from fhir_server.hl7v2.ordering import ordered, task_of
from fhir_server.hl7v2.persons import guard
from fhir_server.hl7v2.plans import Plan, Resource, SeveralPatients
from fhir_server.hl7v2.reports import next_report, next_result, verdict
from fhir_server.hl7v2.visits import next_state
from fhir_server.search.intervals import interval
from fhir_server.store import instant
from fhir_server.workflows.records import local
from fhir_server.workflows.registration.identity import is_merged, links
from hl7.errors import UNKNOWN_KEY, HL7Error, Location

# A clock that is wrong by more must not keep later events from being applied.
_SKEW = timedelta(hours=1)
_ORDER_IS_OVER = ("revoked", "entered-in-error", "draft")
ORDER_NOT_ACTIVE = {"system": "urn:fhir-hospital-server:orders", "code": "order-not-active"}
"""The tag of results that came for an order which is not active any more; they are not part of it."""


async def plan(mapped: Mapped, channel: Channel, context: Context) -> Plan:
    """Return what `mapped` changes now.

    Raises HL7Error for what cannot be: another person (204), an event that never was, a record nobody knows.
    """
    found = await look(mapped.drafts, context)
    planning = _Planning(mapped, channel, context, found)
    await planning.prepare()
    planning.check_people()
    for draft in mapped.drafts:
        planning.add(draft)
    await add_effects(planning.plan, mapped, found, channel, context, planning.held)
    await planning.finish()
    return planning.plan


class _Planning:
    """One message that is being planned."""

    def __init__(self, mapped: Mapped, channel: Channel, context: Context, found: Found) -> None:
        self.mapped = mapped
        self.channel = channel
        self.context = context
        self.found = found
        self.plan = Plan(warnings=list(mapped.warnings))
        self.visits = {one.encounter: one for one in mapped.effects if isinstance(one, Visit)}
        self.controls = {one.order: one for one in mapped.effects if isinstance(one, OrderControl)}
        self.paid = {one.account for one in mapped.effects if isinstance(one, Payers)}
        self.losers = {one.loser for one in mapped.effects if isinstance(one, Merge)}
        self.old: set[str] = set()
        self.stale_orders: set[str] = set()
        self.held: dict[str, str] = {}
        self._ids()

    async def finish(self) -> None:
        """Leave out what is made once, and is there already."""
        for reference, resource in self.plan.made_once.items():
            if await self.context.store.read(*reference.split("/")) is None:
                self.plan.after[reference] = resource

    def _ids(self) -> None:
        for draft in self.mapped.drafts:
            stored = self.found.stored.get(draft.key)
            if stored is not None:
                reference = stored.reference
            elif draft.presence == "known":
                reference = ""
            elif (draft.type, draft.id) in self.found.taken:
                reference = f"{draft.type}/{self.context.new_id()}"
            else:
                reference = f"{draft.type}/{draft.id}"
            self.plan.references[draft.key] = reference

    async def prepare(self) -> None:
        """Look which parts of the record know of later events than this one."""
        if not self.mapped.is_record or not self.mapped.event_time:
            return
        moment = self._moment()
        wanted = [
            draft.key
            for draft in self.mapped.drafts
            if draft.type in ("Patient", "Encounter") and draft.key not in self.losers
        ]
        names = {self.plan.references[key]: key for key in wanted}
        latest = await self.context.store.hl7_event_times.latest(names)
        for name, key in names.items():
            if key in self.found.stored and name in latest and moment < latest[name]:
                self.old.add(key)
            else:
                self.plan.times[name] = moment
        if self.old:
            text = "an event of later is known already: this one was put on record, and changes nothing of it"
            self.plan.warnings.append(
                HL7Error(text, code="207", location=Location("EVN", 1, 2), severity="W")
            )
            self.plan.is_old = len(self.old) == len(wanted)

    def _moment(self) -> datetime:
        moment, now = interval(self.mapped.event_time)[0], self.context.now()
        if moment > now + _SKEW:
            text = "the event is said to be in the time to come; it counts as one of now"
            self.plan.warnings.append(
                HL7Error(text, code="102", location=Location("EVN", 1, 2), severity="W")
            )
            return now
        return moment

    def check_people(self) -> None:
        """Refuse a message about somebody else than the one whose number it has."""
        for draft in self.mapped.drafts:
            if draft.type != "Patient" or draft.key in self.losers:
                continue
            if draft.key in self.found.several:
                raise SeveralPatients(self.found.several[draft.key])
            stored = self.found.resource(draft.key)
            if stored is not None:
                guard(stored, draft.resource, is_record=self.mapped.is_record)

    def add(self, draft: Draft) -> None:
        """Add what becomes of one draft."""
        if draft.key in self.losers:
            return
        stored = self.found.stored.get(draft.key)
        if stored is not None:
            self.plan.before[stored.reference] = stored
        if stored is None and draft.presence == "known":
            return
        is_answered = draft.type == "ServiceRequest" and draft.presence == "minimal"
        if is_answered and stored is not None and stored.resource.get("status") in _ORDER_IS_OVER:
            self.stale_orders.add(self.plan.references[draft.key])
        if stored is not None and draft.type == "Account":
            self._check_account(draft, stored.resource)
        if stored is not None and (draft.presence == "minimal" or draft.key in self.old):
            return
        if stored is not None and self._depends_on_old(draft):
            return
        new = draft.otherwise if stored is None else {}
        said = linked({**new, **draft.resource}, self.plan.references)
        after = self._after(draft, None if stored is None else stored.resource, said)
        if after is not None:
            _, _, resource_id = self.plan.references[draft.key].partition("/")
            self.plan.put({**after, "id": resource_id}, stored)

    def _depends_on_old(self, draft: Draft) -> bool:
        """Tell whether something stands with a visit that knows of later events."""
        return bool(self.old & set(self.visits)) and draft.type not in ("Patient", "Encounter")

    def _after(self, draft: Draft, before: Resource | None, said: Resource) -> Resource | None:
        make: Callable[[Draft, Resource | None, Resource], Resource | None] = {
            "Encounter": self._encounter,
            "DiagnosticReport": self._report,
            "Observation": self._result,
            "ServiceRequest": self._order,
            "MedicationRequest": self._order,
        }.get(draft.type, self._other)
        return make(draft, before, said)

    def _other(self, draft: Draft, before: Resource | None, said: Resource) -> Resource:
        after = said if before is None else joined(before, said, draft.listed)
        return without(after, self._deleted(draft))

    def _encounter(self, draft: Draft, before: Resource | None, said: Resource) -> Resource | None:
        visit = self.visits.get(draft.key)
        if visit is None:
            return self._other(draft, before, said)
        if before is not None:
            self._check_subject(before, said)
        after = next_state(before, said, visit, self.plan.warnings)
        return without(after, self._deleted(draft))

    def _deleted(self, draft: Draft) -> list[tuple[str, dict[str, str]]]:
        """Return what a message deletes; what is told by a reference, by that of the resource."""
        return [(path, linked(dict(group), self.plan.references)) for path, group in draft.deleted]

    def _order(self, draft: Draft, before: Resource | None, said: Resource) -> Resource:
        control = self.controls.get(draft.key)
        after = self._other(draft, before, said)
        if control is None and "status" not in said:
            return after
        control = control or OrderControl(draft.key, "")
        what = ordered(before, said, control, self.plan.warnings)
        if what.task:
            # What is asked for is for a person to decide: nothing else of the order changes.
            reference = self.plan.references[draft.key]
            task = task_of(reference, said.get("subject"), what, control, instant(self.context.now()))
            self.plan.once(task)
            return dict(before or after)
        return {**after, "status": what.status}

    def _check_subject(self, before: Resource, said: Resource) -> None:
        base_url = self.context.base_url
        known = local(before.get("subject", {}).get("reference"), base_url)
        told = local(said.get("subject", {}).get("reference"), base_url)
        if known is not None and told is not None and known != told:
            patient = self.found.resource(self.mapped.subject)
            replaced = {local(one, base_url) for one in links(patient, "replaces")}
            if known not in replaced or is_merged(patient):
                text = "the visit is another patient's"
                raise HL7Error(text, code=UNKNOWN_KEY, location=Location("PV1", 1, 19))

    def _check_account(self, draft: Draft, before: Resource) -> None:
        """Refuse (204) what would change an account on which another patient is charged."""
        is_changed = draft.presence == "full" or draft.key in self.paid
        base_url = self.context.base_url
        known = {local(one.get("reference"), base_url) for one in before.get("subject", ())}
        (told,) = draft.resource["subject"]
        patient = self.found.resource(told["reference"].removeprefix(REFERENCE))
        mine = {local(one, base_url) for one in links(patient, "replaces")}
        mine.add(local(linked(told, self.plan.references).get("reference"), base_url))
        if is_changed and known and not known & mine:
            place = Location("PID", int(draft.key.partition(":")[2] or 1), 18)
            raise HL7Error("the account is another patient's", code=UNKNOWN_KEY, location=place)

    def _report(self, draft: Draft, before: Resource | None, said: Resource) -> Resource | None:
        found = verdict(before, said, draft.order)
        if found != "new":
            text = (
                "a report that was issued later is known already; this one changes nothing"
                if found == "older"
                else "the report is final already; what was preliminary changes nothing"
            )
            self.plan.warnings.append(HL7Error(text, code="207", location=Location("OBR"), severity="W"))
            self.held[draft.key] = found
            self.plan.is_old = True
            return None
        return next_report(before, self._without_stale_order(said), draft.listed)

    def _result(self, draft: Draft, before: Resource | None, said: Resource) -> Resource | None:
        report = draft.key.partition(":result:")[0]
        if report in self.held:
            return None
        if before is not None and report != draft.key and verdict(before, said, draft.order) != "new":
            self._warn_of_result()
            return None
        if ":result:" not in draft.key:
            return self._other(draft, before, said)
        return next_result(before, self._without_stale_order(said))

    def _warn_of_result(self) -> None:
        text = "a result that is final already, or issued later, is not changed by this one"
        self.plan.warnings.append(HL7Error(text, code="207", location=Location("OBX"), severity="W"))

    def _without_stale_order(self, said: Resource) -> Resource:
        """Return a result without the order that it is for, if that is not active any more; it is marked."""
        orders = {one.get("reference") for one in said.get("basedOn", ())}
        if not orders & self.stale_orders:
            return said
        rest = [one for one in said["basedOn"] if one.get("reference") not in self.stale_orders]
        text = "the order of this result is not active any more; the result was taken, and marked"
        if not any(one.text == text for one in self.plan.warnings):
            self.plan.warnings.append(HL7Error(text, code="204", location=Location("OBR"), severity="W"))
        marked = {**said, "meta": {**said.get("meta", {}), "tag": [ORDER_NOT_ACTIVE]}}
        marked["basedOn"] = rest
        return {name: one for name, one in marked.items() if one != []}
