"""The codes of AuditEvents: what kind of event each interaction is, and which IHE profile it follows.

https://profiles.ihe.net/ITI/BALP/, https://hl7.org/fhir/R4/valueset-audit-event-action.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Action = Literal["C", "R", "U", "D", "E"]

_BALP = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."

REST = ("http://terminology.hl7.org/CodeSystem/audit-event-type", "rest")
INTERACTION = "http://hl7.org/fhir/restful-interaction"
PERSON = ("http://terminology.hl7.org/CodeSystem/audit-entity-type", "1")
SYSTEM_OBJECT = ("http://terminology.hl7.org/CodeSystem/audit-entity-type", "2")
PATIENT = ("http://terminology.hl7.org/CodeSystem/object-role", "1")
DOMAIN_RESOURCE = ("http://terminology.hl7.org/CodeSystem/object-role", "4")
QUERY = ("http://terminology.hl7.org/CodeSystem/object-role", "24")
REQUEST_ID = ("https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType", "XrequestId")
APPLICATION_SERVER = ("http://terminology.hl7.org/CodeSystem/security-source-type", "4")


@dataclass(frozen=True, slots=True)
class Pattern:
    """How one interaction is told: its code among those of R4, the action, and the name of the profile.

    `profile` is None where IHE has none. In a query the words go to the server, which is then the one that
    receives, though the data goes the other way.
    """

    code: str
    action: Action
    profile: str | None = None
    sends: bool = False
    is_query: bool = False

    def profile_url(self, *, of_patient: bool) -> str | None:
        """Return the address of the profile for what is about a patient, or about none."""
        if self.profile is None:
            return None
        return f"{_BALP}{'Patient' if of_patient else ''}{self.profile}"


_SEARCH = Pattern("search-type", "E", "Query", sends=True, is_query=True)
_UPDATE = Pattern("update", "U", "Update", sends=True)
_PATCH = Pattern("patch", "U", "Update", sends=True)
_DELETE = Pattern("delete", "D", "Delete", sends=True)
_TRANSACTION = Pattern("transaction", "E", sends=True)
_OTHER = Pattern("operation", "E", sends=True)

_PATTERNS: Mapping[str, Pattern] = {
    "read": Pattern("read", "R", "Read"),
    "vread": Pattern("vread", "R", "Read"),
    "history": Pattern("history", "R"),
    "search-type": _SEARCH,
    "search-system": Pattern("search-system", "E", "Query", sends=True, is_query=True),
    "search-compartment": _SEARCH,
    "create": Pattern("create", "C", "Create", sends=True),
    "update": _UPDATE,
    "conditional-update": _UPDATE,
    "patch": _PATCH,
    "conditional-patch": _PATCH,
    "delete": _DELETE,
    "conditional-delete": _DELETE,
    "batch-or-transaction": _TRANSACTION,
    "operation": Pattern("operation", "E", sends=True, is_query=True),
}


def pattern_of(code: str) -> Pattern:
    """Return how the interaction `code` of the route table is told."""
    return _PATTERNS.get(code, _OTHER)
