"""What holds for discharge summaries, and for the end of an encounter. https://hl7.org/fhir/R4/composition.html"""

from collections.abc import Iterable, Mapping
from typing import Any

from fhir_server.workflows.discharge import papers, terms
from fhir_server.workflows.discharge.terms import is_summary
from fhir_server.workflows.made import has_code
from fhir_server.workflows.pattern import Change, Violation, Watch
from fhir_server.workflows.records import Records
from fhir_server.workflows.references import reference_of
from fhir_server.workflows.situation import Situation

Resource = Mapping[str, Any]

_ROLES = "http://terminology.hl7.org/CodeSystem/practitioner-role"
_SURGICAL = "387713003"
_WRITTEN = (terms.COURSE, terms.FOLLOW_UP, terms.INSTRUCTIONS)
_MARKS = ("meta", "status")


async def gather(change: Change, records: Records) -> list[bool]:
    """Look up of each author whether they may be a doctor."""
    if change.after is None or not is_summary(change.after):
        return []
    return [await is_doctor(reference_of(one), records) for one in change.after.get("author", ())]


async def is_doctor(reference: str | None, records: Records) -> bool:
    """Tell whether somebody is a doctor, as far as their roles say; of whom none are known they may be."""
    person = await records.read(reference)
    if person is None or person["resourceType"] not in ("Practitioner", "PractitionerRole"):
        return False
    if person["resourceType"] == "PractitionerRole":
        return has_code(person.get("code", []), _ROLES, "doctor")
    if person.get("active") is False:
        return False
    roles = await records.search("PractitionerRole", ("practitioner", f"Practitioner/{person['id']}"))
    return not roles or any(has_code(role.get("code", []), _ROLES, "doctor") for role in roles)


def check(change: Change, facts: list[bool], situation: Situation) -> Iterable[Violation]:
    """Check a summary."""
    before, after = change.before, change.after
    if after is None or not is_summary(after):
        if before is not None and is_summary(before) and before["status"] in terms.SIGNED:
            yield terms.AMENDED.broken("A signed summary stays one", "Composition.type")
        return
    is_new = before is None or _content(before) != _content(after)
    if not is_new and before is not None and before["status"] == after["status"]:
        return
    was_signed = before is not None and before["status"] in terms.SIGNED
    is_signed = after["status"] in terms.SIGNED
    if not any(facts):
        yield terms.AUTHOR.broken("No author is a doctor", "Composition.author")
    if (was_signed or is_signed) and not situation.has_role("DR"):
        yield terms.SIGN.broken("Only a doctor signs and amends a summary", "Composition.status")
    if was_signed and is_new and after["status"] == "final":
        yield terms.AMENDED.broken("It was signed: what is changed makes it amended", "Composition.status")
    missing = [name for code, name in terms.SECTIONS.items() if not _says(after, code)]
    if is_signed and missing:
        yield terms.COMPLETE.broken(f"These sections are missing or empty: {', '.join(missing)}", _WHERE)


_WHERE = "Composition.section"


def _content(resource: Resource) -> dict[str, Any]:
    return {name: value for name, value in resource.items() if name not in _MARKS}


def _says(composition: Resource, code: str) -> bool:
    """Tell whether a section says something, if only that there is nothing; some have to be written."""
    for section in composition.get("section", ()):
        if has_code(section.get("code"), terms.LOINC, code):
            is_empty = "emptyReason" in section and code not in _WRITTEN
            return is_empty or bool(section.get("text") or section.get("entry") or section.get("section"))
    return False


SUMMARIES: Watch[list[bool]] = Watch(
    frozenset({"Composition"}), gather=gather, check=check, follows=papers.follows
)


async def gather_end(change: Change, records: Records) -> bool:
    """Look for an operation that goes on in an encounter that ends."""
    if change.after is None or not change.became("finished") or change.before is None:
        return False
    asked = (("encounter", change.reference), ("status", "in-progress"))
    return any(_is_surgery(one) for one in await records.search("Procedure", *asked))


def _is_surgery(procedure: Resource) -> bool:
    """Tell whether a procedure is an operation; one that does not say what it is may be."""
    category = procedure.get("category")
    return category is None or has_code(category, "http://snomed.info/sct", _SURGICAL)


def check_end(_change: Change, facts: bool, _situation: Situation) -> Iterable[Violation]:
    """Refuse the end of an encounter during an operation."""
    if facts:
        yield terms.SURGERY.broken("A surgical procedure is in progress", "Encounter.status")


ENDS: Watch[bool] = Watch(frozenset({"Encounter"}), gather=gather_end, check=check_end)
