"""Who makes a request: the application, the person who uses it, and what both were granted.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from collections.abc import Mapping
from dataclasses import dataclass

ROLES: Mapping[str, str] = {
    "PT": "patient",
    "DR": "doctor",
    "RN": "nurse",
    "LB": "laboratory",
    "PH": "pharmacist",
    "BC": "billing clerk",
    "AD": "administrator",
    "AU": "auditor",
}
"""The codes of the roles that a person may have, and what they are called. An application has none."""

PEOPLE = ("Patient", "Practitioner", "PractitionerRole", "RelatedPerson", "Person")
"""The types of resources that stand for people (`fhirUser`).

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#scopes-for-requesting-identity-data
"""


@dataclass(frozen=True, slots=True)
class Principal:
    """One authenticated caller, as its access token says.

    `client_id` is the application; `account_id` the person who uses it, None for a backend service, and
    `roles` are this person's, of ROLES. `fhir_user` is the person as a resource, such as `Practitioner/1`;
    `patients` are the ids of those patients for whom the person acts beside themselves.
    `scopes` are what was granted, each as SMART writes it. `patient` and `encounter` are the ids of the
    launch context, None without one. `token_id` names the token, for the audit.
    """

    client_id: str
    scopes: tuple[str, ...]
    account_id: str | None = None
    fhir_user: str | None = None
    roles: frozenset[str] = frozenset()
    patients: tuple[str, ...] = ()
    patient: str | None = None
    encounter: str | None = None
    token_id: str = ""
