"""Specimen: its accession number, whose it is, and the label on the tube.

https://hl7.org/fhir/R4/specimen.html
"""

from collections.abc import Iterable, Mapping
from typing import Any

from fhir_server.store.ruling import Claim
from fhir_server.workflows.made import concept
from fhir_server.workflows.orders.rules import ACCESSION, ACCESSION_TAKEN, SAME_PATIENT
from fhir_server.workflows.orders.vocabulary import references, subject
from fhir_server.workflows.pattern import Change, Violation, Watch
from fhir_server.workflows.records import Records
from fhir_server.workflows.situation import Situation

Resource = Mapping[str, Any]

ACCESSIONS = "urn:fhir-hospital-server:accession"
"""The system of the accession numbers that this server gives."""

_COUNTER = "accession"
_ELEMENT = "accessionIdentifier"


def completes(specimen: Resource, before: Resource | None, situation: Situation) -> Resource:
    """Give a specimen its accession number, and leave it what it has."""
    if _ELEMENT in specimen:
        return specimen
    if before is not None and _ELEMENT in before:
        return {**specimen, _ELEMENT: before[_ELEMENT]}
    number = situation.drawn(_COUNTER, specimen)
    kind = concept("http://terminology.hl7.org/CodeSystem/v2-0203", "ACSN", "Accession ID")
    given = {"type": kind, "system": ACCESSIONS, "value": f"{situation.now:%y}-{number:06d}"}
    return {**specimen, _ELEMENT: given}


def claims(specimen: Resource) -> Iterable[Claim]:
    """Claim a number of ours, which somebody might write onto another specimen."""
    given = specimen.get(_ELEMENT, {})
    if given.get("system") == ACCESSIONS and "value" in given:
        refusal = ACCESSION_TAKEN.error("Another specimen has this accession number", f"Specimen.{_ELEMENT}")
        yield Claim(f"W7/accession/{given['value']}", f"Specimen/{specimen['id']}", refusal)


async def gather(change: Change, records: Records) -> list[dict[str, Any]]:
    """Return the orders of a specimen."""
    orders = references(change.after or {}, "request", records.situation.base_url, "ServiceRequest")
    found = [await records.read(one) for one in orders]
    return [one for one in found if one is not None]


def check(change: Change, orders: list[dict[str, Any]], situation: Situation) -> Iterable[Violation]:
    """Yield another patient's order, and another number than before."""
    specimen, before = change.after, change.before
    if specimen is None:
        return
    whose = subject(specimen, situation.base_url)
    if any(subject(order, situation.base_url) != whose for order in orders):
        yield SAME_PATIENT.broken("The order is for another subject", "Specimen.request")
    if before is not None and _ELEMENT in before and _number(before) != _number(specimen):
        yield ACCESSION.broken("The specimen has another accession number", f"Specimen.{_ELEMENT}")


def _number(specimen: Resource) -> tuple[Any, Any]:
    given = specimen.get(_ELEMENT, {})
    return given.get("system"), given.get("value")


WATCH = Watch(
    frozenset({"Specimen"}),
    completes=completes,
    draws=lambda specimen: () if _ELEMENT in specimen else (_COUNTER,),
    claims=claims,
    gather=gather,
    check=check,
)
