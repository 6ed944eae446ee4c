"""Who is to be told about a result: who ordered it, or else who looks after the patient.

https://hl7.org/fhir/R4/servicerequest-definitions.html#ServiceRequest.requester
"""

from collections.abc import Iterable, Mapping
from typing import Any

from fhir_server.workflows.orders.vocabulary import references
from fhir_server.workflows.records import Records

_STAFF = ("Practitioner", "PractitionerRole")


def requesters(orders: Iterable[Mapping[str, Any]], base_url: str) -> tuple[str, ...]:
    """Return the staff who ordered something."""
    found = (one for order in orders for one in references(order, "requester", base_url, *_STAFF))
    return tuple(dict.fromkeys(found))


async def others(result: Mapping[str, Any], records: Records) -> tuple[str, ...]:
    """Return who takes part in the visit of a result, and the patient's own doctors."""
    base_url = records.situation.base_url
    found: list[str] = []
    encounter = await records.read(result.get("encounter"))
    for one in (encounter or {}).get("participant", ()):
        found += references(one, "individual", base_url, *_STAFF)
    patient = await records.read(result.get("subject"))
    found += references(patient or {}, "generalPractitioner", base_url, *_STAFF)
    return tuple(dict.fromkeys(found))


async def doctors(
    result: Mapping[str, Any], orders: Iterable[Mapping[str, Any]], records: Records
) -> tuple[str, ...]:
    """Return who is to know of a result first."""
    return requesters(orders, records.situation.base_url) or await others(result, records)
