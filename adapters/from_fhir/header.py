"""MSH and EVN: who tells whom, what happened, and when. HL7 v2.5.1 §2.15.9 (MSH), §3.4.1 (EVN)"""

from datetime import UTC, datetime

from adapters.from_fhir.tables import structure
from adapters.from_fhir.telling import SegmentFields, Telling
from adapters.from_fhir.times import moment
from hl7.building import Component


def msh(telling: Telling) -> SegmentFields:
    """Return the header of the message."""
    destination = telling.destination
    code, event = telling.told.message.split("^")
    kind: list[Component] = [code, event]
    if not destination.is_before("2.3.1"):  # which brought the third component
        kind.append(structure(telling.told.message))
    wanted = "AL" if destination.enhanced else ""
    return [
        "MSH", "", "",
        destination.sending_application, destination.sending_facility,
        destination.receiving_application, destination.receiving_facility,
        moment(telling.now, destination.time_zone), "", kind, telling.control_id,
        destination.processing_id, destination.version, "", "", wanted, wanted, "",
        "" if destination.codec == "ascii" else destination.charset,
    ]  # fmt: skip


def evn(telling: Telling) -> SegmentFields:
    """Return the event: when it was recorded, and when it came to be."""
    _, event = telling.told.message.split("^")
    recorded = moment(_changed(telling), telling.destination.time_zone)
    return ["EVN", event, recorded, "", "", "", recorded]


def _changed(telling: Telling) -> datetime:
    """Return when the version that is told of was stored."""
    text = telling.told.resource.get("meta", {}).get("lastUpdated") if telling.told.after else None
    try:
        return datetime.fromisoformat(text) if text else telling.now
    except ValueError:
        return telling.now.astimezone(UTC)
