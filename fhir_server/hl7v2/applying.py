"""Applying a message: its resources, their Provenance and the inbox's note of it are one transaction.

`new_apply` makes the `Apply` of `adapters.applying`. HL7 v2.5.1 §2.9.2; docs/hl7v2/mapping.md
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from adapters.applying import Applied, Apply, Received, TryLater, distinct
from adapters.channels import Channel
from adapters.supported import RESPONSES
from adapters.to_fhir.drafts import Mapped
from adapters.to_fhir.mapping import map_message
from fhir_server.audit.trail import Trail
from fhir_server.context import Context
from fhir_server.hl7v2.answering import Taken, answered
from fhir_server.hl7v2.joining import is_same
from fhir_server.hl7v2.origin import provenance, source_of
from fhir_server.hl7v2.planning import plan
from fhir_server.hl7v2.plans import Plan, SeveralPatients
from fhir_server.hl7v2.ports import destinations_of
from fhir_server.hl7v2.queries import answered as answered_query
from fhir_server.hl7v2.refusals import refusal
from fhir_server.store import AbsenceBroken, VersionReplaced, instant
from fhir_server.store.noting import Note
from fhir_server.workflows.made import concept, key_id, made
from fhir_server.workflows.merging.accounts import hand_over
from fhir_server.workflows.merging.journal import advanced
from fhir_server.workflows.merging.moving import move_parts
from fhir_server.workflows.rulebook import RuleBook, only_claims, ruled
from fhir_server.write_path import commit, replacement
from hl7.errors import ACCEPTED, HL7Error
from hl7.message import Message
from resources.custom_parameters import using
from resources.operation_outcome import FhirError, PreconditionFailed

NewContext = Callable[[str], Context]
_QUERY = "QBP"
_SHADOW = HL7Error("this channel is a shadow: nothing was changed", code=ACCEPTED, severity="I")
# How often a message is planned anew, as others change the same records meanwhile.
_MOST_ATTEMPTS = 20
# What is moved of a merge at once; the agenda does the rest.
_PARTS_AT_ONCE = 5


@dataclass(frozen=True, slots=True)
class Difference:
    """What would change of one resource: as it is (None if it is not there), and as it would be."""

    reference: str
    before: dict[str, Any] | None
    after: dict[str, Any]


def _applied(taken: Taken) -> Applied:
    return Applied("applied" if taken.is_ours else "ignored", taken.references)


def new_apply(new_context: NewContext, book: RuleBook) -> Apply:
    """Return what applies messages in contexts of the server's own, by the rules of `book`."""
    return Applying(new_context, book).apply


