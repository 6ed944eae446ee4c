"""ORU^R01: a report with its results, and their corrections. HL7 v2.5.1 §7.3.1, §7.4.2 (OBX)"""

from collections.abc import Iterator
from typing import Any

from adapters.from_fhir.datatypes import (
    any_code,
    coded,
    cwe,
    ei,
    quantity_number,
    repeated,
    system_name,
    units,
)
from adapters.from_fhir.documents import attached
from adapters.from_fhir.header import msh
from adapters.from_fhir.orders import filler_number, notes, orc, placer_number, spm
from adapters.from_fhir.people import person_of, pid
from adapters.from_fhir.tables import code
from adapters.from_fhir.telling import Resource, SegmentFields, Telling
from adapters.from_fhir.times import time, timestamp
from adapters.from_fhir.visits import pv1
from hl7.building import FieldValue

RESULT = "ORU^R01"
_V2_0074 = "http://terminology.hl7.org/CodeSystem/v2-0074"
_TOLD = frozenset(
    {"partial", "preliminary", "final", "amended", "corrected", "appended", "cancelled", "entered-in-error"}
)
_MOST_DEEP = 5


def is_told(before: Resource | None, after: Resource | None) -> bool:
    """Tell whether a change of a report is told: one with results, or that takes back what was told."""
    if after is None or after.get("status") not in _TOLD:
        return False
    if after["status"] in ("cancelled", "entered-in-error"):
        return before is not None and before.get("status") in _TOLD - {"cancelled", "entered-in-error"}
    return True


def report(telling: Telling) -> Iterator[SegmentFields]:
    """Yield the segments of a report."""
    resource = telling.told.resource
    yield msh(telling)
    yield pid(telling, telling.patient)
    if telling.encounter is not None:
        yield pv1(telling, telling.encounter)
    request = _request(telling, resource)
    if request is not None:
        yield orc(telling, request, "RE")
    yield _obr(telling, resource, request)
    if resource.get("conclusion"):
        yield ["NTE", 1, "L", resource["conclusion"]]
    place = 0
    for observation, within in _results(telling, resource):
        for fields in obx(telling, observation, within):
            place += 1
            yield ["OBX", place, *fields]
        yield from notes(observation, "L")
    for fields in attached(telling, resource.get("presentedForm", ()), _code(resource), _status(resource)):
        place += 1
        yield ["OBX", place, *fields]
    if not telling.destination.is_before("2.5"):
        found = [telling.get(one, resource) for one in resource.get("specimen", ())]
        for number, one in enumerate((one for one in found if one is not None), 1):
            yield spm(telling, one, number)


def _request(telling: Telling, resource: Resource) -> Resource | None:
    found = (telling.get(one, resource) for one in resource.get("basedOn", ()))
    return next((one for one in found if one is not None and one["resourceType"] == "ServiceRequest"), None)


def _code(resource: Resource) -> FieldValue:
    return cwe(resource.get("code"))


def _status(resource: Resource) -> str:
    return "D" if resource.get("status") == "entered-in-error" else "F"


def _obr(telling: Telling, resource: Resource, request: Resource | None) -> SegmentFields:
    destination = telling.destination
    filler = filler_number(resource, destination) or (filler_number(request, destination) if request else [])
    period = resource.get("effectivePeriod", {})
    start = timestamp(resource.get("effectiveDateTime") or period.get("start"))
    section = next((found for one in resource.get("category", ()) if (found := coded(one, _V2_0074))), "")
    interpreters = [person_of(telling, one) for one in resource.get("resultsInterpreter", ())]
    # NDL, the type of OBR-32, has who it is in its first component. HL7 v2.5.1 §2.A.46
    principal = [[str(part) for part in one[:6]] for one in interpreters if one][:1]
    return [
        "OBR", 1, placer_number(request, destination) if request else "",
        filler or ei(resource["id"], destination),
        _code(resource), "", "", start, timestamp(period.get("end")), "", "", "", "", "", "", "",
        repeated([person_of(telling, (request or {}).get("requester"))]), "", "", "", "", "",
        timestamp(resource.get("issued")), "", section, code("report_status", resource.get("status")),
        "", "", "", "", "", "", principal,
    ]  # fmt: skip


def _results(telling: Telling, resource: Resource) -> Iterator[tuple[Resource, str]]:
    """Yield the results of a report, those of panels after the panel, each with its number (OBX-4)."""

    def walk(references: Any, prefix: str, deep: int) -> Iterator[tuple[Resource, str]]:
        place = 0
        for reference in references:
            found = telling.get(reference, resource)
            if found is None or found["resourceType"] != "Observation":
                continue
            place += 1
            number = f"{prefix}{place}"
            yield found, number
            if deep < _MOST_DEEP:
                yield from walk(found.get("hasMember", ()), f"{number}.", deep + 1)

    seen: set[str] = set()
    for observation, number in walk(resource.get("result", ()), "", 0):
        if observation["id"] not in seen:
            seen.add(observation["id"])
            yield observation, number


