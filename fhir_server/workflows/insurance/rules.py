"""The rules of insurance."""

from fhir_server.workflows.pattern import Rule

COVERAGE_STATE = Rule("W9.coverage-state", "A coverage goes from draft to active to cancelled.")
BENEFICIARY = Rule("W9.beneficiary", "A coverage stays that of the patient whom it was written for.")
CLAIM_STATE = Rule("W9.claim-state", "A claim goes from draft to active to cancelled.")
COVERAGE = Rule(
    "W9.coverage",
    "What is asked of an insurer is for a coverage of the same patient that is in force at the time.",
)
TOTAL = Rule("W9.total", "The total of a claim is the sum of its items, to the cent.")
SEQUENCE = Rule("W9.sequence", "Each item of a claim has a sequence number of its own, which answers repeat.")
DUPLICATE = Rule("W9.duplicate", "An identifier of a claim stands for one claim.", 409, "duplicate")
IDENTIFIER = Rule("W9.identifier", "A claim that is submitted has an identifier.", 422, "required")
CLAIM_FIXED = Rule("W9.claim-fixed", "A claim that was submitted stays as it is, but for its status.")
PREAUTHORIZATION = Rule(
    "W9.preauthorization", "A preauthorization that a claim names was given for its patient."
)
CLAIMED_INVOICE = Rule(
    "W9.invoice", "An invoice that is claimed is issued to the patient, and is not less than the claim."
)
RESPONSE = Rule("W9.response", "An answer is for items and patient of its claim.")
NOT_INSURED = Rule("W9.not-insured", "A claim goes to an insurer.")

RULES = (
    *(COVERAGE_STATE, BENEFICIARY, CLAIM_STATE, COVERAGE, TOTAL, SEQUENCE, DUPLICATE),
    *(IDENTIFIER, CLAIM_FIXED, PREAUTHORIZATION, CLAIMED_INVOICE, RESPONSE, NOT_INSURED),
)
