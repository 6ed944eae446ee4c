"""The rules of registration, each with what it says."""

from fhir_server.workflows.pattern import Rule

INCOMPLETE = Rule(
    "W1.incomplete",
    "A patient has a name and a birth date; one whose names are all temporary may do without the date.",
    422,
    "required",
)
FUTURE_BIRTH = Rule("W1.future-birth-date", "Nobody is born after today.")
RECORD_NUMBER = Rule(
    "W1.record-number", "The server gives the medical record number; nobody else gives, changes or moves one."
)
DUPLICATE_IDENTIFIER = Rule(
    "W1.duplicate-identifier", "An identifier is of one patient, by its system and value.", 409, "duplicate"
)
DUPLICATE_PATIENT = Rule(
    "W1.duplicate-patient",
    "A person is registered once: one who is certainly here already is not registered again.",
    409,
    "duplicate",
)
LINK = Rule(
    "W1.link", "A patient is linked to another one who is here, and not in a circle.", 422, "business-rule"
)
MERGED = Rule("W1.merged", "Nothing new is written about a patient whose record went into another one.", 422)
MERGE_TASK = Rule(
    "W1.merge-task", "The Task of a merge is written by Patient/$merge alone.", 403, "forbidden"
)

PATIENT_RULES = (
    INCOMPLETE,
    FUTURE_BIRTH,
    RECORD_NUMBER,
    DUPLICATE_IDENTIFIER,
    DUPLICATE_PATIENT,
    LINK,
    MERGED,
    MERGE_TASK,
)
