"""PV1, PV2, DG1 and AL1: the stay, its places and people, and what is to be known of it.

HL7 v2.5.1 §3.4.3 (PV1), §3.4.4 (PV2), §6.5.2 (DG1), §3.4.6 (AL1), §2.A.53 (PL)
"""

from collections.abc import Iterator

from adapters.from_fhir.datatypes import active_identifiers, any_code, cwe, cx, own_cx, repeated, user_coded
from adapters.from_fhir.people import person_of
from adapters.from_fhir.tables import code
from adapters.from_fhir.telling import Resource, SegmentFields, Telling
from adapters.from_fhir.times import timestamp
from hl7.building import Component, FieldValue

_PHYSICAL = "http://terminology.hl7.org/CodeSystem/location-physical-type"
_V2_CLASSES = "http://terminology.hl7.org/CodeSystem/v2-0004"
_VISIT_NUMBER = "VN"  # table 0203
_FIELDS = 52
_MOST_LEVELS = 10


def pl(telling: Telling, reference: Resource | None) -> list[Component]:
    """Return a place with all that it is a part of: point of care, room, bed, facility, building, floor."""
    parts: dict[int, str] = {}
    place, levels, description = telling.get(reference), 0, ""
    status = "" if place is None else place.get("operationalStatus", {}).get("code", "")
    while place is not None and levels < _MOST_LEVELS:
        kind = next(
            (
                one.get("code")
                for one in place.get("physicalType", {}).get("coding", ())
                if one.get("system") == _PHYSICAL
            ),
            None,
        )
        # A place of no kind, or of one that PL has no component for, is where care is given.
        component = int(code("location_level", kind) or "1")
        parts.setdefault(component, _place_name(place))
        description = description or place.get("description", "")
        place, levels = telling.get(place.get("partOf")), levels + 1
    if not parts:
        shown = (reference or {}).get("display", "")
        return [shown] if shown else []
    return [
        parts.get(1, ""), parts.get(2, ""), parts.get(3, ""), parts.get(4, ""), status if 3 in parts else "",
        "", parts.get(7, ""), parts.get(8, ""), description,
    ]  # fmt: skip


def _place_name(place: Resource) -> str:
    """Return the identifier of a place, or its name, or its id here."""
    identifiers = active_identifiers(place)
    return str(identifiers[0]["value"] if identifiers else place.get("name") or place["id"])


def places(encounter: Resource | None, status: str) -> list[Resource]:
    """Return the entries of an encounter's places in a state, those that began last first."""
    found = [one for one in (encounter or {}).get("location", ()) if one.get("status", "active") == status]
    return list(reversed(found))


def current_place(encounter: Resource | None) -> Resource | None:
    """Return where the patient of an encounter is: the entry of the place."""
    return next(iter(places(encounter, "active")), None)


def pv1(telling: Telling, encounter: Resource | None, before: Resource | None = None) -> SegmentFields:
    """Return the stay; `before` is how it was before a transfer, whose place is the prior one (PV1-6)."""
    if encounter is None:
        return ["PV1", 1, "N"]
    values: dict[int, FieldValue] = {1: 1, 2: patient_class(encounter)}
    here = current_place(encounter) or next(iter(places(encounter, "completed")), None)
    values[3] = pl(telling, here["location"]) if here else ""
    prior = current_place(before)
    if prior is not None and (here is None or prior["location"] != here["location"]):
        values[6] = pl(telling, prior["location"])
    reserved = next(iter(places(encounter, "reserved")), None)
    if reserved is not None:
        values[42] = pl(telling, reserved["location"])
    values |= _people(telling, encounter)
    values[10] = user_coded(encounter.get("serviceType"), telling.destination)
    values[19] = visit_number(telling, encounter)
    stay, period = encounter.get("hospitalization", {}), encounter.get("period", {})
    values[13] = any_code(stay.get("reAdmission"))
    values[14] = any_code(stay.get("admitSource"))
    values[36] = any_code(stay.get("dischargeDisposition"))
    values[44], values[45] = timestamp(period.get("start")), timestamp(period.get("end"))
    return ["PV1", *(values.get(number, "") for number in range(1, _FIELDS + 1))]


def patient_class(encounter: Resource) -> str:
    """Return PV1-2; U (unknown) for a class that table 0004 has nothing for."""
    coding = encounter.get("class", {})
    if coding.get("system") == _V2_CLASSES and coding.get("code"):
        return str(coding["code"])
    if encounter.get("status") == "planned":
        return "P"
    return code("encounter_class", coding.get("code")) or "U"


def visit_number(telling: Telling, encounter: Resource) -> list[Component]:
    """Return the number of the visit, or the encounter's id here."""
    identifiers = active_identifiers(encounter)
    if identifiers:
        return cx(identifiers[0], telling.destination)
    return own_cx(encounter, telling.destination, _VISIT_NUMBER)


def _people(telling: Telling, encounter: Resource) -> dict[int, FieldValue]:
    found: dict[int, list[list[Component]]] = {}
    for participant in encounter.get("participant", ()):
        if "end" in participant.get("period", {}) and encounter.get("status") != "finished":
            continue
        person = person_of(telling, participant.get("individual"))
        for kind in participant.get("type", ()):
            number = code("participant_field", any_code(kind))
            if number and person:
                found.setdefault(int(number), []).append(person)
    return {number: repeated(people) for number, people in found.items()}


def pv2(encounter: Resource | None) -> SegmentFields | None:
    """Return why the patient comes, and when that is expected, if it is known."""
    if encounter is None:
        return None
    reason = next(iter(encounter.get("reasonCode", ())), None)
    expected = (
        timestamp(encounter.get("period", {}).get("start")) if encounter.get("status") == "planned" else ""
    )
    if not reason and not expected:
        return None
    return ["PV2", "", "", cwe(reason), "", "", "", "", expected]


def dg1(telling: Telling, encounter: Resource | None) -> Iterator[SegmentFields]:
    """Yield the diagnoses of a stay: DG1-6 tells what they are for (table 0052.

    A admitting, W working, F final).
    """
    place = 0
    for one in (encounter or {}).get("diagnosis", ()):
        condition = telling.get(one.get("condition"), encounter)
        if condition is None or condition["resourceType"] != "Condition":
            continue
        place += 1
        use = {"AD": "A", "DD": "F"}.get(any_code(one.get("use")), "W")
        yield diagnosis(place, condition, use)


def diagnosis(place: int, condition: Resource, use: str = "W") -> SegmentFields:
    """Return one diagnosis."""
    when = condition.get("onsetDateTime") or condition.get("recordedDate")
    return ["DG1", place, "", cwe(condition.get("code")), "", timestamp(when), use]


def al1(telling: Telling) -> Iterator[SegmentFields]:
    """Yield what the patient is allergic to, as far as it is known and holds."""
    place = 0
    for one in telling.related.get("allergies", ()):
        if "code" not in one or any_code(one.get("verificationStatus")) in ("refuted", "entered-in-error"):
            continue
        place += 1
        reaction: Resource = next(iter(one.get("reaction", ())), {})
        shown = [cwe(each)[1] or cwe(each)[0] for each in reaction.get("manifestation", ())]
        kind = code("allergen_type", next(iter(one.get("category", ())), None))
        severity = code("allergy_severity", reaction.get("severity"))
        yield [
            "AL1",
            place,
            [kind] if kind else "",
            cwe(one["code"]),
            [severity] if severity else "",
            repeated([one] for one in shown),
        ]
