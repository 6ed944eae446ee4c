"""Security labels: what is restricted, or not for patients yet, is for the roles that the matrix names.

https://hl7.org/fhir/R4/security-labels.html
"""

from fhir_server.search.asked import Condition, either
from fhir_server.search.conditions import condition
from fhir_server.smart.access.compartment import about_patients
from fhir_server.smart.access.grants import Caller

_SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"


def unlabelled(caller: Caller, resource_type: str) -> Condition:
    """Return the condition that a resource has no label that is kept from the caller."""
    principal = caller.principal
    if principal.account_id is None:
        return {}
    kept = [
        code if "|" in code else f"{_SYSTEM}|{code}"
        for code, roles in caller.matrix.confidentiality.items()
        if not principal.roles & roles
    ]
    if not kept:
        return {}
    without = condition(resource_type, "_security:not", (",".join(kept),), caller.base_url, caller.now)
    if not caller.emergencies:
        return without
    # In an emergency all that there is of the patient is seen.
    return either([without, about_patients(resource_type, caller.emergencies, caller.base_url)])
