"""From what happened to AuditEvents in the patterns of IHE.

An event tells of one patient at most: so a patient who asks who saw their records learns of nobody else's.
https://profiles.ihe.net/ITI/BALP/, https://hl7.org/fhir/R4/auditevent.html
"""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fhir_server.audit.actor import Actor, agents, coded, site
from fhir_server.audit.patterns import (
    APPLICATION_SERVER,
    DOMAIN_RESOURCE,
    INTERACTION,
    PATIENT,
    PERSON,
    QUERY,
    REQUEST_ID,
    REST,
    SYSTEM_OBJECT,
    Pattern,
)
from fhir_server.store import instant

Resource = dict[str, Any]

# More than a page may hold would make events that MongoDB is slow with; the rest goes into the next one.
_MOST_REFERENCES = 200

SUCCESS, REFUSED, FAILED = "0", "4", "8"
"""https://hl7.org/fhir/R4/valueset-audit-event-outcome.html"""

_TRANSACTION_TYPE = coded(REQUEST_ID)
_DATA = {"type": coded(SYSTEM_OBJECT), "role": coded(DOMAIN_RESOURCE)}
_ROLE_ALONE = {"role": coded(DOMAIN_RESOURCE)}


@dataclass(frozen=True, slots=True)
class Access:
    """What one request did in one way: an interaction with some resources, by somebody, at a moment.

    `touched` are the resources as `Type/id` or `Type/id/_history/version`, by the ids of the patients whom
    they are about, "" standing for none; a resource about two patients is there twice. `query` is the address
    as it was asked, after the base. `outcome` is SUCCESS, or says that it was refused or failed, and
    `reason` then what was answered. `request_id` is the number of the request in the log, "" on a page.
    """

    actor: Actor
    pattern: Pattern
    moment: datetime
    request_id: str
    touched: Mapping[str, Sequence[str]]
    query: str = ""
    operation: str = ""
    outcome: str = SUCCESS
    reason: str = ""


def parts(access: Access) -> Iterable[tuple[str, Sequence[str]]]:
    """Yield what an access is told of in one event each: a patient, or "", and references."""
    for patient, references in (access.touched or {"": ()}).items():
        for start in range(0, max(len(references), 1), _MOST_REFERENCES):
            yield patient, references[start : start + _MOST_REFERENCES]


def event(access: Access, patient: str, references: Sequence[str]) -> Resource:
    """Return the AuditEvent, without an id, that tells of one part of an access."""
    actor, pattern = access.actor, access.pattern
    is_emergency = patient in actor.emergencies
    profile = pattern.profile_url(of_patient=bool(patient)) if access.outcome == SUCCESS else None
    subtype = [{"system": INTERACTION, "code": pattern.code}]
    if access.operation:
        subtype.append({"system": f"{actor.base_url}/CodeSystem/operation", "code": access.operation})
    found: Resource = {"resourceType": "AuditEvent"}
    if profile is not None and (pattern.is_query or len(references) == 1):
        found["meta"] = {"profile": [profile]}
    found |= {
        "type": coded(REST),
        "subtype": subtype,
        "action": pattern.action,
        "recorded": instant(access.moment),
        "outcome": access.outcome,
    }
    if access.reason:
        found["outcomeDesc"] = access.reason
    found |= {
        "agent": agents(actor, sends=pattern.sends, is_emergency=is_emergency),
        "source": source(actor),
    }
    entities = list(_entities(access, patient, references))
    return found | ({"entity": entities} if entities else {})


def source(actor: Actor) -> dict[str, Any]:
    """Return `AuditEvent.source`: this server."""
    name = site(actor)
    return {"site": name, "observer": {"display": name}, "type": [coded(APPLICATION_SERVER)]}


def _entities(access: Access, patient: str, references: Sequence[str]) -> Iterable[dict[str, Any]]:
    # The entity of a query is known by its type, which what was found can therefore not have.
    data = _ROLE_ALONE if access.pattern.is_query else _DATA
    yield from ({"what": {"reference": reference}, **data} for reference in references)
    if access.query:
        query = b64encode(access.query.encode()).decode("ascii")
        yield {"type": coded(SYSTEM_OBJECT), "role": coded(QUERY), "query": query}
    if patient:
        yield patient_entity(patient)
    if access.request_id:
        yield {"what": {"identifier": {"value": access.request_id}}, "type": _TRANSACTION_TYPE}


def patient_entity(patient: str) -> dict[str, Any]:
    """Return the element of `AuditEvent.entity` for a patient."""
    return {"what": {"reference": f"Patient/{patient}"}, "type": coded(PERSON), "role": coded(PATIENT)}
