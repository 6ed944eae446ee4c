"""What holds for each Patient: number, name, birth date, identifiers of their own, links that lead somewhere.

https://hl7.org/fhir/R4/patient.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fhir_server.store import instant
from fhir_server.store.ruling import Claim
from fhir_server.workflows.consequences import Consequence, Create
from fhir_server.workflows.made import concept, has_code, key_id, made
from fhir_server.workflows.pattern import Change, Violation, Watch
from fhir_server.workflows.records import Records, local
from fhir_server.workflows.registration import rules
from fhir_server.workflows.registration.identity import (
    has_name,
    is_confirmed_new,
    is_merged,
    is_self_registered,
    is_temporary,
    links,
)
from fhir_server.workflows.registration.likeness import is_here
from fhir_server.workflows.registration.record_numbers import (
    COUNTER,
    IDENTIFIER_TYPES,
    identifiers,
    is_typed,
    key_of,
    record_number,
    record_numbers,
)
from fhir_server.workflows.situation import Situation

Resource = Mapping[str, Any]

# Others give these, families share them, and people mistype them.
_OF_OTHERS = ("SS", "DL")
_MOST_LINKS = 50


@dataclass(frozen=True, slots=True)
class Facts:
    """What has to be known of others: whether the patient is here already, and whom the links lead to.

    `linked` are the patients behind the links, by reference, None for one who is not here; `is_circle` says
    that the record went into itself in the end.
    """

    is_here: bool
    linked: Mapping[str, Resource | None]
    is_circle: bool


def draws(patient: Resource) -> Iterable[str]:
    """Name the counter, for a patient without a number."""
    return [] if any(is_typed(one) for one in identifiers(patient)) else [COUNTER]


def completes(patient: Resource, before: Resource | None, situation: Situation) -> Resource:
    """Give a patient a medical record number, and let nobody lose the one that they have."""
    if is_merged(patient):
        return patient
    settings = situation.settings
    mine = record_numbers(patient, settings)
    there = {key_of(one) for one in mine}
    # Those that came with a record that went into this one go with it again.
    parted = not set(links(before, "replaces")) <= set(links(patient, "replaces"))
    kept = [
        one
        for one in record_numbers(before, settings)
        if key_of(one) not in there and not (parted and one.get("use") == "old")
    ]
    if not mine and not kept:
        kept = [record_number(situation.drawn(COUNTER, patient), settings)]
    return {**patient, "identifier": [*kept, *identifiers(patient)]} if kept else patient


def claims(patient: Resource) -> Iterable[Claim]:
    """Claim each identifier; those of a record that went into another one are the other's."""
    if is_merged(patient):
        return
    refusal = rules.DUPLICATE_IDENTIFIER.error(
        "Another patient has one of these identifiers; create with If-None-Exist answers with that patient",
        "Patient.identifier",
    )
    for one in identifiers(patient):
        key = key_of(one)
        if key is not None and not has_code(one.get("type"), IDENTIFIER_TYPES, *_OF_OTHERS):
            yield Claim(f"W1/identifier/{key[0]}|{key[1]}", f"Patient/{patient['id']}", refusal)


async def gather(change: Change, records: Records) -> Facts:
    """Look for the same person, and for whom the links lead to."""
    patient = change.after
    if patient is None:
        return Facts(is_here=False, linked={}, is_circle=False)
    settings = records.situation.settings
    is_asked = change.before is None and settings.duplicate_patients == "refuse"
    is_sure = is_confirmed_new(patient) and not records.situation.is_only_patient()
    found = is_asked and not is_sure and not is_temporary(patient) and await is_here(patient, records)
    references = [*links(patient, "replaces"), *links(patient, "replaced-by"), *links(patient, "seealso")]
    linked: dict[str, Resource | None] = {}
    if change.before is None or change.before.get("link") != patient.get("link"):
        linked = {one: await records.read(one) for one in references[:_MOST_LINKS]}
    return Facts(found, linked, bool(linked) and await _is_circle(change, records))


async def _is_circle(change: Change, records: Records) -> bool:
    """Tell whether the record goes into another one, that into the next, and so on back to itself."""
    seen = {change.reference}
    current: Resource | None = change.after
    while current is not None:
        following = next(links(current, "replaced-by"), None)
        key = local(following, records.situation.base_url)
        if key is None:
            return False
        if "/".join(key) in seen:
            return True
        seen.add("/".join(key))
        current = await records.read("/".join(key))
    return False


