"""RDE^O11: a prescription, its change or its end. HL7 v2.5.1 §4.13.6, §4.14.4 (RXE), §4.14.2 (RXR)"""

from collections.abc import Iterator, Sequence

from adapters.from_fhir.datatypes import cwe, ei, quantity_number, repeated, units
from adapters.from_fhir.header import msh
from adapters.from_fhir.orders import CHANGE, control, notes, orc
from adapters.from_fhir.people import person_of, pid
from adapters.from_fhir.tables import code
from adapters.from_fhir.telling import Resource, SegmentFields, Telling
from adapters.from_fhir.times import timestamp
from adapters.from_fhir.visits import al1, pv1
from hl7.building import Component, FieldValue

# https://hl7.org/fhir/R4/valueset-units-of-time.html, table 0335 and HL7 v2.5.1 §4.3.2.2 (repeat pattern)
_EVERY = {"s": "S", "min": "M", "h": "H", "d": "D", "wk": "W", "mo": "L"}
_MEALS = {
    "AC": "AC",
    "PC": "PC",
    "HS": "HS",
    "C": "C",
    "ACM": "ACM",
    "ACD": "ACD",
    "ACV": "ACV",
    "CM": "CM",
    "CD": "CD",
    "CV": "CV",
}


def prescription(telling: Telling) -> Iterator[SegmentFields]:
    """Yield the segments of a prescription."""
    request, destination = telling.told.resource, telling.destination
    what = control(telling.told.before, telling.told.after) or CHANGE
    yield msh(telling)
    yield pid(telling, telling.patient)
    if telling.encounter is not None:
        yield pv1(telling, telling.encounter)
    yield from al1(telling)
    yield orc(telling, request, what)
    doses = request.get("dosageInstruction", ())
    told: Sequence[Resource] = doses or ({},)
    yield _rxe(telling, request, doses[0] if doses else {})
    yield from notes(request)
    if not destination.is_before("2.5"):
        for place, dose in enumerate(told, 1):
            yield _tq1(request, dose, place)
    yield from (_rxr(dose) for dose in told)


def _rxe(telling: Telling, request: Resource, dose: Resource) -> SegmentFields:
    """Return what is to be given: RXE-3 and RXE-5 stay empty where the prescription says no amount."""
    least, most, unit = _amount(dose)
    form: FieldValue = ""
    drug = _drug(telling, request)
    medication = telling.get(request.get("medicationReference"), request)
    if medication is not None:
        form = cwe(medication.get("form"))
    dispensed = request.get("dispenseRequest", {})
    quantity = dispensed.get("quantity", {})
    number = quantity_number(quantity["value"]) if "value" in quantity else ""
    allowed = request.get("substitution", {}).get("allowedBoolean")
    return [
        "RXE", _old_timing(request, dose) if telling.destination.is_before("2.5") else "", drug, least, most,
        unit, form, _instruction(dose), "", {True: "G", False: "N"}.get(allowed, ""), number,
        units(quantity), str(dispensed.get("numberOfRepeatsAllowed", "")),
        repeated([person_of(telling, request.get("requester"))]), "",
        ei(request["id"], telling.destination)[0],
    ]  # fmt: skip


def _drug(telling: Telling, request: Resource) -> list[Component]:
    if "medicationCodeableConcept" in request:
        return cwe(request["medicationCodeableConcept"])
    reference = request.get("medicationReference", {})
    medication = telling.get(reference, request)
    found = cwe((medication or {}).get("code"))
    return found or (["", reference["display"]] if reference.get("display") else [])


def _amount(dose: Resource) -> tuple[str, str, FieldValue]:
    """Return the least and the most that is given at a time, and the unit of both."""
    for one in dose.get("doseAndRate", ()):
        if "value" in one.get("doseQuantity", {}):
            quantity = one["doseQuantity"]
            return quantity_number(quantity["value"]), "", units(quantity)
        if "doseRange" in one:
            low, high = one["doseRange"].get("low", {}), one["doseRange"].get("high", {})
            numbers = [quantity_number(each["value"]) if "value" in each else "" for each in (low, high)]
            return numbers[0], numbers[1], units(low or high)
    return "", "", ""


def _instruction(dose: Resource) -> FieldValue:
    text = dose.get("text") or dose.get("patientInstruction", "")
    return ["", text] if text else ""


def _rxr(dose: Resource) -> SegmentFields:
    return [
        "RXR",
        cwe(dose.get("route")) or ["", "unknown"],
        cwe(dose.get("site")),
        "",
        cwe(dose.get("method")),
    ]


def _tq1(request: Resource, dose: Resource, place: int) -> SegmentFields:
    """Return when the doses are given."""
    repeat = dose.get("timing", {}).get("repeat", {})
    bounds = repeat.get("boundsPeriod", {})
    priority = code("request_priority", request.get("priority", "routine"))
    pattern = _pattern(repeat)
    clock: FieldValue = repeated(one.replace(":", "") for one in repeat.get("timeOfDay", ()))
    condition = "" if not dose.get("asNeededBoolean") else "PRN"
    return [
        "TQ1", place, "", [[pattern]] if pattern else "", clock, "", "", timestamp(bounds.get("start")),
        timestamp(bounds.get("end")), [priority] if priority else "", condition,
    ]  # fmt: skip


def _pattern(repeat: Resource) -> str:
    """Return how often something is given (table 0335), "" if it is not said, or cannot be said so."""
    unit, period, frequency = repeat.get("periodUnit"), repeat.get("period"), repeat.get("frequency", 1)
    for when in repeat.get("when", ()):
        if when in _MEALS:
            return _MEALS[when]
    if unit not in _EVERY or period is None:
        return ""
    if frequency == 1:
        return f"Q{quantity_number(period)}{_EVERY[unit]}"
    if unit == "d" and period == 1:
        return {2: "BID", 3: "TID", 4: "QID"}.get(frequency, f"{frequency}ID")
    return ""


def _old_timing(request: Resource, dose: Resource) -> list[Component]:
    """Return RXE-1 as it was before 2.5. HL7 v2.3.1 §4.4"""
    repeat = dose.get("timing", {}).get("repeat", {})
    bounds = repeat.get("boundsPeriod", {})
    priority = code("request_priority", request.get("priority", "routine"))
    return ["", _pattern(repeat), "", timestamp(bounds.get("start")), timestamp(bounds.get("end")), priority]
