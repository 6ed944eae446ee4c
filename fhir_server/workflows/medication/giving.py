"""MedicationAdministration: what nurses give, on a prescription of the same patient that is active.

https://hl7.org/fhir/R4/medicationadministration.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fhir_server.workflows.medication.dispensing import has_expired
from fhir_server.workflows.medication.looking_up import is_order, medication, target
from fhir_server.workflows.medication.rules import EXPIRED_LOT, GIVEN_ON, SAME_PATIENT
from fhir_server.workflows.pattern import Change, Violation, Watch
from fhir_server.workflows.records import Records
from fhir_server.workflows.situation import Situation

Resource = Mapping[str, Any]

_GIVEN = ("in-progress", "completed")
# A prescription that the pharmacy has handed out whole is given from for days.
_GIVEN_FROM = ("active", "completed")


@dataclass(frozen=True, slots=True)
class Facts:
    """What an administration is on, where, and of which lot."""

    prescription: Resource | None = None
    encounter: Resource | None = None
    medicine: Resource | None = None


async def gather(change: Change, records: Records) -> Facts:
    """Look up what an administration refers to, when it begins."""
    given = change.after
    if given is None or not _begins(change):
        return Facts()
    return Facts(
        await records.read(given.get("request")),
        await records.read(given.get("context")),
        await medication(given, records),
    )


def _begins(change: Change) -> bool:
    was = None if change.before is None else change.before.get("status")
    return change.after is not None and change.after.get("status") in _GIVEN and was not in _GIVEN


def check(change: Change, facts: Facts, situation: Situation) -> Iterable[Violation]:
    """Yield what is wrong with an administration."""
    given = change.after
    if given is None:
        return
    base_url = situation.base_url
    patient = target(given.get("subject"), base_url)
    if not _begins(change):
        before = change.before or {}
        if before and patient != target(before.get("subject"), base_url):
            yield SAME_PATIENT.broken("It was given to another patient", "MedicationAdministration.subject")
        return
    if has_expired(facts.medicine, situation.now):
        yield EXPIRED_LOT.broken("The lot has expired", "MedicationAdministration.medication")
    for one, element in ((facts.prescription, "request"), (facts.encounter, "context")):
        of = "subject" if one is None or one["resourceType"] != "EpisodeOfCare" else "patient"
        if one is not None and of in one and target(one[of], base_url) != patient:
            yield SAME_PATIENT.broken("That is another patient's", f"MedicationAdministration.{element}")
    where = "MedicationAdministration.request"
    if facts.prescription is not None and not is_order(facts.prescription):
        yield GIVEN_ON.broken("What it names is only proposed", where)
    elif facts.prescription is not None and facts.prescription.get("status") not in _GIVEN_FROM:
        yield GIVEN_ON.broken("The prescription is not active", where)
    elif facts.prescription is None and not situation.has_role("DR"):
        yield GIVEN_ON.broken("It names the prescription on which it is given", where)


WATCH = Watch(frozenset({"MedicationAdministration"}), gather=gather, check=check)
