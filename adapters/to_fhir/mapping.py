"""From a message to drafts: the one table of which message is mapped by what. Pure.

https://hl7.org/fhir/uv/v2mappings/
"""

from collections.abc import Callable, Mapping

from adapters.channels import Channel
from adapters.to_fhir.drafts import Mapped
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
from hl7.errors import UNSUPPORTED_EVENT, UNSUPPORTED_MESSAGE_TYPE, Location, UnsupportedMessage
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
    return Mapped(
        drafts=tuple(scope.drafts.values()),
        effects=tuple(scope.effects),
        warnings=(*message.warnings, *scope.warnings),
        subject=scope.subject,
        event_time=event_time(scope),
        is_record=header.message_code == "ADT",
        steps=tuple(scope.steps or ()),
    )
