"""What a discharge summary says: taken from the record of the encounter, as the caller may see it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from fhir_server.papers.words import text_of
from fhir_server.workflows.discharge import terms
from fhir_server.workflows.made import concept
from fhir_server.workflows.records import Records

Resource = Mapping[str, Any]

_EMPTY = "http://terminology.hl7.org/CodeSystem/list-empty-reason"
_WRONG = "entered-in-error"
_OPEN_ORDERS = "active,on-hold"


@dataclass(frozen=True, slots=True)
class Stay:
    """What was written in an encounter, and the orders of it that are open."""

    conditions: tuple[Resource, ...]
    procedures: tuple[Resource, ...]
    medications: tuple[Resource, ...]
    orders: tuple[Resource, ...]


async def stay(encounter: str, records: Records) -> Stay:
    """Read what was written in an encounter."""
    asked = ("encounter", encounter)
    conditions = await records.search("Condition", asked)
    procedures = await records.search("Procedure", asked)
    medications = await records.search("MedicationRequest", asked, ("status", _OPEN_ORDERS))
    orders = await records.search("ServiceRequest", asked, ("status", _OPEN_ORDERS))
    return Stay(
        tuple(one for one in conditions if not _is_wrong(one)),
        tuple(one for one in procedures if one["status"] not in (_WRONG, "not-done")),
        tuple(medications),
        tuple(orders),
    )


def _is_wrong(condition: Resource) -> bool:
    codings = condition.get("verificationStatus", {}).get("coding", ())
    return any(one.get("code") in (_WRONG, "refuted") for one in codings)


def sections(found: Stay, course: str | None, follow_up: str | None, instructions: str | None) -> Any:
    """Return the sections of a summary; what there is nothing of says so."""
    orders = [f"Open order: {_name(one.get('code'))}" for one in found.orders]
    plan = [*([follow_up] if follow_up else []), *orders]
    diagnoses, procedures, medications = (code for code in terms.SECTIONS if code not in _WRITTEN)
    return [
        _section(diagnoses, [_name(one.get("code")) for one in found.conditions], found.conditions),
        _section(terms.COURSE, _paragraphs(course)),
        _section(procedures, [_name(one.get("code")) for one in found.procedures], found.procedures),
        _section(medications, [_medicine(one) for one in found.medications], found.medications),
        _section(terms.FOLLOW_UP, plan, found.orders),
        _section(terms.INSTRUCTIONS, _paragraphs(instructions)),
    ]


_WRITTEN = (terms.COURSE, terms.FOLLOW_UP, terms.INSTRUCTIONS)


def _paragraphs(text: str | None) -> list[str]:
    return [line.strip() for line in (text or "").splitlines() if line.strip()]


def _section(code: str, lines: Iterable[str], entries: Iterable[Resource] = ()) -> dict[str, Any]:
    name = terms.SECTIONS[code]
    section: dict[str, Any] = {"title": name, "code": concept(terms.LOINC, code, name)}
    said = list(lines)
    references = [{"reference": f"{one['resourceType']}/{one['id']}"} for one in entries]
    if references:
        section["entry"] = references
    if said:
        section["text"] = {"status": "additional", "div": _div(said)}
    elif not references:
        reason = "unavailable" if code in _WRITTEN else "nilknown"
        section["emptyReason"] = concept(_EMPTY, reason)
    return section


def _div(lines: Iterable[str]) -> str:
    inner = "".join(f"<p>{escape(line, quote=False)}</p>" for line in lines)
    return f'<div xmlns="http://www.w3.org/1999/xhtml">{inner}</div>'


def _name(code: Any) -> str:
    """Return what a CodeableConcept says in words."""
    return text_of(code) or "Not named"


def _medicine(request: Resource) -> str:
    what = request.get("medicationCodeableConcept")
    name = _name(what) if what else str(request.get("medicationReference", {}).get("display", "Medicine"))
    dosage = [one["text"] for one in request.get("dosageInstruction", ()) if "text" in one]
    return ": ".join([name, *dosage[:1]])
