"""MDM: a document, its replacement, its change, and its cancellation.

HL7 v2.5.1 §9.6 (T02 to T11), §9.7.1 (TXA)
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from adapters.from_fhir.datatypes import active_identifiers, cwe, ei, ei_of, repeated, user_coded
from adapters.from_fhir.header import evn, msh
from adapters.from_fhir.people import person_of, pid
from adapters.from_fhir.tables import code
from adapters.from_fhir.telling import Resource, SegmentFields, Telling
from adapters.from_fhir.times import timestamp
from adapters.from_fhir.visits import pv1
from hl7.building import FieldValue

_MAJOR = {"text": "TEXT", "image": "image", "audio": "audio", "application": "application", "video": "video"}
_TOLD = frozenset(
    {"content", "type", "category", "docStatus", "description", "author", "authenticator", "context"}
)


def document_event(before: Resource | None, after: Resource | None) -> str | None:
    """Return the event of a change of a DocumentReference, None if nobody has to know of it."""
    was = None if before is None else before.get("status")
    now = None if after is None else after.get("status")
    if after is None or now == "entered-in-error":
        return "T11" if was in ("current", "superseded") else None
    if was == "entered-in-error" or before is None:
        replaces = [one for one in after.get("relatesTo", ()) if one.get("code") == "replaces"]
        return ("T10" if replaces else "T02") if now == "current" else None
    differ = any(before.get(name) != after.get(name) for name in _TOLD)
    return "T08" if now == "current" and differ else None


def document(telling: Telling) -> Iterator[SegmentFields]:
    """Yield the segments of a document with its content."""
    resource = telling.told.resource
    yield msh(telling)
    yield evn(telling)
    yield pid(telling, telling.patient)
    yield pv1(telling, telling.encounter)
    yield _txa(telling, resource)
    if telling.told.message == "MDM^T11":
        return
    attachments = [one.get("attachment", {}) for one in resource.get("content", ())]
    for place, fields in enumerate(attached(telling, attachments, cwe(resource.get("type")), "F"), 1):
        yield ["OBX", place, *fields]


def _txa(telling: Telling, resource: Resource) -> SegmentFields:
    destination = telling.destination
    attachment: Mapping[str, Any] = next(
        (one.get("attachment", {}) for one in resource.get("content", ())), {}
    )
    created = timestamp(resource.get("date") or attachment.get("creation"))
    master = resource.get("masterIdentifier")
    number = ei_of(master, destination) if master and master.get("value") else ei(resource["id"], destination)
    replaced = next((one for one in resource.get("relatesTo", ()) if one.get("code") == "replaces"), None)
    parent: FieldValue = ""
    if replaced is not None and (text := replaced.get("target", {}).get("reference")):
        parent = ei(text.rpartition("/")[2], destination)
    people = [person_of(telling, one) for one in resource.get("author", ())]
    signed = person_of(telling, resource.get("authenticator"))
    state = (
        "CA" if telling.told.message == "MDM^T11" else code("document_availability", resource.get("status"))
    )
    kind = user_coded(resource.get("type"), destination) or "document"
    completion = code("document_completion", resource.get("docStatus")) or "DO"
    return [
        "TXA", 1, kind, _presentation(attachment), "", repeated(people), created,
        "", "",
        repeated(people), "", "", number, parent, repeated(_other_numbers(telling, resource)), "",
        attachment.get("title", ""),
        completion, "", state, "", "", signed,
    ]  # fmt: skip


def _other_numbers(telling: Telling, resource: Resource) -> Iterator[Any]:
    for one in active_identifiers(resource):
        yield ei_of(one, telling.destination)


def _presentation(attachment: Resource) -> str:
    """Return what kind of content it is (table 0191)."""
    kind = str(attachment.get("contentType", "")).partition("/")[0]
    return {"text": "TX", "image": "IM", "audio": "AU"}.get(kind, "AP")


def attached(
    telling: Telling, attachments: Iterable[Resource], concept: FieldValue, status: str
) -> Iterator[list[FieldValue]]:
    """Yield the fields of OBX behind the first for attachments.

    The content (ED), or else its address (RP).
    """
    for place, one in enumerate(attachments, 1):
        content, kind = one.get("data"), one.get("contentType", "")
        binary = telling.get(one.get("url"))
        if content is None and binary is not None and binary["resourceType"] == "Binary":
            content, kind = binary.get("data"), kind or binary.get("contentType", "")
        major, _, minor = str(kind).partition(";")[0].partition("/")
        value: FieldValue
        if content is not None:
            value = ["", _MAJOR.get(major, "application"), minor.upper() or "Octet-stream", "Base64", content]
            yield ["ED", concept, str(place), value, "", "", "", "", "", status]
        elif one.get("url"):
            value = [one["url"], "", _MAJOR.get(major, "application"), minor.upper()]
            yield ["RP", concept, str(place), value, "", "", "", "", "", status]
