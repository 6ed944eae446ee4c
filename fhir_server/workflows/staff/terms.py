"""The codes and rules of staff. https://hl7.org/fhir/R4/practitioner.html"""

from fhir_server.workflows.pattern import Rule

TASKS = "urn:fhir-hospital-server:staff-task"
"""The code system of tasks about staff: leave, hiring, training."""

QUALIFICATION = "urn:fhir-hospital-server:qualification"
"""The code system that marks a qualification as `elective`: one that need not be renewed."""

BASIC = "urn:fhir-hospital-server:basic"
"""The code system of what we keep as Basic: shift-record."""

SHIFT_PERIOD = "urn:fhir-hospital-server:shift-period"
"""The extension of a shift record that holds from when until when somebody worked (`valuePeriod`)."""

SHIFT_ROLE = "urn:fhir-hospital-server:shift-role"
"""The extension of a shift record that names the PractitionerRole (`valueReference`)."""

LICENCE = Rule("W12.licence", "A licence number is one person's.", 409, "duplicate")
OWN_LICENCE = Rule(
    "W12.own-licence",
    "Licences, names and whether they are active are changed by administrators, not by themselves.",
    403,
    "forbidden",
)
PRACTISE = Rule(
    "W12.may-not-practise",
    "Nobody is booked who is inactive, works in no role that day, or whose licence or training has expired.",
)
PRESCRIBE = Rule(
    "W12.may-not-prescribe",
    "Nobody prescribes who is inactive, works in no role, or whose licence or training has expired.",
)
ON_LEAVE = Rule("W12.on-leave", "Nobody is booked for a time in which they are on leave.")
ASSIGNED = Rule("W12.assigns-inactive", "No patient is assigned to somebody who does not work here any more.")
UNQUALIFIED = Rule(
    "W12.unqualified", "No role is active of somebody whose licence or mandatory training has expired."
)
HIRING_OPEN = Rule("W12.hiring-open", "A role is active after its hiring is completed, not before.")
CHECKS_OPEN = Rule("W12.checks-open", "Somebody is hired when all the checks of the hiring are completed.")
TASK_STATE = Rule("W12.task-state", "A request about staff is accepted or rejected, then carried out.")
APPROVAL = Rule(
    "W12.approval",
    "Requests about staff are decided by an administrator other than who asks.",
    403,
    "forbidden",
)
LEAVE = Rule("W12.leave-incomplete", "Leave says of which role, and from when until when.")
LEAVE_BOOKED = Rule(
    "W12.leave-booked", "Leave is given for a time in which nobody is booked with them.", 409, "conflict"
)
LEAVE_GIVEN = Rule("W12.leave-given", "Leave that was given stays as it is, until it is over or cancelled.")
SHIFT_TIME = Rule("W12.shift-time", "A shift has begun, ends after that, and lasts 24 hours at most.")
SHIFT_OVERLAP = Rule("W12.shift-overlap", "Nobody works two shifts at one time.", 409, "conflict")
OWN_SHIFT = Rule(
    "W12.own-shift", "Staff clock in and out for themselves; administrators correct it.", 403, "forbidden"
)
NO_SHIFT = Rule("W12.no-open-shift", "Who clocks out has clocked in.", 409, "conflict")
INACTIVE_ROLE = Rule("W12.inactive-role", "Who clocks in works in an active role.")
ROSTER = Rule("W12.roster-overlap", "Nobody is on the roster twice for one time.", 409, "conflict")

RULES = (
    LICENCE,
    OWN_LICENCE,
    PRACTISE,
    PRESCRIBE,
    ON_LEAVE,
    ASSIGNED,
    UNQUALIFIED,
    HIRING_OPEN,
    CHECKS_OPEN,
    TASK_STATE,
    APPROVAL,
    LEAVE,
    LEAVE_BOOKED,
    LEAVE_GIVEN,
    SHIFT_TIME,
    SHIFT_OVERLAP,
    OWN_SHIFT,
    NO_SHIFT,
    INACTIVE_ROLE,
    ROSTER,
)
