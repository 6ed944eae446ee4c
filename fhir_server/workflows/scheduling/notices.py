"""What people are told about appointments: that there is one and when, never what for.

https://hl7.org/fhir/R4/communication.html
"""

from fhir_server.workflows.notices import NoticeKind


def _kind(name: str, subject: str, text: str, category: str = "notification") -> NoticeKind:
    return NoticeKind(f"W3.{name}", subject, text, text, category)


BOOKED = _kind("booked", "Your appointment is booked", "An appointment is booked: {start}.")
MOVED = _kind("moved", "Your appointment was moved", "An appointment was moved; it is now: {start}.")
CANCELLED = _kind("cancelled", "Your appointment is cancelled", "The appointment is cancelled: {start}.")
NOT_CONFIRMED = _kind(
    "not-confirmed", "Your request was not confirmed", "The appointment was not confirmed: {start}."
)
REQUESTED = _kind(
    "requested", "Somebody asks for an appointment", "An appointment with you is asked for: {start}."
)
PROPOSED = _kind(
    "proposed",
    "Another time is proposed",
    "Another time is proposed for your appointment: {start}. Please answer.",
)
OFFERED = _kind(
    "offered", "A time is free for you", "A time is free for you: {start}. Please book it before others do."
)
REMINDER = _kind("reminder", "Your appointment", "Remember your appointment: {start}.", "reminder")

NOTICES = (BOOKED, MOVED, CANCELLED, NOT_CONFIRMED, REQUESTED, PROPOSED, OFFERED, REMINDER)
