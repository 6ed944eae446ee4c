"""The rules and the states of orders and results, as data.

https://hl7.org/fhir/R4/valueset-request-status.html, https://hl7.org/fhir/R4/task.html#statemachine,
https://hl7.org/fhir/R4/valueset-observation-status.html,
https://hl7.org/fhir/R4/valueset-diagnostic-report-status.html
"""

from fhir_server.workflows.order_sets import rules as order_sets
from fhir_server.workflows.orders.vocabulary import is_acknowledgement, is_fulfilment, is_result
from fhir_server.workflows.pattern import Rule, StateTable

ORDER_STATE = Rule(
    "W7.order-state", "An order goes from draft to active to completed, or is held or revoked."
)
TASK_STATE = Rule("W7.task-state", "The task of an order goes from requested to completed step by step.")
TASK_DONE = Rule(
    "W7.task-done", "A task of an order that nobody has begun is completed by a final report only."
)
RESULT_STATE = Rule("W7.result-state", "A result goes from registered to preliminary to final, and not back.")
REPORT_STATE = Rule("W7.report-state", "A report goes from registered to final, and is corrected after that.")
SPECIMEN_STATE = Rule("W7.specimen-state", "An unsatisfactory specimen does not become available again.")
FINAL = Rule("W7.final", "What is final is changed by amending or correcting it, which its status says.")
SAME_PATIENT = Rule(
    "W7.same-patient", "Orders, specimens, results and reports of each other are of one patient."
)
STAYS = Rule("W7.stays-result", "What was the final result of an examination stays one.")
NO_ORDER = Rule("W7.no-order", "Results answer an order, if the hospital requires one.")
ORDER_OPEN = Rule("W7.order-open", "New results answer an order that is active, on hold or completed.")
UNFINISHED = Rule("W7.unfinished-results", "All results of a final report are final.")
UNSATISFACTORY = Rule("W7.unsatisfactory", "Nothing new is measured in a specimen that is unsatisfactory.")
ACCESSION = Rule("W7.accession", "The accession number of a specimen does not change.")
ACCESSION_TAKEN = Rule("W7.accession-taken", "An accession number is given once.", 409, "duplicate")
NEEDS_ORDER = Rule(
    "W7.needs-order", "Patients order what they may book themselves; the rest a doctor orders."
)
OPTION = Rule("W7.option", "What an order set offers is ordered as an order, and not as an option.")
REQUESTER = Rule("W7.requester", "Patients order in their own name.", 403, "forbidden")
RELEASE_ROLE = Rule("W7.release-role", "Doctors release results to patients.", 403, "forbidden")
RELEASE_FINAL = Rule("W7.release-final", "What is released to a patient is final.")
ACKNOWLEDGE_ROLE = Rule(
    "W7.acknowledge-role", "Doctors and nurses acknowledge critical results.", 403, "forbidden"
)
ACKNOWLEDGED = Rule("W7.acknowledged", "A critical result is acknowledged once.", 409, "conflict")
NOT_CRITICAL = Rule("W7.not-critical", "Only a critical result waits for somebody to acknowledge it.")

RULES = (
    *(ORDER_STATE, TASK_STATE, TASK_DONE, RESULT_STATE, REPORT_STATE, SPECIMEN_STATE, FINAL, SAME_PATIENT),
    *(
        STAYS,
        NO_ORDER,
        ORDER_OPEN,
        UNFINISHED,
        UNSATISFACTORY,
        ACCESSION,
        ACCESSION_TAKEN,
        NEEDS_ORDER,
        REQUESTER,
        OPTION,
    ),
    *(RELEASE_ROLE, RELEASE_FINAL, ACKNOWLEDGE_ROLE, ACKNOWLEDGED, NOT_CRITICAL),
    *order_sets.RULES,
)

_WRONG = "entered-in-error"

_ORDER = {
    "draft": ("active", "on-hold", "revoked", _WRONG),
    "active": ("on-hold", "completed", "revoked", _WRONG),
    "on-hold": ("active", "completed", "revoked", _WRONG),
    "completed": (_WRONG,),
    "revoked": (_WRONG,),
    _WRONG: (),
    "unknown": ("draft", "active", "on-hold", "completed", "revoked", _WRONG),
}
_TASK = {
    "draft": ("requested", "cancelled", _WRONG),
    "requested": ("received", "accepted", "rejected", "on-hold", "completed", "cancelled", _WRONG),
    "received": ("accepted", "rejected", "on-hold", "completed", "cancelled", _WRONG),
    "accepted": ("ready", "in-progress", "on-hold", "completed", "failed", "cancelled", _WRONG),
    "ready": ("in-progress", "on-hold", "completed", "failed", "cancelled", _WRONG),
    "in-progress": ("on-hold", "completed", "failed", "cancelled", _WRONG),
    "on-hold": ("received", "in-progress", "completed", "failed", "cancelled", _WRONG),
    "completed": (_WRONG,),
    "rejected": (_WRONG,),
    "failed": (_WRONG,),
    "cancelled": (_WRONG,),
    _WRONG: (),
}
_ACKNOWLEDGEMENT = {
    "requested": ("completed", "cancelled", _WRONG),
    "completed": (),
    "cancelled": (),
    _WRONG: (),
}
_RESULT = {
    "registered": ("preliminary", "final", "cancelled", _WRONG),
    "preliminary": ("final", "cancelled", _WRONG),
    "final": ("amended", "corrected", _WRONG),
    "amended": ("corrected", _WRONG),
    "corrected": ("amended", _WRONG),
    "cancelled": (_WRONG,),
    _WRONG: (),
    "unknown": ("registered", "preliminary", "final", "amended", "corrected", "cancelled", _WRONG),
}
_REPORT = {
    "registered": ("partial", "preliminary", "final", "cancelled", _WRONG),
    "partial": ("preliminary", "final", "cancelled", _WRONG),
    "preliminary": ("final", "cancelled", _WRONG),
    "final": ("amended", "corrected", "appended", _WRONG),
    "amended": ("corrected", "appended", _WRONG),
    "corrected": ("amended", "appended", _WRONG),
    "appended": ("amended", "corrected", _WRONG),
    "cancelled": (_WRONG,),
    _WRONG: (),
    "unknown": ("registered", "partial", "preliminary", "final", "cancelled", _WRONG),
}
_SPECIMEN = {
    "available": ("unavailable", "unsatisfactory", _WRONG),
    "unavailable": ("available", "unsatisfactory", _WRONG),
    "unsatisfactory": ("unavailable", _WRONG),
    _WRONG: (),
}

STATES = (
    # Whoever carries out an order may be unable to cancel it: then it was not.
    StateTable("ServiceRequest", ORDER_STATE, _ORDER, told={"revoked": ("active",)}),
    StateTable("Task", TASK_STATE, _TASK, applies=is_fulfilment, told={"cancelled": ("accepted",)}),
    StateTable("Task", ACKNOWLEDGED, _ACKNOWLEDGEMENT, applies=is_acknowledgement),
    StateTable("Specimen", SPECIMEN_STATE, _SPECIMEN),
    StateTable("Observation", RESULT_STATE, _RESULT, applies=is_result),
    StateTable("DiagnosticReport", REPORT_STATE, _REPORT),
)
