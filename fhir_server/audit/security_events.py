"""AuditEvents of what happens around signing in, granting and administration, and of emergencies.

Their types are those of DICOM where it has one. https://profiles.ihe.net/ITI/BALP/,
https://dicom.nema.org/medical/dicom/current/output/chtml/part15/sect_A.5.3.html
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from fhir_server.audit.actor import Actor, coded, person_and_address
from fhir_server.audit.events import FAILED, REFUSED, SUCCESS, patient_entity, source
from fhir_server.audit.patterns import SYSTEM_OBJECT, Action
from fhir_server.smart.events import EventKind, Record, SecurityEvent
from fhir_server.store import instant
from fhir_server.store.accounts import Account
from resources.operation_outcome import StoreUnavailable

Resource = dict[str, Any]

_DICOM = "http://dicom.nema.org/resources/ontology/DCM"
_ALERT, _AUTHENTICATION = "110113", "110114"
_CHANGES_OF_SECURITY = "110137"
_EXPORT = "110106"
_EMERGENCY_STARTED = "110127"


class _Told(NamedTuple):
    """How a kind of event is told: type and subtype of DICOM ("" for none), and the action."""

    type: str
    subtype: str = ""
    action: Action = "E"


_KINDS: Mapping[EventKind, _Told] = {
    "sign-in": _Told(_AUTHENTICATION, "110122"),
    "sign-out": _Told(_AUTHENTICATION, "110123"),
    "second-factor": _Told(_ALERT, _CHANGES_OF_SECURITY, "U"),
    "password-change": _Told(_ALERT, _CHANGES_OF_SECURITY, "U"),
    "password-reset": _Told(_ALERT, _CHANGES_OF_SECURITY, "U"),
    "lockout": _Told(_ALERT),
    "account-change": _Told(_ALERT, _CHANGES_OF_SECURITY, "U"),
    "launch": _Told(_AUTHENTICATION),
    "authorization": _Told(_AUTHENTICATION),
    "token": _Told(_AUTHENTICATION),
    "refresh": _Told(_AUTHENTICATION),
    "code-replay": _Told(_ALERT),
    "refresh-token-reuse": _Told(_ALERT),
    "client-authentication": _Told(_AUTHENTICATION, "110126"),
    "token-revocation": _Told(_AUTHENTICATION, "", "D"),
    "grant-revocation": _Told(_AUTHENTICATION, "", "D"),
    "client-registration": _Told(_ALERT, _CHANGES_OF_SECURITY, "C"),
    "client-change": _Told(_ALERT, _CHANGES_OF_SECURITY, "U"),
    "client-removal": _Told(_ALERT, _CHANGES_OF_SECURITY, "D"),
    "emergency-access": _Told(_ALERT, _EMERGENCY_STARTED),
    "backup": _Told(_EXPORT, "", "R"),
    "restore": _Told(_ALERT, "", "C"),
    "retention": _Told(_ALERT, "", "D"),
    "agenda-retry": _Told(_ALERT, "", "E"),
    "hl7v2-show": _Told(_EXPORT, "", "R"),
    "hl7v2-change": _Told(_ALERT, "", "U"),
}
# What nobody does by mistake.
_SERIOUS = frozenset({"code-replay", "refresh-token-reuse", "lockout"})


def actor_of_event(event: SecurityEvent, account: Account | None, base_url: str) -> Actor:
    """Return who an event is about; `account` is the person's, if it is known."""
    fhir_user = None if account is None else account.fhir_user
    roles: frozenset[str] = frozenset() if account is None else frozenset(account.roles)
    return Actor(base_url, event.address, event.client_id, event.account_id, fhir_user, roles)


def security_event(event: SecurityEvent, actor: Actor) -> Resource:
    """Return the AuditEvent, without an id, that tells of `event`, which is about `actor`."""
    told = _KINDS[event.kind]
    subtypes = [{"system": f"{actor.base_url}/CodeSystem/security-event", "code": event.kind}]
    if told.subtype:
        subtypes.append({"system": _DICOM, "code": told.subtype})
    found: Resource = {
        "resourceType": "AuditEvent",
        "type": {"system": _DICOM, "code": told.type},
        "subtype": subtypes,
        "action": told.action,
        "recorded": instant(event.moment),
        "outcome": _outcome(event),
        "agent": person_and_address(actor),
        "source": source(actor),
    }
    entities = [] if event.patient is None else [patient_entity(event.patient)]
    if event.detail:
        entities.append({"type": coded(SYSTEM_OBJECT), "description": event.detail})
    return found | ({"entity": entities} if entities else {})


def _outcome(event: SecurityEvent) -> str:
    if event.is_success:
        return SUCCESS
    return FAILED if event.kind in _SERIOUS else REFUSED


def recording(
    write: Callable[[Resource], Awaitable[None]],
    account: Callable[[str], Awaitable[Account | None]],
    base_url: str,
    also: Record,
) -> Record:
    """Return what takes security events, has their AuditEvents written by `write`, and tells `also`.

    `account` gives the account of an id. If the database does not take the event now, it waits there with
    others (see `Recorder.record`): nobody is kept from signing out, or from being locked out.
    """

    async def record(event: SecurityEvent) -> None:
        await also(event)
        try:
            person = None if event.account_id is None else await account(event.account_id)
        except StoreUnavailable:
            person = None
        try:
            await write(security_event(event, actor_of_event(event, person, base_url)))
        except StoreUnavailable:
            return

    return record
