"""What one caller may do with resources of a type: the scopes of the token and the rules of the roles.

A grant of the one holds only within a grant of the other. A backend service has no roles: its scopes say all.
https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from fhir_server.search.asked import NOTHING, Condition, both, either
from fhir_server.search.lookups import needs_lookup
from fhir_server.search.parameters import parse_search
from fhir_server.smart.access.compartment import about_patients, is_about_patients, of_practitioner
from fhir_server.smart.access.matching import is_understood
from fhir_server.smart.access.roles import ACTIONS, Matrix, Rule, pairs_of
from fhir_server.smart.oauth.scopes import Scope, parse_scope
from fhir_server.smart.principal import Principal
from resources.operation_outcome import FhirError

CREATE_BY_UPDATE = "+"
"""The action of making a resource by an update, beside the letters of scopes.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#scopes-for-requesting-fhir-resources
"""

_WITHOUT_ROLES: tuple[Rule, ...] = (Rule(ACTIONS),)


@dataclass(frozen=True, slots=True)
class Grant:
    """What may be done with the resources of a type that meet `condition`.

    `elements` are those that are shown, and `changes` those that an update may change; None for all.
    """

    actions: frozenset[str]
    condition: Condition
    elements: frozenset[str] | None = None
    changes: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """A principal, and what the grants of all types depend on beside it.

    `own` are the ids of the patients that the person is, or acts for; `treated` those of the patients whom
    the practitioner treats, and `emergencies` those to whom there is access in an emergency, who are among
    them. `base_url` and `now` are as in Context.
    """

    principal: Principal
    matrix: Matrix
    base_url: str
    now: datetime
    own: tuple[str, ...] = ()
    treated: tuple[str, ...] = ()
    emergencies: tuple[str, ...] = ()

    @property
    def practitioner(self) -> str | None:
        """The id of the practitioner that the person is, if that is what they are."""
        resource_type, _, resource_id = (self.principal.fhir_user or "").partition("/")
        return resource_id if resource_type == "Practitioner" else None


def grants(caller: Caller, resource_type: str) -> tuple[Grant, ...]:
    """Return what the caller may do with resources of a type; () for nothing.

    A grant may be of resources of which there are none, such as those of a doctor who treats nobody.
    """
    rules = _WITHOUT_ROLES
    if caller.principal.account_id is not None:
        rules = caller.matrix.rules(caller.principal.roles, resource_type)
    return tuple(
        Grant(
            actions,
            both([_of_scope(caller, scope, resource_type), _of_rule(caller, rule, resource_type)]),
            rule.elements,
            rule.changes,
        )
        for scope in _scopes(caller.principal, resource_type)
        for rule in rules
        if (actions := _actions(scope, rule))
    )


def actions_of_scopes(principal: Principal, resource_type: str) -> frozenset[str]:
    """Return what the application may do with some resources of a type, whatever the person may; "*" for all.

    https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#wildcard-scopes
    """
    return frozenset().union(*(scope.actions for scope in _scopes(principal, resource_type)))


def _actions(scope: Scope, rule: Rule) -> frozenset[str]:
    """Return what both allow. What an update creates, the scope allows by "u" and the role by "c"."""
    creates = "u" in scope.actions and "c" in rule.actions
    return scope.actions & rule.actions | frozenset(CREATE_BY_UPDATE if creates else "")


def _scopes(principal: Principal, resource_type: str) -> Iterable[Scope]:
    for text in principal.scopes:
        scope = parse_scope(text)
        if scope is None or scope.resource_type not in ("*", resource_type):
            continue
        # A backend service acts for nobody, and a person is no system.
        if (scope.context == "system") == (principal.account_id is None):
            yield scope


def _of_scope(caller: Caller, scope: Scope, resource_type: str) -> Condition:
    conditions: list[Condition] = []
    if scope.context == "patient" and is_about_patients(resource_type):
        patient = caller.principal.patient
        conditions.append(_about(caller, resource_type, (patient,) if patient else ()))
    if scope.query:
        conditions.append(_of_search(caller, resource_type, scope.query))
    return both(conditions)


def _of_rule(caller: Caller, rule: Rule, resource_type: str) -> Condition:
    alternatives = [_of(caller, whose, resource_type) for whose in sorted(rule.whose)]
    possible = [one for one in alternatives if one != NOTHING]
    searched = _of_search(caller, resource_type, pairs_of(rule.where)) if rule.where else {}
    return both([{} if {} in possible else either(possible), searched])


def _of(caller: Caller, whose: str, resource_type: str) -> Condition:
    if whose == "any":
        return {}
    if whose == "own":
        return _about(caller, resource_type, caller.own)
    if whose == "treated":
        return _about(caller, resource_type, caller.treated)
    if caller.practitioner is None:
        return NOTHING
    return of_practitioner(resource_type, caller.practitioner, caller.base_url)


def _about(caller: Caller, resource_type: str, patients: Sequence[str]) -> Condition:
    return about_patients(resource_type, patients, caller.base_url)


def _of_search(caller: Caller, resource_type: str, pairs: Sequence[tuple[str, str]]) -> Condition:
    """Return the condition of a search, NOTHING for one that is not understood, or that asks of others."""
    try:
        query = parse_search(resource_type, pairs, lenient=False, base_url=caller.base_url, now=caller.now)
    except FhirError:
        return NOTHING
    is_plain = not needs_lookup(query.filter) and is_understood(query.filter)
    return query.filter if is_plain else NOTHING
