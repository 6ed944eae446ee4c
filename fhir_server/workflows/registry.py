"""The one list of the patterns of the hospital's work: rules, operations and actions are taken from it."""

from fhir_server.operations.operation import Operation
from fhir_server.workflows import accounts, beds, discharge, emergency, encounters, staff, supplies
from fhir_server.workflows.billing.pattern import PATTERN as BILLING
from fhir_server.workflows.hl7v2.pattern import PATTERN as HL7V2
from fhir_server.workflows.insurance.pattern import PATTERN as INSURANCE
from fhir_server.workflows.medication.pattern import PATTERN as MEDICATION
from fhir_server.workflows.messages.pattern import PATTERN as MESSAGES
from fhir_server.workflows.orders.pattern import PATTERN as ORDERS
from fhir_server.workflows.pattern import Pattern
from fhir_server.workflows.profile import pattern as profile
from fhir_server.workflows.registration import pattern as registration
from fhir_server.workflows.scheduling.pattern import PATTERN as SCHEDULING
from fhir_server.workflows.upkeep.tickets import PATTERN as UPKEEP
from fhir_server.workflows.wearables import pattern as wearables

PATTERNS: tuple[Pattern, ...] = (
    supplies.PATTERN,
    staff.PATTERN,
    accounts.PATTERN,
    encounters.PATTERN,
    beds.PATTERN,
    emergency.PATTERN,
    discharge.PATTERN,
    MESSAGES,
    MEDICATION,
    registration.PATTERN,
    profile.PATTERN,
    ORDERS,
    wearables.PATTERN,
    BILLING,
    INSURANCE,
    UPKEEP,
    SCHEDULING,
    HL7V2,
)

WORKFLOW_OPERATIONS: tuple[Operation, ...] = tuple(
    operation for pattern in PATTERNS for operation in pattern.operations
)