class Applying:
    """Applies messages."""

    def __init__(self, new_context: NewContext, book: RuleBook) -> None:
        """Act in contexts that `new_context` makes, by the rules of `book`."""
        self._new_context = new_context
        self._book = book

    async def apply(self, message: Message, channel: Channel, received: Received) -> Applied:
        """Apply a message once (see `adapters.applying.Apply`)."""
        code = message.header.message_code
        if code in RESPONSES:
            return await self._answered(message, received)
        if code == _QUERY:
            return await self._told(message, channel, received)
        if channel.shadow:
            return await self._shadowed(message, channel)
        mapped = map_message(message, channel)
        context = self._acting(received.inbox_id, message, mapped, channel, received)
        using(await context.store.custom_parameters())
        for _ in range(_MOST_ATTEMPTS):
            planned = await self._planned(mapped, channel, context)
            try:
                return await self._commit(message, planned, context, received)
            except (VersionReplaced, AbsenceBroken, PreconditionFailed):
                continue  # others were faster: look again
            except FhirError as failure:
                raise refusal(failure) from failure
        raise TryLater("others keep changing the same records")

    async def _shadowed(self, message: Message, channel: Channel) -> Applied:
        """Take a message that changes nothing, but for being refused as it would be otherwise."""
        try:
            planned = await self._foreseen(message, channel)
            planned.writes(source_of(message))
        except FhirError as failure:
            raise refusal(failure) from failure
        return Applied("ignored", warnings=(*planned.warnings, _SHADOW))

    async def _foreseen(self, message: Message, channel: Channel) -> Plan:
        """Return what a message would change now."""
        mapped = map_message(message, channel)
        context = ruled(self._new_context("preview"), self._book, is_reported=True)
        using(await context.store.custom_parameters())
        return await plan(mapped, channel, context)

    async def _told(self, message: Message, channel: Channel, received: Received) -> Applied:
        """Answer a query; that the patients were told of is put on record."""
        context = self._new_context(received.inbox_id)
        response, references = await answered_query(message, channel, context)
        if context.trail is not None:
            for reference in references:
                await context.trail.tell("hl7v2-show", reference, f"Query of channel {channel.name}")
        return Applied("unchanged", response=response)

    async def _answered(self, message: Message, received: Received) -> Applied:
        """Take an answer: outbox and order follow one to a message of ours, others are of no concern."""
        context = ruled(self._new_context(received.inbox_id), self._book, is_reported=True)

        def noting(taken: Taken) -> Note:
            return context.store.hl7_inbox.note(received.inbox_id, _applied(taken))

        try:
            return _applied(await answered(message, context, destinations_of(context.settings), noting))
        except FhirError as failure:
            raise refusal(failure) from failure

    def _acting(
        self, request_id: str, message: Message, mapped: Mapped, channel: Channel, received: Received
    ) -> Context:
        """Return the context in which a message is applied, whose changes have the message's Provenance."""
        context = self._new_context(request_id)
        trail = context.trail
        if trail is None:
            trail = Trail(None, request_id, context.base_url, "", context.now, context.new_id)
            context = replace(context, store=context.store.witnessed(trail), trail=trail)
        trail.provenance = provenance(message, mapped, channel, received, instant(context.now()))
        return ruled(context, self._book, is_reported=True)

    async def _planned(self, mapped: Mapped, channel: Channel, context: Context) -> Plan:
        try:
            return await plan(mapped, channel, context)
        except SeveralPatients as several:
            await self._tell_of_several(several)
            raise
        except FhirError as failure:
            raise refusal(failure) from failure

    async def _commit(self, message: Message, planned: Plan, context: Context, received: Received) -> Applied:
        try:
            writes = planned.writes(source_of(message))
        except FhirError as failure:
            raise refusal(failure) from failure
        references = tuple(f"{one.resource_type}/{one.id}" for one in writes)
        status = "applied" if writes else "ignored" if planned.is_old else "unchanged"
        answers = tuple(planned.answers)
        warnings = distinct((*received.warnings, *planned.warnings))
        applied = Applied(status, references, warnings, answers)  # type: ignore[arg-type]
        note = context.store.hl7_inbox.note(received.inbox_id, applied)
        noting = context.store.hl7_event_times.note(planned.times, note)
        if planned.times:
            await context.store.hl7_event_times.prepare()
        await commit(context, writes, noting=noting)
        if planned.merging is not None and planned.merging.journals:
            await self._finish_merges(planned)
        return replace(applied, is_noted=True)

    async def _finish_merges(self, planned: Plan) -> None:
        """Hand over the accounts, and move at once what is soon moved; the agenda does the rest."""
        assert planned.merging is not None  # noqa: S101 - see _commit
        context = ruled(self._new_context("merge"), self._book, is_system=True)
        for journal in planned.merging.journals:
            await hand_over(journal, context)
            with suppress(FhirError, VersionReplaced):  # the agenda tries again
                moved, left, is_done = await move_parts(journal, only_claims(context), _PARTS_AT_ONCE)
                task = advanced(journal, moved, left, context.now(), is_done=is_done)
                await commit(context, [replacement("Task", journal["id"], task)])

    async def _tell_of_several(self, several: SeveralPatients) -> None:
        """Have staff look at patients of whom one message has the numbers."""
        context = ruled(self._new_context("potential-duplicate"), self._book, is_system=True)
        references = sorted(one.reference for one in several.patients)
        now = instant(context.now())
        task = made(
            "Task",
            id=key_id("potential-duplicate", *references),
            status="requested",
            intent="order",
            priority="routine",
            code=concept("urn:fhir-hospital-server:task", "potential-duplicate"),
            description="A message has numbers of both: merge them if they are one person",
            focus={"reference": references[0]},
            input=[{"type": {"text": "patient"}, "valueReference": {"reference": one}} for one in references],
            authoredOn=now,
            lastModified=now,
        )
        with suppress(PreconditionFailed):
            await commit(context, [replacement("Task", task["id"], task, must_be_new=True)])

    async def preview(self, message: Message, channel: Channel) -> list[Difference]:
        """Return what `message` would change now; nothing is stored.

        Raises HL7Error for what would be refused before rules are asked; what these would refuse is not told.
        """
        planned = await self._foreseen(message, channel)
        found = []
        for reference, after in planned.after.items():
            stored = planned.before.get(reference)
            before = None if stored is None else stored.resource
            if not is_same(before, after):
                found.append(Difference(reference, before, after))
        return found
