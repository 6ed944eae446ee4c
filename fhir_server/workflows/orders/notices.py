"""What people are told about orders and results: that there is something, and never what it says.

https://hl7.org/fhir/R4/communication.html
"""

from fhir_server.workflows.notices import NoticeKind

AVAILABLE = NoticeKind(
    "W7.result-available",
    "A result is there for you",
    "A result is there for you to read. Please sign in to see it.",
    "A result is there for you. Please sign in to see it.",
)
CHANGED = NoticeKind(
    "W7.result-changed",
    "A result was changed",
    "A result that you were told of was changed. Please sign in to see it.",
    "A result that you were told of was changed. Please sign in to see it.",
)
CORRECTED = NoticeKind(
    "W7.result-corrected",
    "A result that you ordered was corrected",
    "A result that you ordered was changed after it was final. Please read it again.",
    "A result that you ordered was changed. Please read it again.",
)
CRITICAL_RESULT = NoticeKind(
    "W7.critical-result",
    "A critical result waits for you",
    "A result is critical. Please read and acknowledge it now.",
    "A result is critical. Please read and acknowledge it now.",
    urgent=True,
)
ESCALATED = NoticeKind(
    "W7.critical-escalated",
    "A critical result that nobody has acknowledged",
    "Nobody has acknowledged a critical result in time. Please read and acknowledge it now.",
    "Nobody has acknowledged a critical result. Please do so now.",
    urgent=True,
)
NOT_DONE = NoticeKind(
    "W7.order-not-done",
    "An order is not carried out",
    "Something that you ordered was rejected, or could not be done. Please look at its task.",
    "Something that you ordered was not done. Please look at its task.",
)

NOTICES = (AVAILABLE, CHANGED, CORRECTED, CRITICAL_RESULT, ESCALATED, NOT_DONE)
