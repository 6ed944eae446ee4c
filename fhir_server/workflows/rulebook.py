"""The rules of all patterns, asked of each change within its transaction (see `store.ruling.Rules`)."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import structlog

from fhir_server.context import Context
from fhir_server.store import Store, Write
from fhir_server.store.ruling import Claim, Entry, Outcome, Send
from fhir_server.store.witnessing import Change as StoredChange
from fhir_server.workflows.consequences import Consequence, Create, Later, Put, Strike
from fhir_server.workflows.modes import Modes
from fhir_server.workflows.pattern import Change, Pattern, StateTable, Violation, Watch, refusal
from fhir_server.workflows.records import Records, RoundRecords
from fhir_server.workflows.references import relative
from fhir_server.workflows.situation import Situation
from fhir_server.workflows.telling import Telling
from fhir_server.write_path import as_set, new_resource, replacement
from resources.operation_outcome import Conflict, Issue, PreconditionRequired, error

Resource = Mapping[str, Any]
Claims = Callable[[Resource], Iterable[Claim]]


class RuleBook:
    """All rules that are not switched off, by the resource types that they are about; one a process."""

    def __init__(
        self, patterns: Iterable[Pattern], modes: Modes, store: Store, telling: Telling | None = None
    ) -> None:
        """Take the rules of `patterns`, as `modes` says; `store`, without a guard, is where they look.

        `telling` says what other systems are told of changes, if there are any.
        """
        self.modes = modes
        self.telling = telling if telling is not None and modes.of(telling.pattern) != "off" else None
        self.store = store
        listed = list(patterns)
        self.patterns = [pattern for pattern in listed if modes.of(pattern.id) != "off"]
        self._watches: defaultdict[str, list[tuple[Pattern, Watch[Any]]]] = defaultdict(list)
        self._states: defaultdict[str, list[StateTable]] = defaultdict(list)
        self._claims: defaultdict[str, list[tuple[Pattern, Claims]]] = defaultdict(list)
        for pattern in listed:
            for watch in pattern.watches:
                for resource_type in watch.types if watch.claims is not None else ():
                    self._claims[resource_type].append((pattern, cast(Claims, watch.claims)))
        for pattern in self.patterns:
            for watch in pattern.watches:
                for resource_type in watch.types:
                    self._watches[resource_type].append((pattern, watch))
            for table in pattern.states:
                self._states[table.resource_type].append(table)
        self.creates = frozenset().union(*(pattern.creates for pattern in self.patterns))

    def watches(self, resource_type: str) -> Sequence[tuple[Pattern, Watch[Any]]]:
        """Return what is to be asked about a type, in the order of the patterns."""
        return self._watches.get(resource_type, ())

    def states(self, resource_type: str) -> Sequence[StateTable]:
        """Return the state tables of a type."""
        return self._states.get(resource_type, ())

    def claims(self, resource_type: str) -> Sequence[tuple[Pattern, Claims]]:
        """Return what resources of a type claim, also by patterns that are off: they may have been on."""
        return self._claims.get(resource_type, ())

    def concern(self, resource_type: str) -> bool:
        """Tell whether there is any rule about a type, or another system that may have to be told of it."""
        if self.telling is not None and resource_type in self.telling.types:
            return True
        return resource_type in self._watches or resource_type in self._states

    def reserved(self, resource_type: str) -> frozenset[tuple[str, str]]:
        """Return the labels that only the rules give to resources of a type."""
        listed = (
            one.reserved.get(resource_type, ()) for one in self.patterns if self.modes.of(one.id) == "on"
        )
        return frozenset().union(*listed)

    def ruling(
        self, situation: Situation, *, done: Sequence[tuple[str, str]] = (), is_import: bool = False
    ) -> "Ruling":
        """Return the rules for one caller and moment.

        `done` are the entries of the agenda that the changes carry out, each with its lease. An import brings
        in records as they are: of all rules only the claims hold.
        """
        return Ruling(self, situation, done, is_import=is_import)


def ruled(
    context: Context,
    book: RuleBook,
    *,
    done: Sequence[tuple[str, str]] = (),
    is_system: bool = False,
    is_reported: bool = False,
) -> Context:
    """Return `context` with a store that keeps the rules of `book`, for its caller and this moment.

    One that `is_system` acts for the server itself, as one does that carries out the agenda; one that
    `is_reported` writes down what another system says of what happened there.
    """
    situation = Situation(
        now=context.now(),
        base_url=context.base_url,
        settings=context.settings,
        new_id=context.new_id,
        principal=context.principal,
        is_system=is_system or is_reported or bool(done),
        is_reported=is_reported,
    )
    ruling = book.ruling(situation, done=done, is_import=context.is_import)
    return replace(context, store=context.store.ruled(ruling))


def unfinished(context: Context) -> Context:
    """Return the context of an action for what it stores before it is done: its entry stays to be done."""
    rules = context.store.rules
    if not isinstance(rules, Ruling):
        raise TypeError("This is for actions of the agenda")
    return replace(context, store=context.store.ruled(rules.unfinished()))


def only_claims(context: Context) -> Context:
    """Return `context` with a store that keeps of all rules only the claims, as an import does.

    For changes that say nothing new, such as under which of two numbers a person's records are kept.
    """
    rules = context.store.rules
    return (
        replace(context, store=context.store.ruled(rules.importing()))
        if isinstance(rules, Ruling)
        else context
    )


class Ruling:
    """The rules for one request (see `store.ruling.Rules`)."""

    def __init__(
        self, book: RuleBook, situation: Situation, done: Sequence[tuple[str, str]], *, is_import: bool
    ) -> None:
        """Ask `book`; see `RuleBook.ruling`."""
        self._book = book
        self._situation = situation
        self._done = done
        self._held: Sequence[tuple[str, str]] = ()
        self._is_import = is_import
        self._relative: dict[int, tuple[Resource, dict[str, Any]]] = {}
        self._log = structlog.get_logger("fhir_server.workflows")

    def unfinished(self) -> "Ruling":
        """Return the rules for what an action stores before the entry that it carries out is done."""
        other = Ruling(self._book, self._situation, (), is_import=self._is_import)
        other._held = self._done
        return other

    def importing(self) -> "Ruling":
        """Return the rules for records that are brought in as they are."""
        return Ruling(self._book, self._situation, (), is_import=True)

    @property
    def types_of_consequences(self) -> frozenset[str]:
        """The resource types that consequences may create."""
        return self._book.creates

    def concern(self, resource_type: str) -> bool:
        """Tell whether there is any rule about resources of a type."""
        return bool(self._done or self._held) or self._book.concern(resource_type)

    async def prepare(self, writes: Sequence[Write]) -> None:
        """Draw the numbers that resources are to be given."""
        wanted: defaultdict[str, list[str]] = defaultdict(list)
        numbers = dict(self._situation.numbers)
        for write in () if self._is_import else writes:
            reference = f"{write.resource_type}/{write.id}"
            for _, watch in self._book.watches(write.resource_type):
                if watch.draws is not None and write.resource is not None:
                    for counter in watch.draws(write.resource):
                        if (counter, reference) not in numbers:
                            wanted[counter].append(reference)
        for counter, references in wanted.items():
            first = await self._book.store.next_number(counter, count=len(references))
            numbers |= {(counter, one): first + place for place, one in enumerate(references)}
        self._situation = replace(self._situation, numbers=numbers)

    def completes(self, resource_type: str) -> bool:
        """Tell whether the server itself may fill in something of resources of a type."""
        watches = () if self._is_import else self._book.watches(resource_type)
        return any(watch.completes is not None for _, watch in watches)

    def completed(self, write: Write, before: Resource | None) -> Write:
        """Return `write` with what the server itself fills in."""
        if write.resource is None or self._is_import:
            return write
        seen = self._seen(write.resource)
        resource: Resource = seen
        before = None if before is None else self._seen(before)
        for _, watch in self._book.watches(write.resource_type):
            if before is not None and write.if_match is None and not write.follows:
                self._check_version(watch, write)
            if watch.completes is not None:
                resource = watch.completes(resource, before, self._situation)
        if resource is seen:
            return write
        # What is filled in is valid if the code is; nobody but a test would find it out otherwise.
        made = replacement(write.resource_type, write.id, {**resource, "id": write.id}, at=write.at)
        made = as_set(made, self._situation.settings, self._situation.base_url)
        return replace(
            write,
            resource=made.resource,
            search=None,
            indexed=made.indexed,
            refers_to=made.refers_to,
        )

    def _check_version(self, watch: Watch[Any], write: Write) -> None:
        """Raise PreconditionRequired if the version that is changed has to be named."""
        if watch.needs_version is None:
            return
        rule, concerns = watch.needs_version
        if concerns(self._situation) and self._book.modes.of(rule.id) == "on":
            message = f"{write.resource_type}/{write.id} is changed with If-Match only: quote its ETag"
            raise PreconditionRequired(Issue("error", "required", message, (), rule.id))

    def reserved(self, resource_type: str) -> frozenset[tuple[str, str]]:
        """Return the labels that only the rules give to resources of a type."""
        return frozenset() if self._is_import else self._book.reserved(resource_type)

    def claims(self, changes: Sequence[StoredChange]) -> tuple[Sequence[Claim], Sequence[Claim]]:
        """Return what `changes` give up, and what they need for themselves."""
        given_up: list[Claim] = []
        wanted: list[Claim] = []
        for change in changes:
            for pattern, claims in self._book.claims(change.after.resource_type):
                if change.since is not None:
                    given_up += claims(self._seen(change.since))
                if change.after.resource is not None and self._book.modes.of(pattern.id) == "on":
                    wanted += claims(self._seen(change.after.resource))
        if not self._is_import:
            owners = {claim.key: claim.owner for claim in given_up if claim.has_state}
            for claim in wanted:
                if owners.get(claim.key, claim.owner) != claim.owner:
                    raise _handed_on(claim)
        return given_up, wanted

    @property
    def sends_messages(self) -> bool:
        """Whether there are other systems that may have to be told of changes."""
        return self._book.telling is not None and not self._is_import

    async def messages(self, changes: Sequence[StoredChange]) -> Sequence[Send]:
        """Return what other systems are told of `changes`, which are all of a transaction."""
        telling = self._book.telling
        if telling is None or self._is_import:
            return ()
        concerned = [
            self._change(one, one.before) for one in changes if one.after.resource_type in telling.types
        ]
        if not concerned:
            return ()
        return await telling.messages(concerned, Records(self._book.store, self._situation))

    async def consequences(self, changes: Sequence[StoredChange]) -> Outcome:
        """Check `changes` and return what follows from them."""
        if self._is_import:
            return Outcome(done=self._done)
        resources = {
            (one.after.resource_type, one.after.id): None
            if one.after.resource is None
            else self._seen(one.after.resource)
            for one in changes
        }
        records = RoundRecords(self._book.store, self._situation, resources)
        violations: list[Violation] = []
        following: list[Consequence] = []
        for stored in changes:
            change, step = self._change(stored, stored.before), self._change(stored, stored.since)
            for table in self._book.states(change.resource_type):
                violations += table.violations(change, is_reported=self._situation.is_reported)
            for _, watch in self._book.watches(change.resource_type):
                facts = await watch.gather(change, records)
                if watch.check is not None:
                    violations += watch.check(change, facts, self._situation)
                if watch.follows is not None:
                    following += watch.follows(step, facts, self._situation)
        self._judge(violations)
        outcome = self._outcome(following)
        await self.prepare(outcome.writes)
        return replace(outcome, done=self._done, held=self._held)

    def _change(self, stored: StoredChange, before: Resource | None) -> Change:
        """Return a change as the patterns see it: the whole of it, or the last step, by what was `before`."""
        after = stored.after
        was, becomes = (None if one is None else self._seen(one) for one in (before, after.resource))
        return Change(after.resource_type, after.id, was, becomes, stored.write.follows)

    def _seen(self, resource: Resource) -> dict[str, Any]:
        """Return a resource as the patterns see it, who compare references by their text.

        They see each of them several times.
        """
        known = self._relative.get(id(resource))
        if known is None:
            # The resource is kept as well, since its id may be another one's after its end.
            known = resource, cast(dict[str, Any], relative(resource, self._situation.base_url))
            self._relative[id(resource)] = known
        return known[1]

    def _judge(self, violations: Iterable[Violation]) -> None:
        """Raise the refusal of what is broken; warn in the log of what the hospital wants warnings of."""
        broken = []
        for violation in violations:
            mode = self._book.modes.of(violation.rule.id)
            if mode == "on":
                broken.append(violation)
            elif mode == "warn":
                self._log.warning("rule broken", rule=violation.rule.id)
        failure = refusal(broken)
        if failure is not None:
            raise failure

    def _outcome(self, following: Iterable[Consequence]) -> Outcome:
        writes: dict[tuple[str, str], Write] = {}
        entries: list[Entry] = []
        struck: list[str] = []
        for one in following:
            if isinstance(one, Later):
                entries.append(one.entry)
            elif isinstance(one, Strike):
                struck.append(one.beginning)
            else:
                write = self._write(one)
                there = writes.get((write.resource_type, write.id))
                # What is created once is left alone; a change of it, which knows that it is there, counts.
                if there is None or (there.must_be_new and isinstance(one, Put)):
                    writes[write.resource_type, write.id] = write
                elif isinstance(one, Put) and there.resource != write.resource:
                    if not one.is_whole:
                        raise _entangled()
                    writes[write.resource_type, write.id] = write
        return Outcome(tuple(writes.values()), entries, struck)

    def _write(self, one: Create | Put) -> Write:
        resource = dict(one.resource)
        resource_type = resource["resourceType"]
        if isinstance(one, Put) or "id" in resource:
            once = isinstance(one, Create)
            write = replacement(resource_type, resource["id"], resource, must_be_new=once)
        else:
            write = new_resource(resource_type, self._situation.new_id(), resource)
        write = as_set(write, self._situation.settings, self._situation.base_url)
        return replace(write, needs_if_match=False, follows=True)


def _handed_on(claim: Claim) -> Conflict:
    """Return the refusal of a claim to what another change of the transaction gives up."""
    told = claim.refusal.issues[0]
    message = f"{told.diagnostics}; another change here gives it up: send one after the other"
    return Conflict(replace(told, diagnostics=message))


def _entangled() -> Conflict:
    message = "What follows from these changes would undo each other: send one after the other"
    return Conflict(error("conflict", message))
