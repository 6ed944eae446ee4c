"""Letting a request in: from the token in its header to a context in which the rules for its caller hold.

https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html, https://datatracker.ietf.org/doc/html/rfc6750
"""

import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime

from fhir_server.context import Context, Request, Route
from fhir_server.search.asked import Condition, both
from fhir_server.smart.access.consent_list import DenyingConsents
from fhir_server.smart.access.consents import Asker, Denials, consenting_patient, denials, not_denied
from fhir_server.smart.access.grants import Caller
from fhir_server.smart.access.guard import AccessGuard
from fhir_server.smart.access.labels import unlabelled
from fhir_server.smart.access.public import VISITOR, is_public
from fhir_server.smart.access.requirements import IMPORT, PUBLIC, check, check_role
from fhir_server.smart.access.roles import Matrix
from fhir_server.smart.access.treatment import Treatment
from fhir_server.smart.principal import Principal
from fhir_server.store import Store
from fhir_server.transport.throttling import Throttle
from resources.operation_outcome import FhirError, Throttled, Unauthenticated, error

Authenticate = Callable[[str], Awaitable[Principal | None]]
"""From an access token to whom it stands for; None for one that is unknown, over or withdrawn.

Raises AuthorizationUnavailable if nobody can tell.
"""

_REALM = 'Bearer realm="fhir"'
# Our own have 43; those of an OpenID provider hold names and roles of the person.
_LONGEST_TOKEN = 16_384
_EMERGENCY = "break-glass"


class Admission:
    """Lets requests in by their tokens; lives as long as the process."""

    def __init__(
        self,
        authenticate: Authenticate,
        treatment: Treatment,
        consents: DenyingConsents,
        matrix: Matrix,
        throttle: Throttle,
    ) -> None:
        """Know callers by `authenticate`, and what they may do by `matrix`, `treatment` and `consents`.

        `throttle` counts what each of them asks.
        """
        self._throttle = throttle
        self._consents = consents
        self._authenticate = authenticate
        self._treatment = treatment
        self._matrix = matrix

    async def admitted(
        self, request: Request, route: Route, authorization: str | None, context: Context
    ) -> Context:
        """Return `context` as it is for the caller: with a store that has nothing else than they may see.

        Raises Unauthenticated without a token that is good, Throttled for a caller who asks too often, and
        Forbidden for what the caller may not do with any resource.
        """
        if route.code in PUBLIC:
            return context
        if authorization is None and is_public(request, route, context.settings):
            caller = Caller(VISITOR, self._matrix, context.base_url, context.now())
            guard = await self._guard(caller)
            check(request, route, caller, guard)
            return replace(context, store=context.store.guarded(guard), principal=VISITOR)
        principal = await self._principal(authorization)
        self._count(principal)
        if context.trail is not None:
            context.trail.knows(principal)
        caller = await self._caller(principal, context.store, context.base_url, context.now())
        if context.trail is not None and caller.emergencies:
            context.trail.knows(principal, caller.emergencies)
        guard = await self._guard(caller)
        check(request, route, caller, guard)
        if context.is_import:
            check_role(IMPORT, caller)

        def match(entry: Request) -> Route:
            found = context.match(entry)
            try:
                check(entry, found, caller, guard)
            except FhirError as failure:
                if context.trail is not None:
                    context.trail.refused(entry, found, failure)
                raise
            return found

        return replace(context, store=context.store.guarded(guard), match=match, principal=principal)

    async def known(self, authorization: str | None) -> Principal:
        """Return whose token an Authorization header has, for what is beside the FHIR interface.

        Raises as `admitted` does.
        """
        principal = await self._principal(authorization)
        self._count(principal)
        return principal

    async def seen_by(self, principal: Principal, store: Store, base_url: str, now: datetime) -> Store:
        """Return `store` as the caller sees it, for pages of the server's own."""
        return store.guarded(await self._guard(await self._caller(principal, store, base_url, now)))

    async def _guard(self, caller: Caller) -> AccessGuard:
        return AccessGuard(caller, _limits(caller, await self._denials(caller)))

    async def _principal(self, authorization: str | None) -> Principal:
        if authorization is None:
            raise Unauthenticated(
                error("login", "This needs an access token: Authorization: Bearer ..."), challenge=_REALM
            )
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or len(token) > _LONGEST_TOKEN:
            raise _invalid_token()
        principal = await self._authenticate(token)
        if principal is None:
            raise _invalid_token()
        return principal

    def _count(self, principal: Principal) -> None:
        """Count a request of an application for a person, whichever of its tokens it comes with."""
        wait = self._throttle.wait(f"{principal.client_id} {principal.account_id or ''}")
        if wait:
            raise Throttled(math.ceil(wait))

    async def _denials(self, caller: Caller) -> Denials:
        """Return what consents deny to a person; in an emergency the patient is not asked.

        A backend service acts for the hospital: what it brings in has to be stored whoever may then see it.
        """
        if caller.principal.account_id is None:
            return Denials((), ())
        asker = Asker(caller.principal.fhir_user, caller.principal.roles)
        consents = await self._consents.consents()
        if caller.emergencies:
            emergencies = set(caller.emergencies)
            consents = tuple(
                one for one in consents if consenting_patient(one, caller.base_url) not in emergencies
            )
        return denials(consents, asker, caller.base_url, caller.now)

    async def _caller(self, principal: Principal, store: Store, base_url: str, now: datetime) -> Caller:
        caller = Caller(principal, self._matrix, base_url, now, _own(principal))
        treated: set[str] = set()
        if caller.practitioner is not None and self._matrix.asks_for_treatment(principal.roles):
            found = await self._treatment.patients(caller.practitioner, base_url, caller.now)
            treated = set(found)
        emergencies: tuple[str, ...] = ()
        if principal.account_id is not None and principal.roles & self._matrix.operations.get(
            _EMERGENCY, set()
        ):
            emergencies = await store.emergency_access.patients(principal.account_id, caller.now)
        return replace(caller, treated=tuple(sorted(treated.union(emergencies))), emergencies=emergencies)


def _own(principal: Principal) -> tuple[str, ...]:
    resource_type, _, resource_id = (principal.fhir_user or "").partition("/")
    own = {resource_id} if resource_type == "Patient" else set()
    return tuple(sorted(own | set(principal.patients)))


def _limits(caller: Caller, denied: Denials) -> Callable[[str], Condition]:
    def limits(resource_type: str) -> Condition:
        consented = not_denied(denied, resource_type, caller.base_url)
        return both([unlabelled(caller, resource_type), consented])

    return limits


def _invalid_token() -> Unauthenticated:
    message = "The access token is unknown, over or withdrawn"
    return Unauthenticated(error("login", message), challenge=f'{_REALM}, error="invalid_token"')
