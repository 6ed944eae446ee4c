"""Who makes a request, as far as the server knows it, in the form that AuditEvents and Provenances have."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from fhir_server.smart.principal import Principal

_DICOM = "http://dicom.nema.org/resources/ontology/DCM"
_PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
# Destination and source: https://dicom.nema.org/medical/dicom/current/output/chtml/part16/sect_CID_402.html
_DESTINATION = (_DICOM, "110152")
_SOURCE = (_DICOM, "110153")
_RECIPIENT = (_PARTICIPATION, "IRCP")
_AUTHOR = (_PARTICIPATION, "AUT")
_BREAK_THE_GLASS = (_ACT_REASON, "BTG")
# https://hl7.org/fhir/R4/valueset-network-type.html: 2 is an IP address, 5 a URI.
_IP_ADDRESS, _URI = "2", "5"


@dataclass(frozen=True, slots=True)
class Actor:
    """The application and the person behind a request, each None where it is not known.

    `address` is the network address it came from, `fhir_user` the person as a resource. `emergencies` are
    the ids of those patients to whom they have access in an emergency only.
    """

    base_url: str
    address: str
    client_id: str | None = None
    account_id: str | None = None
    fhir_user: str | None = None
    roles: frozenset[str] = frozenset()
    token_id: str = ""
    emergencies: frozenset[str] = frozenset()


def actor_of(
    principal: Principal | None, base_url: str, address: str, emergencies: frozenset[str] = frozenset()
) -> Actor:
    """Return who makes a request with the token of `principal`, from the network address `address`."""
    if principal is None:
        return Actor(base_url, address)
    return Actor(
        base_url,
        address,
        principal.client_id,
        principal.account_id,
        principal.fhir_user,
        principal.roles,
        principal.token_id,
        emergencies,
    )


@lru_cache(maxsize=4096)
def agents(actor: Actor, *, sends: bool, is_emergency: bool) -> list[dict[str, Any]]:
    """Return the elements of `AuditEvent.agent`; nobody may change them.

    The client `sends` what it writes, or the words of a query; what is read comes from the server. Of an
    event by an `is_emergency` the agent says so.
    """
    found = [] if actor.account_id is None else [_person(actor, sends=sends, is_emergency=is_emergency)]
    client: dict[str, Any] = {
        "type": _concept(_SOURCE if sends else _DESTINATION),
        "who": {"identifier": {"value": actor.client_id or "unknown"}},
        "requestor": actor.account_id is None,
    }
    if actor.address:
        client["network"] = {"address": actor.address, "type": _IP_ADDRESS}
    if actor.token_id and actor.account_id is None:
        client["policy"] = [_token(actor)]
    server = {
        "type": _concept(_DESTINATION if sends else _SOURCE),
        "who": {"display": site(actor)},
        "requestor": False,
        "network": {"address": actor.base_url, "type": _URI},
    }
    return [*found, client, server]


def person_and_address(actor: Actor) -> list[dict[str, Any]]:
    """Return the elements of `AuditEvent.agent` for what is not an exchange with the FHIR interface."""
    found = [] if actor.account_id is None else [_person(actor, sends=True, is_emergency=False)]
    client: dict[str, Any] = {"who": {"identifier": {"value": actor.client_id or "unknown"}}}
    client["requestor"] = actor.account_id is None
    if actor.address:
        client["network"] = {"address": actor.address, "type": _IP_ADDRESS}
    return [*found, client] if actor.client_id or actor.address or not found else found


def _person(actor: Actor, *, sends: bool, is_emergency: bool) -> dict[str, Any]:
    person: dict[str, Any] = {"type": _concept(_AUTHOR if sends else _RECIPIENT)}
    if actor.roles:
        person["role"] = [_role(code, actor) for code in sorted(actor.roles)]
    person |= {"who": who(actor), "requestor": True}
    if actor.token_id:
        person["policy"] = [_token(actor)]
    if is_emergency:
        person["purposeOfUse"] = [_concept(_BREAK_THE_GLASS)]
    return person


def who(actor: Actor) -> dict[str, Any]:
    """Return the reference to the person, else to the application, else to an address."""
    if actor.account_id is not None:
        account = {"identifier": {"system": f"{actor.base_url}/account", "value": actor.account_id}}
        return account if actor.fhir_user is None else {"reference": actor.fhir_user, **account}
    return {"identifier": {"value": actor.client_id or actor.address or "unknown"}}


def site(actor: Actor) -> str:
    """Return the name under which this server is known."""
    return urlsplit(actor.base_url).netloc or actor.base_url or "fhir-server"


def _role(code: str, actor: Actor) -> dict[str, Any]:
    return _concept((f"{actor.base_url}/CodeSystem/role", code))


def _token(actor: Actor) -> str:
    return f"urn:uuid:{actor.token_id}"


def _concept(coding: tuple[str, str]) -> dict[str, Any]:
    return {"coding": [coded(coding)]}


def coded(coding: tuple[str, str]) -> Mapping[str, str]:
    """Return a Coding of system and code.

    Without what they are called, which all systems know, and which would be indexed with every event.
    """
    system, code = coding
    return {"system": system, "code": code}
