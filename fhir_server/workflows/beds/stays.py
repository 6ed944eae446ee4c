"""What holds for the beds of an encounter, and what becomes of a bed that is taken or given up.

https://hl7.org/fhir/R4/encounter-definitions.html#Encounter.location
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fhir_server.search.intervals import interval
from fhir_server.store import instant
from fhir_server.store.ruling import Claim
from fhir_server.workflows.beds import terms
from fhir_server.workflows.beds.places import used_by
from fhir_server.workflows.beds.terms import kind_of, state_of, uses
from fhir_server.workflows.consequences import Consequence, Create, Put
from fhir_server.workflows.encounters.terms import ENDED, UNDER_WAY
from fhir_server.workflows.made import changed, concept, has_code, key_id, made
from fhir_server.workflows.pattern import Change, Violation, Watch
from fhir_server.workflows.records import Records
from fhir_server.workflows.references import reference_of
from fhir_server.workflows.situation import Situation

Resource = Mapping[str, Any]

_WHERE = "Encounter.location"
_TO_ISOLATE = "40174006"


@dataclass(frozen=True, slots=True)
class Facts:
    """The places that the change is about, beds that others have, and if the patient is isolated."""

    places: Mapping[str, Resource] = field(default_factory=dict)
    taken: frozenset[str] = frozenset()
    is_isolated: bool = False


def completes(encounter: Resource, before: Resource | None, situation: Situation) -> Resource:
    """Say since when the patient has a place; an encounter that ends gives up what it has."""
    listed = encounter.get("location")
    if not listed:
        return encounter
    status, now = encounter.get("status"), instant(situation.now)
    has_ended = status in ENDED
    end = encounter.get("period", {}).get("end", now) if has_ended else now
    known = list((before or {}).get("location", ()))
    filled = []
    for one in listed:
        place = dict(one)
        if has_ended and place.get("status") in terms.LIVE:
            place["status"] = "completed"
        period = place.get("period", {})
        if place.get("status") == "active" and "start" not in period:
            place["period"] = {"start": now, **period}
        elif place.get("status") == "completed" and "end" not in period and place not in known:
            # The end of the encounter may be told to the second only.
            is_later = "start" not in period or interval(end)[0] >= interval(period["start"])[0]
            place["period"] = {**period, "end": end if is_later else now}
        filled.append(place)
    return encounter if filled == listed else {**encounter, "location": filled}


def claims(encounter: Resource) -> Iterable[Claim]:
    """Claim what the encounter itself says is a bed; of the rest the rules know it when they look."""
    if encounter.get("status") in ENDED:
        return
    for one in encounter.get("location", ()):
        where = reference_of(one.get("location"))
        if (
            where
            and one.get("status") in terms.LIVE
            and has_code(one.get("physicalType"), terms.PHYSICAL, "bd")
        ):
            yield Claim(f"W5/bed/{where}", f"Encounter/{encounter['id']}", _taken(), has_state=True)


def _taken() -> Any:
    return terms.TAKEN.error("The bed is occupied, or reserved for another patient", _WHERE)


async def gather(change: Change, records: Records) -> Facts:
    """Look up the places that are taken or given up, and who else has them."""
    before, after = dict(uses(change.before)), dict(uses(change.after))
    touched = {one for one in {**before, **after} if before.get(one) != after.get(one)}
    places: dict[str, Resource] = {}
    taken = set()
    for reference in sorted({*touched, *after}):
        place = await records.read(reference)
        if place is None:
            continue
        places[reference] = place
        if reference in touched and kind_of(place) == "bd":
            await records.lock(f"bed/{reference}")
            others = set(await used_by(reference, records)) - {change.reference}
            taken |= {reference} if others and reference in after else set()
    subject = change.after or change.before or {}
    is_isolated = bool(touched) and await is_isolated_patient(subject, records)
    return Facts(places, frozenset(taken), is_isolated)


async def is_isolated_patient(encounter: Resource, records: Records) -> bool:
    """Tell whether the patient is to be isolated, by the encounter or by a Flag."""
    if terms.wants_isolation(encounter):
        return True
    subject = reference_of(encounter.get("subject"))
    if subject is None or "Patient/" not in subject:
        return False
    flags = await records.search("Flag", ("patient", subject), ("status", "active"))
    return any(
        has_code(one.get("code"), terms.STATES, "I") or has_code(one.get("code"), terms.SNOMED, _TO_ISOLATE)
        for one in flags
    )


def check(change: Change, facts: Facts, situation: Situation) -> Iterable[Violation]:
    """Check the beds that the encounter has from now on."""
    encounter = change.after
    if encounter is None:
        return
    before, after = dict(uses(change.before)), dict(uses(encounter))
    beds = {one: how for one, how in after.items() if kind_of(facts.places.get(one)) == "bd"}
    if len(list(uses(encounter))) > len(after):
        yield terms.ONE_BED.broken("A place is named twice: it is active or reserved, not both", _WHERE)
    for how in terms.LIVE:
        if list(beds.values()).count(how) > 1:
            yield terms.ONE_BED.broken(f"More than one bed is {how}", _WHERE)
    if "active" in beds.values() and encounter.get("status") not in UNDER_WAY:
        yield terms.NOT_HERE.broken("A bed is active, and the patient has not arrived", _WHERE)
    for one in encounter.get("location", ()):
        where = reference_of(one.get("location")) or ""
        is_said = has_code(one.get("physicalType"), terms.PHYSICAL, "bd")
        if is_said and where in after and where not in beds:
            yield terms.NOT_A_BED.broken("The place is not a bed", f"{_WHERE}.location")
    for bed, how in beds.items():
        if before.get(bed) != how:
            is_back = situation.is_reported and _never_left(bed, change)
            yield from _check_bed(facts.places[bed], how, facts, is_taken=bed in facts.taken, is_back=is_back)


def _never_left(bed: str, change: Change) -> bool:
    """Tell whether an encounter takes back that a bed was left: it has it as it had it before."""

    def stays(encounter: Resource | None, status: str) -> set[str]:
        return {
            one.get("period", {}).get("start", "")
            for one in (encounter or {}).get("location", ())
            if one.get("status") == status and reference_of(one.get("location")) == bed
        }

    return bool(stays(change.before, "completed") & stays(change.after, "active"))


def _check_bed(
    bed: Resource, how: str, facts: Facts, *, is_taken: bool, is_back: bool
) -> Iterable[Violation]:
    """Check a bed that is to be used otherwise than before.

    One that is occupied though nobody else has it is so by this very change. One that `is_back` was never
    left, so that it is not to be cleaned either.
    """
    code = state_of(bed)
    where = f"{_WHERE}.location"
    if is_taken:
        yield terms.TAKEN.broken("The bed is occupied, or reserved for another patient", where)
        return
    allowed = ("U", "I", "O", None) if how == "active" else ("U", "I", "H", "O", None)
    if is_back and code in ("H", "K"):
        return
    if code not in allowed or bed.get("status", "active") != "active":
        named = terms.NAMES.get(code or "", "").lower() if code not in allowed else bed.get("status")
        yield terms.NOT_ASSIGNABLE.broken(f"The bed is not to be had: it is {named}", where)
    elif code != "O" and facts.is_isolated != (code == "I"):
        message = "It is a bed for isolation, and the patient is not to be isolated"
        if facts.is_isolated:
            message = "The patient is to be isolated, and the bed is not for isolation"
        yield terms.ISOLATION.broken(message, where)


def follows(change: Change, facts: Facts, situation: Situation) -> Iterable[Consequence]:
    """Let the state of each bed be what became of it, and have those cleaned that were lain in."""
    before, after = dict(uses(change.before)), dict(uses(change.after))
    for reference, place in facts.places.items():
        if kind_of(place) != "bd":
            continue
        was, now = before.get(reference), after.get(reference)
        if now == "active" and was != "active" and state_of(place) != "O":
            yield Put(changed(place, operationalStatus=terms.state("O")))
        elif was == "active" and now != "active":
            dirty = "K" if facts.is_isolated else "H"
            yield Put(changed(place, operationalStatus=terms.state(dirty)))
            yield Create(_cleaning(reference, change.reference, situation, is_isolation=facts.is_isolated))


def _cleaning(bed: str, encounter: str, situation: Situation, *, is_isolation: bool) -> dict[str, Any]:
    now = instant(situation.now)
    code = terms.DECONTAMINATE if is_isolation else terms.CLEAN
    name = "Decontaminate the bed" if is_isolation else "Clean the bed"
    return made(
        "Task",
        id=key_id("clean", bed, encounter, now),
        status="requested",
        intent="order",
        priority="urgent",
        code=concept(terms.HOUSEKEEPING, code, name),
        focus={"reference": bed},
        location={"reference": bed},
        authoredOn=now,
        lastModified=now,
        performerType=[{"text": "Housekeeping"}],
    )


WATCH: Watch[Facts] = Watch(
    frozenset({"Encounter"}), completes=completes, claims=claims, gather=gather, check=check, follows=follows
)
