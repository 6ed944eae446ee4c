"""What patients do not want to be told: a Consent by which they opt out of messages.

It is active, its `policyRule` is OPTOUT of https://terminology.hl7.org/CodeSystem/v3-ActCode, and its
`category` names the categories of messages, or all. https://hl7.org/fhir/R4/consent.html
"""

from fhir_server.workflows.made import has_code
from fhir_server.workflows.messages.record import category_system
from fhir_server.workflows.records import Records

ACT_CODES = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
MESSAGES = "urn:fhir-hospital-server:messages"
"""The code system of `all`, for a Consent about messages of all categories."""


async def has_opted_out(records: Records, patient: str, category: str) -> bool:
    """Tell whether a patient has opted out of messages of a category."""
    found = await records.search("Consent", ("patient", f"Patient/{patient}"), ("status", "active"))
    return any(
        has_code(consent.get("policyRule"), ACT_CODES, "OPTOUT")
        and (
            has_code(consent.get("category"), category_system(category), category)
            or has_code(consent.get("category"), MESSAGES, "all")
        )
        for consent in found
    )
