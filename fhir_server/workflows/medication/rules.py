"""The rules and the states of prescriptions, dispenses and administrations, as data.

https://hl7.org/fhir/R4/valueset-medicationrequest-status.html,
https://hl7.org/fhir/R4/valueset-medicationdispense-status.html,
https://hl7.org/fhir/R4/valueset-medication-admin-status.html
"""

from fhir_server.workflows.pattern import Rule, StateTable

STATE = Rule(
    "W6.state", "A prescription goes from draft to active to completed, or is held, stopped or cancelled."
)
PRESCRIBER = Rule("W6.prescriber", "Only a doctor makes a prescription active.", 403, "forbidden")
DRAFT_ONLY = Rule("W6.draft-only", "Whoever is no doctor only prepares drafts.", 403, "forbidden")
OPTION = Rule("W6.option", "What an order set offers is put in force as an order, and not as an option.")
REQUESTER = Rule("W6.requester", "A doctor prescribes in their own name.")
REASON = Rule("W6.reason", "A prescription that is active says what it is for.")
ENCOUNTER = Rule("W6.encounter", "A prescription is of an encounter of its patient that is not over.")
SAME_PATIENT = Rule("W6.same-patient", "What is prescribed, handed out and given belongs to one patient.")
ALLERGY = Rule("W6.allergy", "A patient gets nothing to which they are allergic, unless a doctor says why.")
DUPLICATE = Rule("W6.duplicate", "Nothing is prescribed twice at a time, unless a doctor says why.")
INTERACTION = Rule(
    "W6.interaction", "Nothing is prescribed beside what it does harm with, unless a doctor says why."
)
CHANGED = Rule(
    "W6.changed", "An active prescription is changed by a new one that names it in priorPrescription."
)
FINISHED = Rule("W6.finished", "A prescription that is over is not changed any more.")
PRIOR = Rule("W6.prior", "A prescription replaces one that is active, on hold or stopped.")

DISPENSE_STATE = Rule("W6.dispense-state", "A dispense goes from preparation to in progress to completed.")
DISPENSED = Rule("W6.dispensed", "What was handed out is not changed any more.")
PRESCRIPTION = Rule("W6.prescription", "Medicine is handed out on a prescription that is active.")
VALIDITY = Rule("W6.validity", "Medicine is handed out within the time for which the prescription is valid.")
QUANTITY = Rule("W6.quantity", "No more is handed out than is prescribed, with all refills.")
SUBSTITUTION = Rule("W6.substitution", "Another medicine is handed out only if the prescription allows it.")
EXPIRED_LOT = Rule("W6.expired-lot", "Nothing is handed out or given of a lot that has expired.")

GIVEN_STATE = Rule("W6.given-state", "An administration goes from in progress to completed or stopped.")
GIVEN_ON = Rule("W6.given-on", "Medicine is given on a prescription that is active.")

RULES = (
    *(STATE, PRESCRIBER, DRAFT_ONLY, OPTION, REQUESTER, REASON, ENCOUNTER, SAME_PATIENT, ALLERGY, DUPLICATE),
    *(INTERACTION, CHANGED, FINISHED, PRIOR, DISPENSE_STATE, DISPENSED, PRESCRIPTION, VALIDITY, QUANTITY),
    *(SUBSTITUTION, EXPIRED_LOT, GIVEN_STATE, GIVEN_ON),
)

_WRONG = "entered-in-error"

_PRESCRIBED = {
    "draft": ("active", "cancelled", _WRONG),
    "active": ("on-hold", "completed", "stopped", "cancelled", _WRONG),
    "on-hold": ("active", "completed", "stopped", "cancelled", _WRONG),
    "completed": (_WRONG,),
    "stopped": (_WRONG,),
    "cancelled": (_WRONG,),
    _WRONG: (),
    "unknown": ("draft", "active", "on-hold", "completed", "stopped", "cancelled", _WRONG),
}
_DISPENSED = {
    "preparation": ("in-progress", "on-hold", "completed", "cancelled", "declined", _WRONG),
    "in-progress": ("on-hold", "completed", "cancelled", "stopped", "declined", _WRONG),
    "on-hold": ("preparation", "in-progress", "completed", "cancelled", "stopped", "declined", _WRONG),
    "completed": (_WRONG,),
    "cancelled": (_WRONG,),
    "declined": (_WRONG,),
    "stopped": (_WRONG,),
    _WRONG: (),
    "unknown": ("preparation", "in-progress", "on-hold", "completed", "cancelled", "declined", _WRONG),
}
_GIVEN = {
    "in-progress": ("on-hold", "completed", "stopped", "not-done", _WRONG),
    "on-hold": ("in-progress", "completed", "stopped", "not-done", _WRONG),
    "completed": (_WRONG,),
    "stopped": (_WRONG,),
    "not-done": (_WRONG,),
    _WRONG: (),
    "unknown": ("in-progress", "on-hold", "completed", "stopped", "not-done", _WRONG),
}

STATES = (
    StateTable("MedicationRequest", STATE, _PRESCRIBED),
    StateTable("MedicationDispense", DISPENSE_STATE, _DISPENSED),
    StateTable("MedicationAdministration", GIVEN_STATE, _GIVEN),
)
