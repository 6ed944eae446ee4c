"""The record of a person who makes an account for themselves: a new one, which staff join with an older one.

Nobody proves by an e-mail address whose record is theirs. So a record is made in any case, and says that
nobody has seen who it is; if it looks like that of somebody who is here, staff get a Task, and the person
learns nothing.
"""

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from fhir_server.context import Context
from fhir_server.store.sign_ups import SignUp
from fhir_server.workflows.made import key_id, made
from fhir_server.workflows.registration.identity import REGISTRATION, SELF_REGISTERED, is_merged
from fhir_server.workflows.rulebook import RuleBook, ruled
from fhir_server.write_path import commit, replacement
from resources.operation_outcome import PreconditionFailed

NewContext = Callable[[str], Context]


def registrar(new_context: NewContext, book: RuleBook) -> Callable[[SignUp], Awaitable[str]]:
    """Return what makes the record of a new patient, once for each sign-up."""

    async def register(sign_up: SignUp) -> str:
        context = ruled(new_context(sign_up.number), book, is_system=True)
        patient = key_id("sign-up", sign_up.number)
        write = replacement("Patient", patient, _patient(patient, sign_up), must_be_new=True)
        # It may have been made already, by the same link.
        with contextlib.suppress(PreconditionFailed):
            await commit(context, [write])
        return patient

    return register


def _patient(patient: str, sign_up: SignUp) -> dict[str, Any]:
    return made(
        "Patient",
        id=patient,
        meta={"tag": [{"system": REGISTRATION, "code": SELF_REGISTERED}]},
        active=True,
        name=[{"use": "official", "family": sign_up.family, "given": [sign_up.given]}],
        birthDate=sign_up.birth_date,
        telecom=[{"system": "email", "value": sign_up.e_mail, "use": "home"}],
    )


def birth_date(new_context: NewContext) -> Callable[[str], Awaitable[str | None]]:
    """Return what tells when a patient was born."""

    async def born(patient: str) -> str | None:
        version = await new_context("birth-date").store.read("Patient", patient)
        resource = None if version is None else version.resource
        if resource is None or resource.get("active") is False or is_merged(resource):
            return None
        return resource.get("birthDate")

    return born
