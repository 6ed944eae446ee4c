"""Who makes a change, and when: what rules know beside the records."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fhir_server.settings import Settings
from fhir_server.smart.principal import Principal


@dataclass(frozen=True, slots=True)
class Situation:
    """The circumstances of one transaction.

    `now` is aware and in UTC; `principal` is the caller, None where nobody is asked who they are.
    `is_system` says that the server itself acts, as the agenda does; `is_reported`, that it only writes down
    what another system reports, which has happened there whether it should have or not. `numbers` are those
    that were drawn for the transaction, by counter and resource (see `drawn`). `new_id` makes logical ids.
    """

    now: datetime
    base_url: str
    settings: Settings
    new_id: Callable[[], str]
    principal: Principal | None = None
    is_system: bool = False
    is_reported: bool = False
    numbers: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def drawn(self, counter: str, resource: Mapping[str, Any]) -> int:
        """Return the number that was drawn from `counter` for a resource (see `Watch.draws`)."""
        return self.numbers[counter, f"{resource['resourceType']}/{resource['id']}"]

    @property
    def is_anybody(self) -> bool:
        """Whether it is not known who acts, or the server does: rules about roles say nothing then.

        A backend service, which has no roles, acts for the hospital within its scopes.
        """
        return self.is_system or self.principal is None or self.principal.account_id is None

    def has_role(self, *roles: str) -> bool:
        """Tell whether the caller has one of `roles` (PT, DR, ...), or is one who needs none."""
        if self.is_anybody:
            return True
        assert self.principal is not None  # noqa: S101 - see is_anybody
        return not self.principal.roles.isdisjoint(roles)

    def is_only_patient(self) -> bool:
        """Tell whether the caller is a patient, or someone who acts for one, and no staff."""
        if self.is_anybody:
            return False
        assert self.principal is not None  # noqa: S101 - see is_anybody
        return self.principal.roles <= {"PT"}

    @property
    def person(self) -> str | None:
        """The caller as a resource, such as `Practitioner/1`; None if there is no person."""
        return None if self.principal is None else self.principal.fhir_user
