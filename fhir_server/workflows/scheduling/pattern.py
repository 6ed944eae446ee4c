"""W3, scheduling, put together: https://hl7.org/fhir/R4/appointment.html."""

from fhir_server.workflows.pattern import Pattern
from fhir_server.workflows.scheduling import answers, appointments, lapsing, roster
from fhir_server.workflows.scheduling.booking import BOOK, HOLD_OPERATION
from fhir_server.workflows.scheduling.find_operation import FIND
from fhir_server.workflows.scheduling.generating import GENERATE_SLOTS
from fhir_server.workflows.scheduling.notices import NOTICES
from fhir_server.workflows.scheduling.rules import RULES, STATES
from fhir_server.workflows.scheduling.visits import ICAL, JOIN
from fhir_server.workflows.scheduling.vocabulary import RESERVED

PATTERN = Pattern(
    "W3",
    "Scheduling",
    rules=RULES,
    states=STATES,
    watches=(appointments.WATCH, roster.WATCH, answers.WATCH, lapsing.WATCH),
    actions={appointments.LAPSES: lapsing.lapse},
    operations=(FIND, HOLD_OPERATION, BOOK, GENERATE_SLOTS, ICAL, JOIN),
    notices=NOTICES,
    reserved={"Appointment": RESERVED},
)
