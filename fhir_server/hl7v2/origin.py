"""Where resources come from that a message made: `meta.source`, and their Provenance.

https://hl7.org/fhir/R4/provenance.html, https://hl7.org/fhir/uv/v2mappings/
"""

from typing import Any
from urllib.parse import quote

from adapters.applying import Received
from adapters.channels import Channel
from adapters.to_fhir.datatypes.actors import authority_organization, practitioner
from adapters.to_fhir.drafts import Mapped
from adapters.to_fhir.scope import Scope
from adapters.to_fhir.value import Value
from fhir_server import __version__
from hl7.message import Message

INBOX = "urn:fhir-hospital-server:hl7v2-inbox"
"""The system of the numbers of messages in the inbox."""
_PARTICIPANT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
_ACTIVITY = "http://hl7.org/fhir/uv/v2mappings/CodeSystem/provenance-activity-type-v2-to-fhir"


def source_of(message: Message) -> str:
    """Return `meta.source` of what a message makes: `urn:hl7v2:` with MSH-3 and MSH-10."""
    header = message.header
    parts = (header.sending_application[1].text, header.control_id)
    return "urn:hl7v2:" + ":".join(quote(part, safe="-._~") for part in parts)


def provenance(
    message: Message, mapped: Mapped, channel: Channel, received: Received, recorded: str
) -> dict[str, Any]:
    """Return the Provenance of what `message` changes, without its targets: these are what is stored.

    Its source is the organization of MSH-4, and who entered it (EVN-5); this server is what transformed it.
    """
    header, scope = message.header, Scope.of(message, channel)
    made: dict[str, Any] = {
        "resourceType": "Provenance",
        "recorded": recorded,
        "activity": {
            "coding": [{"system": _ACTIVITY, "code": "v2-fhir-transformation"}],
            "text": f"{header.message_code}^{header.trigger_event}".removesuffix("^"),
        },
        "agent": [
            _author(header.sending_facility.raw, channel, scope),
            _assembler(),
            *_enterer(message, scope),
        ],
        "entity": [{"role": "source", "what": _inbox(received, header.control_id)}],
    }
    if mapped.event_time:
        made["occurredDateTime"] = mapped.event_time
    return made


def _author(raw: str, channel: Channel, scope: Scope) -> dict[str, Any]:
    who = authority_organization(Value(raw, scope.reader), scope)
    return {"type": _kind("author"), "who": who or {"display": channel.sending_facility or channel.name}}


def _assembler() -> dict[str, Any]:
    number = {"system": "urn:fhir-hospital-server:adapter", "value": f"hl7v2/{__version__}"}
    return {"type": _kind("assembler"), "who": {"identifier": number, "display": "HL7 v2 adapter"}}


def _enterer(message: Message, scope: Scope) -> list[dict[str, Any]]:
    """Return who entered the event (EVN-5), named without a resource of their own."""
    evn = message.first("EVN")
    raw = evn[5].repetition(1).raw if evn is not None else ""
    who = practitioner(Value(raw, scope.reader), scope) if raw else None
    if who is None or "display" not in who:
        return []
    return [{"type": _kind("enterer"), "who": {"display": who["display"]}}]


def _inbox(received: Received, control_id: str) -> dict[str, Any]:
    number = {"system": INBOX, "value": received.inbox_id}
    return {"identifier": number, "display": f"HL7 v2 message {control_id}".strip()}


def _kind(code: str) -> dict[str, Any]:
    return {"coding": [{"system": _PARTICIPANT, "code": code}]}
