"""W1, registration and identity, put together."""

from fhir_server.workflows.intake import responses
from fhir_server.workflows.intake.extract import EXTRACT
from fhir_server.workflows.intake.populate import POPULATE, STANDARD_FORMS
from fhir_server.workflows.merging import watching
from fhir_server.workflows.merging.merge import (
    MERGE_OPERATION,
    MERGE_RULE,
    UNMERGE_OPERATION,
    UNMERGE_RULE,
)
from fhir_server.workflows.merging.moving import MOVE, move
from fhir_server.workflows.pattern import Pattern
from fhir_server.workflows.registration import patients
from fhir_server.workflows.registration.invite import INVITE, INVITE_RULE
from fhir_server.workflows.registration.rules import PATIENT_RULES

PATTERN = Pattern(
    id="W1",
    title="Registration and identity",
    rules=(*PATIENT_RULES, MERGE_RULE, UNMERGE_RULE, INVITE_RULE, responses.ANSWERS),
    watches=(patients.WATCH, responses.WATCH, *watching.watches()),
    actions={MOVE: move},
    operations=(POPULATE, STANDARD_FORMS, EXTRACT, MERGE_OPERATION, UNMERGE_OPERATION, INVITE),
    creates=frozenset({"Task"}),
)
