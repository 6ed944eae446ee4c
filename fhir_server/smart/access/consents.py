"""What patients have consented to: denials take from what a caller sees, and permits give back from a denial.

A consent without a denial changes nothing: who sees what without it is for the roles to say. Where a
provision says something that is not understood here, it denies all that it might deny, and permits nothing.
https://hl7.org/fhir/R4/consent.html
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fhir_server.search.asked import NOTHING, Condition, both, either, one_of
from fhir_server.search.conditions import condition
from fhir_server.search.intervals import interval
from fhir_server.smart.access.compartment import about_patients
from resources.definitions import resource_types
from resources.references import LiteralReference, parse_reference

Provision = Mapping[str, Any]

_MOST_DEEP = 5
_TYPE_SYSTEMS = frozenset({"http://hl7.org/fhir/resource-types", "http://hl7.org/fhir/fhir-types"})
_PURPOSES = {
    "TREAT": frozenset({"DR", "RN", "LB", "PH"}),
    "HPAYMT": frozenset({"BC"}),
    "HOPERAT": frozenset({"AD", "AU"}),
}
"""What each role looks at records for, by the codes of https://terminology.hl7.org/ValueSet-v3-PurposeOfUse.html."""

# What narrows a provision and is understood; with anything else it is not known what it is about.
_UNDERSTOOD = frozenset(
    {"id", "type", "period", "actor", "action", "purpose", "class", "securityLabel", "data", "provision"}
)
# What says for whom a provision is, and not about which resources.
_OF_CALLERS = frozenset({"id", "type", "period", "actor", "action", "purpose"})
_ACTIONS = frozenset({"access", "collect", "use", "disclose", "correct"})


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, as consents speak of callers: what they are as a resource, and their roles."""

    fhir_user: str | None
    roles: frozenset[str]

    @property
    def purposes(self) -> frozenset[str]:
        """The purposes for which people with these roles look at records."""
        return frozenset(code for code, roles in _PURPOSES.items() if roles & self.roles)


@dataclass(frozen=True, slots=True)
class Denials:
    """What consents deny to one caller: all of some `patients`, and of others what `scopes` say."""

    patients: tuple[str, ...]
    scopes: "tuple[Scope, ...]"


def denials(consents: Iterable[Mapping[str, Any]], asker: Asker, base_url: str, now: datetime) -> Denials:
    """Return what active `consents` deny to the caller now. Nobody is denied what is their own."""
    patients: list[str] = []
    scopes: list[Scope] = []
    for consent in consents:
        patient = consenting_patient(consent, base_url)
        if patient is None or asker.fhir_user == f"Patient/{patient}":
            continue
        provision = consent.get("provision", {})
        denied = _Reading(patient, asker, base_url, now).denied(provision, _MOST_DEEP)
        if denied is not None and provision.keys() <= _OF_CALLERS:
            patients.append(patient)
        elif denied is not None:
            scopes.append(denied)
    return Denials(tuple(sorted(set(patients))), tuple(scopes))


def not_denied(found: Denials, resource_type: str, base_url: str) -> Condition:
    """Return the condition that nothing of `found` denies a resource of a type; {} if nothing does."""
    conditions = [about_patients(resource_type, found.patients, base_url)]
    conditions += [scope(resource_type) for scope in found.scopes]
    denied = [one for one in conditions if one != NOTHING]
    return {"$nor": denied} if denied else {}


def consenting_patient(consent: Mapping[str, Any], base_url: str) -> str | None:
    """Return the id of the patient whose consent it is, None if that is nobody here."""
    reference = consent.get("patient", {}).get("reference", "").removeprefix(f"{base_url}/")
    parsed = parse_reference(reference)
    return parsed.id if parsed is not None and parsed.resource_type == "Patient" and not parsed.base else None


Scope = Callable[[str], Condition]
"""From a resource type to the condition that a resource is one of those that a provision is about."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """One consent as it is read for one caller."""

    patient: str
    asker: Asker
    base_url: str
    now: datetime

    def denied(self, provision: Provision, depth: int) -> Scope | None:
        """Return what a provision denies, None for nothing."""
        if provision.get("type") != "deny":
            return self._any(provision, self.denied, depth)
        if not self._is_about_caller(provision, unless_known=True):
            return None
        whole = self._scope(provision, unless_known=True)
        permitted = self._any(provision, self._permitted, depth)
        return whole if permitted is None else _without(whole, permitted)

    def _permitted(self, provision: Provision, depth: int) -> Scope | None:
        if provision.get("type") != "permit" or not provision.keys() <= _UNDERSTOOD:
            return None
        if not self._is_about_caller(provision, unless_known=False):
            return None
        whole, denied = self._scope(provision, unless_known=False), self._any(provision, self.denied, depth)
        return whole if denied is None else _without(whole, denied)

    def _any(
        self, provision: Provision, look: Callable[[Provision, int], Scope | None], depth: int
    ) -> Scope | None:
        if depth == 0:
            return None
        found = [
            one for inner in provision.get("provision", ()) if (one := look(inner, depth - 1)) is not None
        ]
        if not found:
            return None
        return lambda resource_type: either(
            [one for scope in found if (one := scope(resource_type)) != NOTHING]
        )

    def _is_about_caller(self, provision: Provision, *, unless_known: bool) -> bool:
        """Tell whether a provision speaks of the caller; `unless_known` is the answer to what is unclear."""
        period = provision.get("period", {})
        if "start" in period and self.now < interval(period["start"])[0]:
            return False
        if "end" in period and self.now >= interval(period["end"])[1]:
            return False
        purposes = {coding.get("code") for coding in provision.get("purpose", ())}
        if purposes and self.asker.purposes and not purposes & self.asker.purposes:
            return False
        actors = [actor.get("reference", {}).get("reference", "") for actor in provision.get("actor", ())]
        known = {actor.removeprefix(f"{self.base_url}/") for actor in actors}
        if known and self.asker.fhir_user not in known:
            # An organization or a group may stand for the caller, which is not looked up.
            return unless_known and any(not one.startswith(("Practitioner/", "Patient/")) for one in known)
        actions = {
            coding.get("code")
            for action in provision.get("action", ())
            for coding in action.get("coding", ())
        }
        return not actions or bool(actions & _ACTIONS) or unless_known

    def _scope(self, provision: Provision, *, unless_known: bool) -> Scope:
        """Return which resources a provision is about; `unless_known`: whether an unclear class is all."""
        types = self._types(provision, unless_known=unless_known)
        coded = provision.get("securityLabel", ())
        labels = [f"{one.get('system', '')}|{one.get('code', '')}" for one in coded]
        instances = [self._parsed(one["reference"].get("reference", "")) for one in provision.get("data", ())]

        def scope(resource_type: str) -> Condition:
            if types is not None and resource_type not in types:
                return NOTHING
            conditions = [about_patients(resource_type, (self.patient,), self.base_url)]
            if labels:
                conditions.append(self._labelled(resource_type, labels))
            if instances:
                ids = [one.id for one in instances if one is not None and one.resource_type == resource_type]
                conditions.append(one_of("_id", ids) if ids else NOTHING)
            return NOTHING if NOTHING in conditions else both(conditions)

        return scope

    def _parsed(self, reference: str) -> LiteralReference | None:
        return parse_reference(reference.removeprefix(f"{self.base_url}/"))

    def _labelled(self, resource_type: str, labels: Iterable[str]) -> Condition:
        text = ",".join(label.replace("\\", "\\\\").replace(",", "\\,") for label in labels)
        return condition(resource_type, "_security", (text,), self.base_url, self.now)

    def _types(self, provision: Provision, *, unless_known: bool) -> frozenset[str] | None:
        """Return the resource types that the classes of a provision name; None for all of them."""
        classes = provision.get("class", ())
        if not classes:
            return None
        names = frozenset(one.get("code", "") for one in classes if one.get("system") in _TYPE_SYSTEMS)
        is_known = len(names) == len(classes) and names <= set(resource_types())
        return None if unless_known and not is_known else names


def _without(whole: Scope, part: Scope) -> Scope:
    def scope(resource_type: str) -> Condition:
        everything, taken = whole(resource_type), part(resource_type)
        if NOTHING in (everything, taken):
            return everything
        return both([everything, {"$nor": [taken]}])

    return scope
