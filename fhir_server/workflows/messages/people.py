"""Who takes part in a message, and who treats the patient that writes it."""

from collections.abc import Mapping
from typing import Any

from fhir_server.smart.access.roles import load_matrix
from fhir_server.workflows.records import Records, local
from fhir_server.workflows.situation import Situation

Resource = Mapping[str, Any]


def references(message: Resource, element: str, situation: Situation) -> list[str]:
    """Return the references in an element, relative to the base where they are to this server."""
    found = message.get(element, [])
    texts = [one.get("reference", "") for one in (found if isinstance(found, list) else [found])]
    return [text.removeprefix(f"{situation.base_url}/") for text in texts]


def own_patients(situation: Situation) -> frozenset[str]:
    """Return the ids of the patients who the caller is, or acts for."""
    principal = situation.principal
    if principal is None:
        return frozenset()
    own = id_in(principal.fhir_user, "Patient", situation)
    return frozenset(principal.patients) | ({own} if own else frozenset())


def id_in(reference: str | None, resource_type: str, situation: Situation) -> str | None:
    """Return the id in a reference to a resource of a type that is here, None for others."""
    found = local(reference, situation.base_url)
    return found[1] if found is not None and found[0] == resource_type else None


async def is_own_role(message: Resource, records: Records) -> bool:
    """Tell whether a message is sent by a role of the caller, as a PractitionerRole."""
    sender = message.get("sender", {}).get("reference", "")
    if "PractitionerRole/" not in sender:
        return False
    role = await records.read(sender)
    return role is not None and role.get("practitioner", {}).get("reference") == records.situation.person


async def treats(recipient: str, records: Records) -> bool:
    """Tell whether a recipient is one of those who treat the caller, by the relations of the role matrix."""
    situation = records.situation
    patients = own_patients(situation)
    if recipient.startswith("CareTeam/"):
        team = await records.read(recipient)
        if team is None or team.get("status") != "active":
            return False
        return id_in(team.get("subject", {}).get("reference"), "Patient", situation) in patients
    practitioner = await _practitioner(recipient, records)
    if practitioner is None:
        return False
    for relation in load_matrix(situation.settings.roles).treatment:
        name = relation.resource_type
        for patient in patients:
            whose = ("_id", patient) if name == "Patient" else ("patient", f"Patient/{patient}")
            if await records.count(name, *relation.pairs(practitioner), whose):
                return True
    return False


async def _practitioner(recipient: str, records: Records) -> str | None:
    """Return the id of the practitioner that a reference names, also by a role; None for others."""
    if recipient.startswith("PractitionerRole/"):
        role = await records.read(recipient)
        recipient = "" if role is None else role.get("practitioner", {}).get("reference", "")
    return id_in(recipient, "Practitioner", records.situation)
