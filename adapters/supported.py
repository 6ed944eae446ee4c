"""Which messages are taken at all; of these, `Apply` makes resources. docs/hl7v2.md has the same table.

HL7 v2.5.1 tables 0076 (message type) and 0003 (event type)
"""

from collections.abc import Mapping

from hl7.errors import (
    UNSUPPORTED_EVENT,
    UNSUPPORTED_MESSAGE_TYPE,
    UNSUPPORTED_VERSION,
    Location,
    UnsupportedMessage,
)
from hl7.message import Header

SUPPORTED: Mapping[str, frozenset[str]] = {
    "ADT": frozenset(
        {
            *("A01", "A02", "A03", "A04", "A05", "A06", "A07", "A08", "A11", "A12", "A13", "A14"),
            *("A28", "A31", "A34", "A40"),
        }
    ),
    "ORM": frozenset({"O01"}),
    "OML": frozenset({"O21"}),
    "ORU": frozenset({"R01"}),
    "OUL": frozenset({"R22"}),
    "SIU": frozenset({"S12", "S13", "S14", "S15", "S17", "S26"}),
    "DFT": frozenset({"P03"}),
    "BAR": frozenset({"P01", "P02"}),
    "MDM": frozenset({"T02", "T04", "T06", "T08", "T10", "T11"}),
    "RDE": frozenset({"O11"}),
    "RDS": frozenset({"O13"}),
    "VXU": frozenset({"V04"}),
    "REF": frozenset({"I12"}),
    "MFN": frozenset({"M02", "M05"}),
    "QBP": frozenset({"Q11", "Q22"}),
}
"""The trigger events that are taken, by the message code."""

RESPONSES = frozenset({"ACK", "MCF", "ORR", "ORL", "ORP", "RRE", "RRD", "RRI", "RSP", "MFK"})
"""Codes of messages that answer others: they are taken whatever their event, and not acknowledged in turn."""

VERSIONS = frozenset(
    {
        "2.1",
        "2.2",
        "2.3",
        "2.3.1",
        "2.4",
        "2.5",
        "2.5.1",
        "2.6",
        "2.7",
        "2.7.1",
        "2.8",
        "2.8.1",
        "2.8.2",
        "2.9",
    }
)
"""The versions that are read, by position. A message that says none is read too."""


def check(header: Header) -> None:
    """Raise UnsupportedMessage for a message that is not taken: 203, 200 or 201, each answered AR or CR."""
    version = header.version.partition("^")[0]
    if version and version not in VERSIONS:
        raise UnsupportedMessage(
            "this version of HL7 is not read here", code=UNSUPPORTED_VERSION, location=Location("MSH", 1, 12)
        )
    if header.message_code in RESPONSES:
        return
    events = SUPPORTED.get(header.message_code)
    place = Location("MSH", 1, 9, 1, 1 if events is None else 2)
    if events is None:
        text, code = "messages of this type are not taken", UNSUPPORTED_MESSAGE_TYPE
        raise UnsupportedMessage(text, code=code, location=place)
    if header.trigger_event not in events:
        text = "messages of this event are not taken"
        raise UnsupportedMessage(text, code=UNSUPPORTED_EVENT, location=place)
