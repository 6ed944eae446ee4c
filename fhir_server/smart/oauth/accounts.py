"""What the authorization server asks of those who know the people and their sessions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account that is active.

    `fhir_user` is the person as a resource, such as `Practitioner/1`; `roles` are of
    `smart.principal.ROLES`. `patients` are the ids of those for whom the person acts, such as children.
    """

    account_id: str
    name: str
    roles: frozenset[str]
    fhir_user: str | None
    patients: tuple[str, ...] = ()

    @property
    def is_staff(self) -> bool:
        """Whether the person has a role beside that of a patient."""
        return bool(self.roles - {"PT"})

    @property
    def records(self) -> tuple[str, ...]:
        """The ids of the person's own record, and of those for whom the person acts."""
        resource_type, _, resource_id = (self.fhir_user or "").partition("/")
        own = (resource_id,) if resource_type == "Patient" and resource_id else ()
        return (*own, *self.patients)


@dataclass(frozen=True, slots=True)
class Session:
    """A person who is signed in with this browser; `csrf_token` is what the forms of the session carry."""

    id: str
    person: Person
    csrf_token: str


class Accounts(Protocol):
    """Who knows the people."""

    async def session_of(self, request: Request) -> Session | None:
        """Return the session that the request belongs to, None if nobody is signed in."""

    async def is_genuine(self, request: Request, session: Session, csrf_token: str) -> bool:
        """Tell whether a form that was sent is one of our own pages in this session."""

    def sign_in(self, request: Request, return_to: str) -> Response:
        """Send the browser to the page where one signs in, and then to the path `return_to`."""

    async def person(self, account_id: str) -> Person | None:
        """Return a person whose account is active, None for any other."""

    async def person_called(self, user_name: str) -> Person | None:
        """Return the person who signs in by that name, if the account is active; None for any other."""

    async def has_session(self, session_id: str) -> bool:
        """Tell whether a session still goes on."""

    def page(
        self,
        request: Request,
        template: str,
        *,
        status: int = 200,
        values: Mapping[str, object] | None = None,
        may_lead_to: str | None = None,
    ) -> Response:
        """Return a page; a form on it may, by way of redirects, lead to the address `may_lead_to`."""
