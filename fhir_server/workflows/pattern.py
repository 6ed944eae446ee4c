"""What a pattern of the hospital's work is made of: rules, states, and what it does about changes.

A pattern is data and pure functions: what it has to know beside a change it gathers first, from records as
the transaction sees them; then it checks, and says what follows. `rulebook.py` asks it within the one write
path, so that no way of changing a resource goes round it.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from fhir_server.operations.operation import Operation
from fhir_server.store.ruling import Claim
from fhir_server.workflows.agenda import Action
from fhir_server.workflows.consequences import Consequence
from fhir_server.workflows.notices import NoticeKind
from fhir_server.workflows.records import Records
from fhir_server.workflows.situation import Situation
from resources.operation_outcome import (
    Conflict,
    FhirError,
    Forbidden,
    Issue,
    NotSupported,
    ResourceNotFound,
    UnprocessableContent,
)

Resource = Mapping[str, Any]
Facts = TypeVar("Facts")

_KINDS: Mapping[int, type[FhirError]] = {
    403: Forbidden,
    404: ResourceNotFound,
    405: NotSupported,
    409: Conflict,
    422: UnprocessableContent,
}


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that a change may break: its id (`W3.double-booking`), what it says, and what the refusal is.

    `says` is one sentence for the documentation. `status` is the HTTP status of the refusal (403, 404, 405,
    409 or 422), `code` the issue's code: https://hl7.org/fhir/R4/valueset-issue-type.html
    """

    id: str
    says: str
    status: int = 422
    code: str = "business-rule"

    def broken(self, diagnostics: str, *expression: str) -> "Violation":
        """Return that the rule is broken: how, in words without patient data, and at which FHIRPaths."""
        return Violation(self, diagnostics, expression)

    def error(self, diagnostics: str, *expression: str) -> FhirError:
        """Return the refusal itself, for an operation to raise."""
        return self.broken(diagnostics, *expression).error()


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that a change breaks."""

    rule: Rule
    diagnostics: str
    expression: tuple[str, ...] = ()

    @property
    def issue(self) -> Issue:
        """The violation as an issue of an OperationOutcome."""
        return Issue("error", self.rule.code, self.diagnostics, self.expression, self.rule.id)

    def error(self) -> FhirError:
        """Return the refusal."""
        return _KINDS[self.rule.status](self.issue)


def refusal(violations: Iterable[Violation]) -> FhirError | None:
    """Return the one error that tells of all violations, None if there are none; the gravest status counts.

    What somebody may not do comes before what is taken, and that before what is not right.
    """
    found = list(violations)
    if not found:
        return None
    order = (403, 404, 405, 409, 422)
    first = min(found, key=lambda one: order.index(one.rule.status))
    issues = [first.issue, *(one.issue for one in found if one is not first)]
    return _KINDS[first.rule.status](*issues)


@dataclass(frozen=True, slots=True)
class StateTable:
    """The states of a resource type, and from which one may go to which.

    `transitions` has, for each state, those that may follow; one without any is final. A resource may come
    into the record in any state of `first`, or in any at all where there are none, as a record of the past
    does. `element` is where the state stands. `rule` refuses everything else. `told` are further transitions,
    for what other systems report was so (`Situation.is_reported`): that somebody was discharged
    whose admission it was never told of, or that a discharge was none.
    """

    resource_type: str
    rule: Rule
    transitions: Mapping[str, tuple[str, ...]]
    first: tuple[str, ...] = ()
    element: str = "status"
    applies: Callable[[Resource], bool] = lambda _resource: True
    told: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def violations(self, change: "Change", *, is_reported: bool = False) -> Iterable[Violation]:
        """Yield what is wrong with the step from one state to the other."""
        after = change.after
        if after is None or not self.applies(after):
            return
        state = after.get(self.element)
        where = f"{self.resource_type}.{self.element}"
        if change.before is None:
            if self.first and state not in self.first:
                yield self.rule.broken(f"It cannot begin as {state}; it begins as {_list(self.first)}", where)
            return
        was = change.before.get(self.element)
        if state == was or was is None:
            return
        allowed = self.transitions.get(was, ())
        if is_reported and state in self.told.get(was, ()):
            return
        if state not in allowed:
            following = f"after it comes {_list(allowed)}" if allowed else "nothing comes after it"
            yield self.rule.broken(f"{was} does not become {state}; {following}", where)


def _list(states: Iterable[str]) -> str:
    return ", ".join(states)


@dataclass(frozen=True, slots=True)
class Change:
    """One change to one resource: `before` is None for a new one, `after` for a deletion.

    Where what follows changes a resource again in the same transaction, `check` is asked about the whole
    change, `follows` about the last step. One that `is_ours` was last made by the rules or an operation of
    the hospital's work, and not by whoever asked (see `store.Write.follows`).
    """

    resource_type: str
    id: str
    before: Resource | None
    after: Resource | None
    is_ours: bool = False

    @property
    def reference(self) -> str:
        """The address of the resource, relative to the base."""
        return f"{self.resource_type}/{self.id}"

    def became(self, state: str, element: str = "status") -> bool:
        """Tell whether the resource is in a state in which it was not before."""
        was = None if self.before is None else self.before.get(element)
        return self.after is not None and self.after.get(element) == state != was


async def _nothing(_change: Change, _records: Records) -> Any:
    return None


@dataclass(frozen=True, slots=True)
class Watch(Generic[Facts]):
    """What a pattern does about the changes of some resource types. All but `gather` is pure.

    `completes` returns a resource with what the server fills in: from the resource as it was sent, what it
    was before, and the situation; one that has nothing to add returns the very resource. `draws` names the
    counters of which a resource that is written may need a number (`Situation.drawn`), be it new or not.
    `claims` are what a resource needs for itself alone in the state that it is in. `needs_version` is a rule,
    and for whose changes of what exists it holds: they name the version that they change (`If-Match`).
    `gather` looks up what the others have to know; it may `lock` what must not change meanwhile, after which
    nobody else who locks the same changes anything until the transaction ends: needed for whatever is summed
    or counted. `check` yields what is broken, and `follows` what follows.
    """

    types: frozenset[str]
    completes: Callable[[Resource, Resource | None, Situation], Resource] | None = None
    draws: Callable[[Resource], Iterable[str]] | None = None
    claims: Callable[[Resource], Iterable[Claim]] | None = None
    needs_version: tuple[Rule, Callable[[Situation], bool]] | None = None
    gather: Callable[[Change, Records], Awaitable[Facts]] = _nothing
    check: Callable[[Change, Facts, Situation], Iterable[Violation]] | None = None
    follows: Callable[[Change, Facts, Situation], Iterable[Consequence]] | None = None


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern of the hospital's work, with all that the rest of the server has to know of it.

    `actions` carry out what its entries of the agenda say, by their names (`W3.hold-expires`). `creates` are
    the resource types that its consequences may create. `notices` are the kinds of messages that it sends.
    `reserved` are labels (system and code), by resource type, that `$meta-add` and the like leave alone.
    """

    id: str
    title: str
    rules: tuple[Rule, ...] = ()
    states: tuple[StateTable, ...] = ()
    watches: tuple[Watch[Any], ...] = ()
    actions: Mapping[str, Action] = field(default_factory=dict)
    nightly: tuple[str, ...] = ()
    operations: tuple[Operation, ...] = ()
    creates: frozenset[str] = frozenset()
    notices: tuple[NoticeKind, ...] = ()
    reserved: Mapping[str, frozenset[tuple[str, str]]] = field(default_factory=dict)