def check(change: Change, facts: Facts, situation: Situation) -> Iterable[Violation]:
    """Check what is registered."""
    patient, before = change.after, change.before
    if patient is None:
        return
    yield from _check_person(patient, before, situation)
    yield from _check_numbers(change, facts, situation)
    if facts.is_here and not _is_looked_at(patient, situation):
        yield rules.DUPLICATE_PATIENT.broken(
            "Somebody who is certainly the same person is registered; Patient/$match says who. Go on with "
            "that patient (If-None-Exist answers with it), or let staff tag this one as another person: "
            "meta.tag urn:fhir-hospital-server:registration|confirmed-new",
            "Patient",
        )
    for reference, other in facts.linked.items():
        if other is None and local(reference, situation.base_url) is not None:
            yield rules.LINK.broken("The patient that is linked to is not here", "Patient.link.other")
    if facts.is_circle:
        yield rules.LINK.broken("The links lead in a circle", "Patient.link")


def _is_looked_at(patient: Resource, situation: Situation) -> bool:
    """Tell whether staff are told of somebody who looks like another patient, instead of a refusal."""
    return situation.is_reported or (situation.is_system and is_self_registered(patient))


def follows(change: Change, facts: Facts, situation: Situation) -> Iterable[Consequence]:
    """Have staff look at who registered themselves, or is told of by a message, and looks like somebody."""
    patient = change.after
    if change.before is not None or patient is None or not facts.is_here:
        return
    is_own = is_self_registered(patient)
    if is_own or situation.is_reported:
        told = "Registered by themselves" if is_own else "Told of by a message"
        yield Create(
            made(
                "Task",
                id=key_id("possible-duplicate", change.reference),
                status="requested",
                intent="order",
                priority="routine",
                code=concept("urn:fhir-hospital-server:task", "possible-duplicate"),
                description=f"{told}, and looks like somebody who is here: merge if so",
                focus={"reference": change.reference},
                authoredOn=instant(situation.now),
            )
        )


def _check_person(patient: Resource, before: Resource | None, situation: Situation) -> Iterable[Violation]:
    if not has_name(patient) and (before is None or has_name(before)):
        yield rules.INCOMPLETE.broken("The name is missing", "Patient.name")
    born, was = patient.get("birthDate"), (before or {}).get("birthDate")
    if born is None and not is_temporary(patient) and (before is None or was or is_temporary(before)):
        yield rules.INCOMPLETE.broken(
            "The birth date is missing; of an unknown patient the name has the use temp", "Patient.birthDate"
        )
    # A month or a year is in the future if it is after this one.
    if born is not None and born != was and born > situation.now.date().isoformat()[: len(born)]:
        yield rules.FUTURE_BIRTH.broken("The birth date is in the future", "Patient.birthDate")


def _check_numbers(change: Change, facts: Facts, situation: Situation) -> Iterable[Violation]:
    """Refuse medical record numbers that are neither the patient's already nor given here now."""
    patient, settings = change.after, situation.settings
    assert patient is not None  # noqa: S101 - asked of what there is
    if _may_give_numbers(situation):
        return
    known = {key_of(one) for one in record_numbers(change.before, settings)}
    if (COUNTER, change.reference) in situation.numbers:
        known.add(key_of(record_number(situation.drawn(COUNTER, patient), settings)))
    if is_merged(change.before) and not is_merged(patient):
        return  # it has what it had before; of whom else a number is, the claims know
    has_joined = any(
        change.reference in _targets(facts.linked.get(reference), situation)
        for reference in links(patient, "replaces")
    )
    if has_joined:
        known |= {key_of(one) for one in record_numbers(patient, settings) if one.get("use") == "old"}
    if any(key_of(one) not in known for one in record_numbers(patient, settings)):
        message = "The server gives the medical record number: leave it out, or leave it as it is"
        yield rules.RECORD_NUMBER.broken(message, "Patient.identifier")


def _targets(source: Resource | None, situation: Situation) -> set[str]:
    keys = (local(one, situation.base_url) for one in links(source, "replaced-by"))
    return {"/".join(key) for key in keys if key is not None}


def _may_give_numbers(situation: Situation) -> bool:
    """Tell whether numbers come from who may give them: messages of a system that the hospital connected."""
    if situation.is_reported:
        return True
    clients = situation.settings.record_number_clients or ""
    allowed = {name.strip() for name in clients.split(",") if name.strip()}
    return situation.principal is not None and situation.principal.client_id in allowed


WATCH: Watch[Facts] = Watch(
    frozenset({"Patient"}),
    completes=completes,
    draws=draws,
    claims=claims,
    gather=gather,
    check=check,
    follows=follows,
)
