"""Vaccinations, and which are due, as the segments of RSP^K11: ORC, RXA, RXR and OBX.

HL7 v2.5.1 §4.14.7 (RXA)
CDC, HL7 Version 2.5.1 Implementation Guide for Immunization Messaging 1.5, Z32 and Z42
"""

from collections.abc import Iterable, Iterator

from adapters.from_fhir.datatypes import any_code, cwe, quantity_number, repeated, texts, units
from adapters.from_fhir.orders import filler_number, placer_number
from adapters.from_fhir.people import person_of
from adapters.from_fhir.results import obx
from adapters.from_fhir.telling import Resource, SegmentFields, Telling
from adapters.from_fhir.times import date, timestamp
from adapters.from_fhir.visits import pl
from hl7.building import Component, FieldValue

_FUNCTIONS = ("OP", "AP")  # table 0443: who ordered it, who gave it
_UNKNOWN_AMOUNT = "999"
_RECORDED: list[Component] = ["00", "New immunization record", "NIP001"]
_HISTORICAL: list[Component] = ["01", "Historical information - source unspecified", "NIP001"]
_NO_VACCINE: list[Component] = ["998", "No vaccine administered", "CVX"]
_NO_NUMBER = "9999"
_DATES = frozenset({"30980-7", "30981-5", "59777-3", "59778-1"})
"""LOINC's codes of when a vaccine is due: on, not before, until, and overdue from."""


def vaccination(
    telling: Telling,
    immunization: Resource,
    results: Iterable[Resource] = (),
    evaluations: Iterable[Resource] = (),
) -> Iterator[SegmentFields]:
    """Yield a vaccination, with what was observed of it, and how valid its doses were found."""
    yield _orc(telling, immunization)
    yield _rxa(telling, immunization)
    if immunization.get("route") or immunization.get("site"):
        yield ["RXR", cwe(immunization.get("route")), cwe(immunization.get("site"))]
    rows: list[list[FieldValue]] = []
    for number, result in enumerate(results, 1):
        rows += obx(telling, result, str(number))
    for text in _remarks(immunization):
        rows.append(_row("TX", ["48767-8", "Annotation comment", "LN"], len(rows) + 1, text))
    for evaluation in evaluations:
        rows += _evaluated(evaluation, len(rows) + 1)
    yield from _numbered(rows)


def _numbered(rows: Iterable[list[FieldValue]]) -> Iterator[SegmentFields]:
    for place, row in enumerate(rows, 1):
        yield ["OBX", place, *row]


def _row(kind: str, what: list[Component], group: int, value: FieldValue) -> list[FieldValue]:
    return [kind, what, str(group), value, "", "", "", "", "", "F"]


def _remarks(immunization: Resource) -> Iterator[str]:
    if "occurrenceString" in immunization:
        yield f"Given: {immunization['occurrenceString']}"
    yield from texts(immunization.get("note", ()))


def _orc(telling: Telling, immunization: Resource) -> SegmentFields:
    destination = telling.destination
    placer: FieldValue = placer_number(immunization, destination) if _has_placer(immunization) else ""
    filler = filler_number(immunization, destination) or [immunization["id"], destination.sending_application]
    ordered = repeated(_people(telling, immunization, "OP"))
    return ["ORC", "RE", placer, filler, "", "", "", "", "", "", "", "", ordered]


def _has_placer(immunization: Resource) -> bool:
    return any(any_code(one.get("type")) == "PLAC" for one in immunization.get("identifier", ()))


def _people(telling: Telling, immunization: Resource, function: str) -> list[list[Component]]:
    """Return who had a part in it; whoever's part is not said gave it."""
    found = []
    for one in immunization.get("performer", ()):
        told = any_code(one.get("function"))
        if (told if told in _FUNCTIONS else "AP") == function:
            found.append(person_of(telling, one.get("actor")))
    return found


