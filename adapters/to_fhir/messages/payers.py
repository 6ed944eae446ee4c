"""GT1 and IN1: who vouches for what a patient owes, and which insurances pay. HL7 v2.5.1 §6.5.5, §6.5.6

A guarantor is a RelatedPerson, as an Account wants it, or the patient, or an organization. It is a record of
the person and gives no rights: these come with accounts of users, which messages do not make.
"""

from adapters.to_fhir.datatypes.identifiers import identities_of
from adapters.to_fhir.drafts import REFERENCE, Draft, Guarantor, Payers, Presence, Resource
from adapters.to_fhir.messages import clinical
from adapters.to_fhir.messages.common import filled, subject_parts
from adapters.to_fhir.scope import Scope
from adapters.to_fhir.segments.participations import GT1, GT1_PERIOD
from adapters.to_fhir.segments.patients import PID_ACCOUNT
from hl7.message import Segment

_SELF = ("SEL", "SLF")  # tables 0063 and 0344


def account(scope: Scope, presence: Presence = "minimal") -> Draft | None:
    """Add the account of PID-18, None if there is none."""
    pid = scope.message.first("PID")
    if pid is None or not pid[18] or pid[18].is_null:
        return None
    draft = Draft("account", {"resourceType": "Account"}, presence=presence)
    filled(scope, draft, PID_ACCOUNT, pid)
    draft.identities = identities_of(draft.resource.get("identifier", []))
    if not draft.identities:
        return None
    draft.resource["subject"] = [scope.drafts[scope.subject].reference]
    scope.drafts[draft.key] = draft
    return draft


def payers(scope: Scope, charged: Draft | None) -> None:
    """Add insurances and guarantors, and have the account list them, if the message names one."""
    clinical.coverages(scope)
    guarantors = [one for segment in scope.message.all("GT1") if (one := _guarantor(scope, segment))]
    coverages = tuple(one.key for one in scope.drafts.values() if one.type == "Coverage")
    if charged is not None and (guarantors or coverages):
        scope.effects.append(Payers(charged.key, tuple(guarantors), coverages))


def _guarantor(scope: Scope, segment: Segment) -> Guarantor | None:
    told: Resource = {}
    with scope.within("account" if "account" in scope.drafts else "", "guarantor"):
        GT1_PERIOD(segment, scope, told)
    period = told.get("period", {})
    if segment.get(11) in _SELF:
        party = scope.subject
    elif "party" in told:
        party = told["party"]["reference"].removeprefix(REFERENCE)
    else:
        party = _person(scope, segment)
    return Guarantor(party, period.get("start", ""), period.get("end", "")) if party else None


def _person(scope: Scope, segment: Segment) -> str:
    """Add somebody who vouches; return the key of the draft, "" for somebody without number and name."""
    draft = Draft("", {"resourceType": "RelatedPerson"})
    filled(scope, draft, GT1, segment)
    resource = draft.resource
    number = next(iter(resource.get("identifier", ())), None)
    name: Resource = next(iter(resource.get("name", ())), {})
    parts = (number["system"], number["value"]) if number else (
        name.get("family", ""), *name.get("given", ()), resource.get("birthDate", ""))  # fmt: skip
    if not any(parts):
        scope.warn("a guarantor of whom is not said who it is")
        return ""
    resource["patient"] = scope.drafts[scope.subject].reference
    draft.parts = ("guarantor", *subject_parts(scope), *parts)
    draft.key = "guarantor:" + draft.id
    scope.drafts.setdefault(draft.key, draft)
    return draft.key
