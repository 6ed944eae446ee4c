"""What one request leaves on record: what it read or was refused and, in its transactions, what changed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from fhir_server.audit.actor import Actor, actor_of
from fhir_server.audit.disclosure import Touched, add, asked_about, disclosed
from fhir_server.audit.events import FAILED, REFUSED, SUCCESS, Access
from fhir_server.audit.patients import patients_of, patients_of_change
from fhir_server.audit.patterns import pattern_of
from fhir_server.audit.provenance import provenances
from fhir_server.audit.recorder import Recorder, as_write, as_writes
from fhir_server.audit.security_events import security_event
from fhir_server.context import Context, Request, Response, Route
from fhir_server.errors import error_response
from fhir_server.query_string import as_text
from fhir_server.smart.events import EventKind, SecurityEvent
from fhir_server.smart.principal import Principal
from fhir_server.store import Write
from fhir_server.store.witnessing import Change
from resources.operation_outcome import FhirError

Resource = dict[str, Any]

_UNRECORDED = frozenset({"capabilities", "operation-definition", "async-status", "async-cancel"})
"""What gives out no records: the answer of a job was recorded when it was found."""

_WRITES = frozenset(
    {
        *("create", "update", "patch", "delete", "batch-or-transaction"),
        *("conditional-update", "conditional-patch", "conditional-delete"),
    }
)
"""Told of in the transaction that makes the changes."""


class Trail:
    """One request on record; the witness of its store (see `store.witnessing.Witness`).

    `provenance` is what the client sent of its own to tell where its changes come from.
    """

    def __init__(
        self,
        recorder: Recorder | None,
        request_id: str,
        base_url: str,
        address: str,
        now: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        """Hand events to `recorder`; without one only a Provenance that was sent is stored."""
        self._recorder = recorder
        self._request_id = request_id
        self._base_url = base_url
        self._address = address
        self._principal: Principal | None = None
        self._emergencies: frozenset[str] = frozenset()
        self._now = now
        self._new_id = new_id
        self._seen: dict[tuple[str, str], Resource] = {}
        self._told: list[FhirError] = []
        self.provenance: Resource | None = None

    def knows(self, principal: Principal, emergencies: Iterable[str] = ()) -> None:
        """Take note of who makes the request, and to whose records they have access in an emergency only."""
        self._principal, self._emergencies = principal, frozenset(emergencies)

    @property
    def _actor(self) -> Actor:
        return actor_of(self._principal, self._base_url, self._address, self._emergencies)

    def recording(self, match: Callable[[Request], Route]) -> Callable[[Request], Route]:
        """Return `match` so that whatever is found by it is on record."""
        return lambda request: self.recorded(match(request))

    def recorded(self, route: Route) -> Route:
        """Return `route` so that what it answers, or refuses, is on record."""
        recorder = self._recorder
        if recorder is None or route.code in _UNRECORDED:
            return route

        async def handler(request: Request, context: Context) -> Response:
            try:
                response = await route.handler(request, context)
            except FhirError as failure:
                self.refused(request, route, failure)
                raise
            self._answered(request, route, response)
            if route.code == "operation" and not route.is_safe:
                await recorder.flush()  # what it changed is not told of in a transaction
            return response

        return replace(route, handler=handler)

    def saw(self, resource: Resource) -> None:
        """Take note of a stored resource: what is shown of it may not say whom it is about."""
        self._seen[resource["resourceType"], resource["id"]] = resource

    def testify(self, changes: Sequence[Change]) -> Sequence[Write]:
        """Return the AuditEvents and Provenances of changes, to be stored with them."""
        moment = self._now()
        found: list[Write] = []
        if self._recorder is not None:
            self._recorder.wake()
            for code, touched in self._changed(changes).items():
                access = Access(self._actor, pattern_of(code), moment, self._request_id, touched)
                found += as_writes(access, self._new_id)
        if self._recorder is not None or self.provenance is not None:
            told = provenances(changes, self._actor, moment, self.provenance)
            found += [as_write(resource, self._new_id()) for resource in told]
        return found

    def _changed(self, changes: Sequence[Change]) -> dict[str, Touched]:
        base_url = self._base_url
        found: dict[str, Touched] = {}
        for change in changes:
            patients = patients_of_change(change, base_url)
            add(found.setdefault(_code_of(change), {}), change.after.location, patients)
        return found

    def _answered(self, request: Request, route: Route, response: Response) -> None:
        found_already = route.code == "create" and response.status == 200
        if route.code in _WRITES and not found_already:
            return
        code = "read" if found_already else route.code
        touched = disclosed(request, response, self._base_url, self._patients)
        if response.document is not None and request.path[-1:] != ("$graphql",):
            # Selected by `_graphql` of what was read, which the document does not tell any more.
            for (resource_type, resource_id), resource in self._seen.items():
                add(touched, f"{resource_type}/{resource_id}", self._patients(resource))
        if code == "operation" and len(request.path) > 2:
            self._add_called_on(request.path, touched)
        self._add(code, request, touched)

    def _add_called_on(self, path: tuple[str, ...], touched: Touched) -> None:
        """Add the resource that an operation was called on, if its answer does not have it."""
        reference = f"{path[0]}/{path[1]}"
        if not any(reference in told for told in touched.values()):
            resource = self._seen.get((path[0], path[1]), {"resourceType": path[0], "id": path[1]})
            add(touched, reference, self._patients(resource))

    def _patients(self, resource: Resource) -> tuple[str, ...]:
        base_url = self._base_url
        found = dict.fromkeys(patients_of(resource, base_url))
        whole = self._seen.get((resource["resourceType"], resource.get("id", "")))
        if whole is not None and whole is not resource:
            found |= dict.fromkeys(patients_of(whole, base_url))
        return tuple(found)

    def refused(self, request: Request, route: Route, failure: FhirError) -> None:
        """Put on record that a request, or an entry of one, was not carried out, and why."""
        if any(failure is told for told in self._told):
            return
        self._told.append(failure)
        self.failed(request, route, error_response(failure).status, failure.issues[0].code)

    def failed(self, request: Request, route: Route, status: int, code: str) -> None:
        """Put on record that a request was answered with an error: HTTP status, and code of the issue."""
        if route.code in _UNRECORDED:
            return
        touched = asked_about(request, self._base_url)
        if len(request.path) > 1 and not request.path[1].startswith(("_", "$")):
            reference = f"{request.path[0]}/{request.path[1]}"
            touched = {patient: [reference] for patient in touched} or {"": [reference]}
        self._add(route.code, request, touched, REFUSED if status < 500 else FAILED, f"{status} {code}")

    async def tell(self, kind: EventKind, patient: str | None, detail: str) -> None:
        """Put on record now what the request does beside what it reads and writes, to a patient if it does.

        Raises StoreUnavailable if that fails; then it is written later.
        """
        if self._recorder is not None:
            actor, moment = self._actor, self._now()
            event = SecurityEvent(
                kind, True, moment, actor.account_id, actor.client_id, actor.address, patient, detail
            )
            await self._recorder.record(security_event(event, actor))

    def _add(
        self, code: str, request: Request, touched: Touched, outcome: str = SUCCESS, reason: str = ""
    ) -> None:
        if self._recorder is None:
            return
        pattern = pattern_of(code)
        access = Access(self._actor, pattern, self._now(), self._request_id, touched, "", "", outcome, reason)
        if pattern.is_query:
            access = replace(access, query=_as_asked(request))
        if code == "operation":
            access = replace(access, operation=request.path[-1].removeprefix("$"))
        self._recorder.add(access)


def _code_of(change: Change) -> str:
    if change.write.method == "DELETE":
        return "delete"
    return "create" if change.before is None else "update"


def _as_asked(request: Request) -> str:
    """Return the address of a request after the base, as it would be in a URL."""
    query = as_text(request.query)
    return "/".join(request.path) + (f"?{query}" if query else "")
