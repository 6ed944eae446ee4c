"""The pattern of HL7 v2, put together; what other systems are told is in `telling`."""

from fhir_server.workflows.hl7v2.alerts import ALERT, NOT_TAKEN, tell_operators
from fhir_server.workflows.hl7v2.outbox_operations import OPERATIONS
from fhir_server.workflows.hl7v2.telling import PATTERN_ID
from fhir_server.workflows.pattern import Pattern

PATTERN = Pattern(
    PATTERN_ID,
    "HL7 v2",
    operations=OPERATIONS,
    actions={ALERT: tell_operators},
    creates=frozenset({"Task"}),
    notices=(NOT_TAKEN,),
)
