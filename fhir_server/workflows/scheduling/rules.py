"""The rules of scheduling, and the states of an Appointment.

https://hl7.org/fhir/R4/appointment.html#statuses
"""

from fhir_server.workflows.pattern import Rule, StateTable

STATE = Rule("W3.state", "An Appointment goes on only to a state that may follow; what is over stays so.")
SLOT_TAKEN = Rule("W3.slot-taken", "A Slot is for one Appointment.", 409, "conflict")
DOUBLE_BOOKING = Rule(
    "W3.double-booking",
    "Nobody, and no room or device, is in two Appointments at one time.",
    409,
    "conflict",
)
SLOT_CLOSED = Rule("W3.slot-closed", "A Slot that is unavailable is not booked.", 409, "conflict")
PAST_START = Rule("W3.past-start", "What is asked for or booked begins in the future.")
END_FIRST = Rule("W3.end-after-start", "An Appointment or a Slot ends after it starts.")
WHEN = Rule("W3.start-and-end", "What is more than a wish has a start and an end.", 422, "required")
DURATION = Rule("W3.duration", "minutesDuration is the time from start to end.")
OUTSIDE = Rule("W3.outside-schedule", "An Appointment lies within its Slots, and they in an active Schedule.")
INACTIVE = Rule("W3.inactive", "Who or what takes part is active at the time.")
CANCEL_REASON = Rule("W3.cancel-reason", "What is cancelled says why (cancelationReason).")
NOSHOW_EARLY = Rule("W3.noshow-early", "Nobody failed to come before the Appointment is over.")
CUT_OFF = Rule("W3.cut-off", "Patients cancel or move an Appointment in good time before it starts.")
PATIENT_STEP = Rule(
    "W3.patient-step", "Patients ask, book, move and cancel; the rest is for staff.", 403, "forbidden"
)
FOR_ANOTHER = Rule("W3.for-another", "Patients make appointments for themselves.", 403, "forbidden")
APPROVAL = Rule(
    "W3.approval",
    "Patients book only what is offered for that; else a doctor confirms what they ask for.",
    403,
    "forbidden",
)
ORDER_NEEDED = Rule("W3.order-needed", "Examinations that need an order are booked for an active one.")
SLOT_HELD = Rule(
    "W3.slot-held", "A Slot that an Appointment has is not deleted, moved or given free.", 409, "conflict"
)
SLOT_AGREES = Rule("W3.slot-agrees", "A Slot is busy for an Appointment only; else it is busy-unavailable.")
OWN_SLOT = Rule("W3.own-slot", "Doctors change their own Slots and Schedules.", 403, "forbidden")
ANSWERED = Rule("W3.answered", "A request is answered once, while it waits for that.")
NOT_INVITED = Rule("W3.not-invited", "Who answers takes part in the Appointment.")
OWN_ANSWER = Rule("W3.own-answer", "People answer for themselves; administrators for all.", 403, "forbidden")
NOBODY_FREE = Rule("W3.nobody-free", "What is booked without a doctor needs a free one.", 404, "not-found")
NOT_OFFERED = Rule("W3.not-offered", "What is held is offered now.", 404, "not-found")
NO_VISIT = Rule("W3.no-visit", "Those who take part join a visit by video that is booked.")
JOIN_WINDOW = Rule("W3.join-window", "A visit is joined from shortly before until it ends.", 403, "forbidden")

RULES = (
    STATE,
    SLOT_TAKEN,
    DOUBLE_BOOKING,
    SLOT_CLOSED,
    PAST_START,
    END_FIRST,
    WHEN,
    DURATION,
    OUTSIDE,
    INACTIVE,
    CANCEL_REASON,
    NOSHOW_EARLY,
    CUT_OFF,
    PATIENT_STEP,
    FOR_ANOTHER,
    APPROVAL,
    ORDER_NEEDED,
    SLOT_HELD,
    SLOT_AGREES,
    OWN_SLOT,
    ANSWERED,
    NOT_INVITED,
    OWN_ANSWER,
    NOBODY_FREE,
    NOT_OFFERED,
    NO_VISIT,
    JOIN_WINDOW,
)

_ERROR = "entered-in-error"
STATES = (
    StateTable(
        "Appointment",
        STATE,
        {
            "proposed": ("pending", "booked", "waitlist", "cancelled", _ERROR),
            "waitlist": ("proposed", "pending", "booked", "cancelled", _ERROR),
            "pending": ("booked", "waitlist", "cancelled", _ERROR),
            "booked": ("pending", "arrived", "checked-in", "noshow", "cancelled", _ERROR),
            "arrived": ("checked-in", "fulfilled", "cancelled", _ERROR),
            "checked-in": ("arrived", "fulfilled", "cancelled", _ERROR),
            "fulfilled": (_ERROR,),
            "cancelled": (_ERROR,),
            "noshow": (_ERROR,),
        },
    ),
)
