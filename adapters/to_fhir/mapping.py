"""From a message to drafts: the one table of which message is mapped by what. Pure.

https://hl7.org/fhir/uv/v2mappings/
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace

from adapters.channels import Channel
from adapters.to_fhir.drafts import REFERENCE, Draft, Effect, Mapped, linked
from adapters.to_fhir.messages.adt import adt
from adapters.to_fhir.messages.charges import bar, dft
from adapters.to_fhir.messages.common import event_time
from adapters.to_fhir.messages.documents import mdm
from adapters.to_fhir.messages.master_files import mfn
from adapters.to_fhir.messages.orders import orders, referral
from adapters.to_fhir.messages.pharmacy import rde, rds
from adapters.to_fhir.messages.results import oru, oul
from adapters.to_fhir.messages.scheduling import siu
from adapters.to_fhir.messages.vaccinations import vxu
from adapters.to_fhir.scope import Scope
from adapters.to_fhir.unread import unread
from hl7.errors import (
    DUPLICATE_KEY,
    UNSUPPORTED_EVENT,
    UNSUPPORTED_MESSAGE_TYPE,
    HL7Error,
    Location,
    UnsupportedMessage,
)
from hl7.message import Message

MapMessage = Callable[[Scope], None]

_ADT = ("A01", "A02", "A03", "A04", "A05", "A06", "A07", "A08", "A11", "A12", "A13", "A14")
_PERSON = ("A28", "A31", "A34", "A40")

MAPS: Mapping[str, Mapping[str, MapMessage]] = {
    "ADT": dict.fromkeys((*_ADT, *_PERSON), adt),
    "ORU": {"R01": oru},
    "OUL": {"R22": oul},
    "ORM": {"O01": orders},
    "OML": {"O21": orders},
    "REF": {"I12": referral},
    "SIU": dict.fromkeys(("S12", "S13", "S14", "S15", "S17", "S26"), siu),
    "MDM": dict.fromkeys(("T02", "T04", "T06", "T08", "T10", "T11"), mdm),
    "DFT": {"P03": dft},
    "BAR": {"P01": bar, "P02": bar},
    "RDE": {"O11": rde},
    "RDS": {"O13": rds},
    "VXU": {"V04": vxu},
    "MFN": {"M02": mfn, "M05": mfn},
}
"""By message code and trigger event."""

_ONE_NUMBER = frozenset(
    {
        *("Appointment", "ChargeItem", "MedicationDispense", "MedicationRequest", "PaymentReconciliation"),
        "ServiceRequest",
    }
)
_TELLING = {
    "Immunization": ("vaccineCode", "occurrenceDateTime"),
    "MedicationRequest": ("medicationCodeableConcept",),
}
"""Elements by which two things under one number are told apart, even if both are only named."""


def is_mapped(code: str, event: str) -> bool:
    """Tell whether there is a map for a message."""
    return event in MAPS.get(code, {})


def map_message(message: Message, channel: Channel, *, trace: bool = False) -> Mapped:
    """Return what `message`, as it came by `channel`, says in FHIR; with `trace`, where each element is from.

    Raises HL7Error for what is refused: 200 and 201 for a message that is not mapped, else by what is wrong.
    """
    header = message.header
    events = MAPS.get(header.message_code)
    if events is None:
        text, code = "messages of this type are not mapped", UNSUPPORTED_MESSAGE_TYPE
        raise UnsupportedMessage(text, code=code, location=Location("MSH", 1, 9, 1, 1))
    made = events.get(header.trigger_event)
    if made is None:
        text, code = "messages of this event are not mapped", UNSUPPORTED_EVENT
        raise UnsupportedMessage(text, code=code, location=Location("MSH", 1, 9, 1, 2))
    scope = Scope.of(message, channel, trace=trace)
    made(scope)
    drafts, effects = _once(scope)
    unread(scope)
    return Mapped(
        drafts=drafts,
        effects=effects,
        warnings=(*message.warnings, *scope.warnings),
        subject=scope.subject,
        event_time=event_time(scope),
        is_record=header.message_code == "ADT",
        steps=tuple(scope.steps or ()),
    )


def _once(scope: Scope) -> tuple[tuple[Draft, ...], tuple[Effect, ...]]:
    """Return drafts and effects, each thing once: what a message names again, as a specimen of two orders.

    Raises HL7Error (205) for two things that are told in full under one number: one would be lost.
    """
    first: dict[tuple[str, str], Draft] = {}
    same: dict[str, str] = {}
    for draft in scope.drafts.values():
        known = first.setdefault((draft.type, draft.id), draft)
        if known is draft:
            continue
        _check_same(draft, known)
        same[draft.key] = known.key
        for one in draft.resource.get("request", ()):
            if one not in known.resource.setdefault("request", []):
                known.resource["request"].append(one)
    if same:
        references = {key: REFERENCE + same.get(key, key) for key in scope.drafts}
        for draft in first.values():
            draft.resource = linked(draft.resource, references)
    return tuple(first.values()), tuple(_about(one, same) for one in scope.effects)


def _check_same(draft: Draft, known: Draft) -> None:
    """Raise HL7Error (205) if two drafts of one id are two things: the second would be lost."""
    is_second = draft.presence == "full" and draft.type in _ONE_NUMBER
    is_other = any(
        draft.resource.get(name) != known.resource.get(name) for name in _TELLING.get(draft.type, ())
    )
    if is_second or is_other:
        raise HL7Error(f"two of {draft.type} have one number", code=DUPLICATE_KEY, location=draft.place)


def _about(effect: Effect, same: Mapping[str, str]) -> Effect:
    """Return an effect that is about the drafts that are left."""
    told = {one.name: getattr(effect, one.name) for one in fields(effect)}
    changed = {name: same[one] for name, one in told.items() if isinstance(one, str) and one in same}
    return replace(effect, **changed) if changed else effect  # type: ignore[arg-type]
