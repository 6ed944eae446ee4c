"""Looking up who somebody is that a resource refers to: the person, and all roles of theirs.

https://hl7.org/fhir/R4/practitionerrole.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fhir_server.workflows.records import Records, local
from fhir_server.workflows.references import reference_of

Resource = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody of the staff, as referred to; `role` is the role that was named, if one was."""

    reference: str
    practitioner: Resource | None
    roles: tuple[Resource, ...]

    @property
    def name(self) -> str | None:
        """The person, such as `Practitioner/1`."""
        return None if self.practitioner is None else f"Practitioner/{self.practitioner['id']}"


async def member(reference: str, records: Records) -> Member | None:
    """Return who a reference leads to; None if it is not somebody of the staff who is on record here."""
    key = local(reference, records.situation.base_url)
    if key is None or key[0] not in ("Practitioner", "PractitionerRole"):
        return None
    resource = await records.read(reference)
    if resource is None:
        return None
    if key[0] == "Practitioner":
        return Member(reference, resource, tuple(await roles_of(f"Practitioner/{key[1]}", records)))
    person = await records.read(resource.get("practitioner"))
    return Member(reference, person if person is not None else {"id": ""}, (resource,))


async def roles_of(practitioner: str, records: Records) -> list[dict[str, Any]]:
    """Return all roles of a person."""
    return await records.search("PractitionerRole", ("practitioner", practitioner))


async def members(references: Iterable[str], records: Records) -> tuple[Member, ...]:
    """Return those of the staff whom `references` name."""
    found = [await member(one, records) for one in dict.fromkeys(references)]
    return tuple(one for one in found if one is not None)


def references(elements: Iterable[Any]) -> list[str]:
    """Return the texts of References, without the versions that they name."""
    return [text for one in elements if (text := reference_of(one)) is not None]