def obx(telling: Telling, observation: Resource, number: str) -> Iterator[list[FieldValue]]:
    """Yield the fields of OBX behind the first: one OBX for the value, one for each component."""
    components = observation.get("component", ())
    if _has_value(observation) or not components:
        yield _one(telling, observation, observation, number)
    for place, component in enumerate(components, 1):
        yield _one(telling, observation, component, f"{number}.{place}")


def _has_value(element: Resource) -> bool:
    return any(name.startswith("value") for name in element)


def _one(telling: Telling, observation: Resource, part: Resource, number: str) -> list[FieldValue]:
    status = code("observation_status", observation.get("status"))
    # What was never so is not shown again.
    is_wrong = observation.get("status") == "entered-in-error"
    kind, value, unit = ("", "", "") if is_wrong else observed(part, telling)
    flags = [any_code(one) for one in part.get("interpretation", ())]
    period = observation.get("effectivePeriod", {})
    when = observation.get("effectiveDateTime") or observation.get("effectiveInstant") or period.get("start")
    method = observation.get("method")
    people = [person_of(telling, one) for one in observation.get("performer", ())]
    return [
        kind, cwe(part.get("code")), number, value, unit, _range(part),
        "" if is_wrong else repeated(one for one in flags if one),
        "", "", status, "", "", timestamp(when), "", repeated(people), cwe(method),
    ]  # fmt: skip


def observed(element: Resource, telling: Telling) -> tuple[str, FieldValue, FieldValue]:
    """Return the value of an Observation or component: its type (OBX-2), OBX-5, and the unit.

    Nothing for none.
    """
    name = next((one for one in element if one.startswith("value")), None)
    if name is None:
        return "", "", ""
    value: Any = element[name]
    if name == "valueQuantity":
        return _quantity(value)
    if name == "valueCodeableConcept":
        return "CE" if telling.destination.is_before("2.5") else "CWE", cwe(value), ""
    if name in ("valueRange", "valueRatio"):
        return _structured(name, value)
    if name == "valueDateTime":
        return "TS" if telling.destination.is_before("2.6") else "DTM", timestamp(value), ""
    if name == "valuePeriod":
        return "DR", [timestamp(value.get("start")), timestamp(value.get("end"))], ""
    if name == "valueTime":
        return "TM", time(value), ""
    if name == "valueInteger":
        return "NM", str(value), ""
    if name == "valueBoolean":
        return "ID", "Y" if value else "N", ""
    if name == "valueSampledData":
        return "NA", str(value.get("data", "")).split(), units(value.get("origin", {}))
    text = str(value)
    return ("FT" if "\n" in text or len(text) > 200 else "ST"), text, ""


def _quantity(quantity: Resource) -> tuple[str, FieldValue, FieldValue]:
    if "value" not in quantity:
        return "", "", units(quantity)
    number = quantity_number(quantity["value"])
    if quantity.get("comparator"):
        return "SN", [quantity["comparator"], number], units(quantity)
    return "NM", number, units(quantity)


def _structured(name: str, value: Resource) -> tuple[str, FieldValue, FieldValue]:
    """Return a Range or a Ratio as SN. HL7 v2.5.1 §2.A.70"""
    first, second, between = (
        ("low", "high", "-") if name == "valueRange" else ("numerator", "denominator", ":")
    )
    one, other = value.get(first, {}), value.get(second, {})
    numbers = [quantity_number(each["value"]) if "value" in each else "" for each in (one, other)]
    comparator = {"-": "", ":": one.get("comparator", "")}[between]
    if between == "-" and not all(numbers):
        return "SN", [">=" if numbers[0] else "<=", numbers[0] or numbers[1]], units(one or other)
    return "SN", [comparator, numbers[0], between, numbers[1]], units(one or other)


def _range(element: Resource) -> str:
    """Return the reference range as text (OBX-7)."""
    for one in element.get("referenceRange", ()):
        if one.get("text"):
            return str(one["text"])
        low, high = one.get("low", {}), one.get("high", {})
        if "value" in low and "value" in high:
            return f"{quantity_number(low['value'])}-{quantity_number(high['value'])}"
        if "value" in low:
            return f">={quantity_number(low['value'])}"
        if "value" in high:
            return f"<={quantity_number(high['value'])}"
    return ""


__all__ = ["RESULT", "is_told", "observed", "obx", "report", "system_name"]