def _rxa(telling: Telling, immunization: Resource) -> SegmentFields:
    given = timestamp(immunization.get("occurrenceDateTime"))
    quantity = immunization.get("doseQuantity", {})
    amount = quantity_number(quantity["value"]) if "value" in quantity else _UNKNOWN_AMOUNT
    is_done = immunization.get("status") == "completed"
    source = _RECORDED if immunization.get("primarySource") else _HISTORICAL
    return [
        "RXA", 0, 1, given, given, cwe(immunization.get("vaccineCode")), amount, units(quantity), "",
        source if is_done else "", repeated(_people(telling, immunization, "AP")),
        pl(telling, immunization.get("location")), "", "", "", immunization.get("lotNumber", ""),
        date(immunization.get("expirationDate")), _manufacturer(telling, immunization),
        cwe(immunization.get("statusReason")),
        repeated(cwe(one) for one in immunization.get("reasonCode", ())), _completion(immunization),
        "", timestamp(immunization.get("recorded")),
    ]  # fmt: skip


def _completion(immunization: Resource) -> str:
    """Return RXA-20 (table 0322): complete, partially given, refused, or not given."""
    if immunization.get("status") == "completed":
        return "PA" if immunization.get("isSubpotent") else "CP"
    return "RE" if immunization.get("statusReason") else "NA"


def _manufacturer(telling: Telling, immunization: Resource) -> FieldValue:
    reference = immunization.get("manufacturer")
    found = telling.get(reference, immunization) or {}
    number: Resource = next(iter(found.get("identifier", ())), {})
    name = found.get("name") or (reference or {}).get("display", "")
    return [number.get("value", ""), name, "MVX" if number.get("value") else ""] if name or number else ""


def _evaluated(evaluation: Resource, group: int) -> Iterator[list[FieldValue]]:
    """Yield how a dose was found: for which disease, valid or not, and which of its series it is."""
    yield _row("CE", ["30956-7", "Vaccine type", "LN"], group, cwe(evaluation.get("targetDisease")))
    if evaluation.get("series"):
        yield _row("TX", ["59779-9", "Immunization schedule used", "LN"], group, evaluation["series"])
    if number := _dose(evaluation):
        yield _row("NM", ["30973-2", "Dose number in series", "LN"], group, number)
    valid = {"valid": "Y", "notvalid": "N"}.get(any_code(evaluation.get("doseStatus")))
    if valid:
        yield _row("ID", ["59781-5", "Dose validity", "LN"], group, valid)


def _dose(element: Resource) -> str:
    return str(element.get("doseNumberPositiveInt") or element.get("doseNumberString") or "")


def forecasts(recommendation: Resource) -> Iterator[SegmentFields]:
    """Yield which vaccines are due, and when: OBX-4 tells the rows of one from those of another.

    They stand behind an RXA that says that nothing was given.
    """
    rows: list[list[FieldValue]] = []
    for group, one in enumerate(recommendation.get("recommendation", ()), 1):
        rows += _forecast(one, group)
    if not rows:
        return
    told = date(recommendation.get("date"))[:8]
    yield ["ORC", "RE", "", _NO_NUMBER]
    yield ["RXA", 0, 1, told, told, _NO_VACCINE, _UNKNOWN_AMOUNT, *([""] * 13), "NA"]
    yield from _numbered(rows)


def _forecast(due: Resource, group: int) -> Iterator[list[FieldValue]]:
    for concept in due.get("vaccineCode", ()) or [due.get("targetDisease")]:
        yield _row("CE", ["30979-9", "Vaccines due next", "LN"], group, cwe(concept))
    yield _row(
        "CE", ["59783-1", "Status in immunization series", "LN"], group, cwe(due.get("forecastStatus"))
    )
    for criterion in due.get("dateCriterion", ()):
        if any_code(criterion.get("code")) in _DATES and criterion.get("value"):
            yield _row("DT", cwe(criterion["code"]), group, date(criterion["value"]))
    if number := _dose(due):
        yield _row("NM", ["30973-2", "Dose number in series", "LN"], group, number)
    if due.get("series"):
        yield _row("TX", ["59779-9", "Immunization schedule used", "LN"], group, due["series"])
