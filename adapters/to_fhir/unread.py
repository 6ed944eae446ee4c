"""Segments of which nothing is made: the sender is told, so that nothing is lost silently.

They stay with the message in the inbox, as do fields that the tables have not. HL7 v2.5.1 §2.15.5 (ERR-4 I)
"""

from collections.abc import Mapping

from adapters.to_fhir.scope import Scope
from hl7.errors import ACCEPTED, HL7Error, Location

_MOST = 20
_NO_VISIT = "N"  # PV1-2 (table 0004), where a message is about no visit

_FRAME = frozenset({"MSH", "EVN", "SFT", "UAC", "DSC"})
"""What is about the message itself, or read for its Provenance."""

_BY_FUNCTIONS: Mapping[str, frozenset[str]] = {
    "ADT": frozenset({"MRG"}),
    "MDM": frozenset({"OBX"}),
    "MFN": frozenset({"MFI", "MFE", "LOC"}),
    "REF": frozenset({"PRD"}),
    "SIU": frozenset({"RGS", "AIL", "AIP", "TQ1", "NTE"}),
}
"""Segments that functions read and no table, by the message code."""


def unread(scope: Scope) -> None:
    """Add a note (severity I) for each kind of segment of which nothing was made."""
    known = _FRAME | _BY_FUNCTIONS.get(scope.message.header.message_code, frozenset())
    told: set[str] = set()
    for segment in scope.message.segments:
        name = segment.name
        if name == "PV1" and segment.get(2) == _NO_VISIT:
            continue
        if segment.position in scope.read or name in known or name in told or len(told) == _MOST:
            continue
        told.add(name)
        text = "nothing is made of this segment; it is kept with the message"
        place = Location(name, segment.sequence)
        scope.warnings.append(HL7Error(text, code=ACCEPTED, location=place, severity="I"))
