"""The strict check of a channel: hl7apy, which knows each version's structures, cardinalities and types.

It takes 20 to 40 ms for a message, so that it is asked beside the event loop, and only where a channel says
so. It is an extra (`pip install fhir-hospital-server[strict]`). https://crs4.github.io/hl7apy/
"""

from importlib import import_module
from importlib.util import find_spec

from hl7.errors import SEGMENT_SEQUENCE, HL7Error
from hl7.message import Message


def is_available() -> bool:
    """Tell whether hl7apy is installed."""
    return find_spec("hl7apy") is not None


def strict_violations(message: Message) -> list[HL7Error]:
    """Return what hl7apy finds wrong with a message; nothing of the message is in it."""
    exceptions = import_module("hl7apy.exceptions")
    parse_message = import_module("hl7apy.parser").parse_message
    text = message.data.decode(message.charset, "replace").replace("\r\n", "\r").replace("\n", "\r").strip()
    level = import_module("hl7apy.consts").VALIDATION_LEVEL.TOLERANT
    try:
        parse_message(text, validation_level=level, find_groups=False).validate()
    except (exceptions.HL7apyException, AttributeError, ValueError) as failure:
        kind = type(failure).__name__
        return [HL7Error(f"the strict check of this channel refuses it: {kind}", code=SEGMENT_SEQUENCE)]
    return []
