"""User administration: accounts of people who are on record, their roles, and their end.

Operations of this server, for administrators. docs/accounts.md
"""

import secrets
from dataclasses import replace
from datetime import timedelta
from typing import Any

from fhir_server.context import Context, Request, Response
from fhir_server.operations.inputs import inputs
from fhir_server.operations.operation import Operation
from fhir_server.operations.outputs import parameters
from fhir_server.smart.accounts.passwords import Passwords
from fhir_server.smart.oauth.secrets import hashed, new_secret
from fhir_server.smart.principal import ROLES
from fhir_server.store.accounts import Account, HasAccount, LastAdministrator, NameTaken, Reset
from fhir_server.workflows.accounts.terms import (
    HAS_ACCOUNT,
    LAST_ADMINISTRATOR,
    NAME_TAKEN,
    NO_ACCOUNT,
    OWN_ROLES,
    ROLE,
)
from fhir_server.write_path import commit, replacement
from resources.operation_outcome import InvalidContent, ResourceNotFound, error

PEOPLE = frozenset({"Patient", "Practitioner", "RelatedPerson"})
_PATIENT = "PT"
_LINK_GOOD_FOR = timedelta(days=3)
_LONGEST_NAME = 100


async def create_account(request: Request, context: Context) -> Response:
    """Let somebody who is on record sign in, with these roles; answers with the account.

    `link` in the answer is where they choose their password: once, within three days. Nobody else learns it.
    """
    given = inputs(request, CREATE_ACCOUNT.parameters, lenient=context.preferences.lenient)
    reference = await _person(request, context)
    roles = _roles(given.texts("role"), reference)
    user_name = str(given.required("user-name")).strip()
    if not 1 <= len(user_name) <= _LONGEST_NAME:
        raise InvalidContent(error("value", f"user-name has 1 to {_LONGEST_NAME} characters"))
    settings = context.settings
    passwords = Passwords(settings.password_rounds, settings.password_memory_kib)
    account = Account(
        context.new_id(),
        user_name,
        given.text("name") or user_name,
        await passwords.hashed(secrets.token_urlsafe(32)),  # which nobody knows
        roles,
        reference,
        (),
        given.text("e-mail"),
    )
    try:
        await context.store.accounts.add(account, is_only_one=True)
    except NameTaken:
        raise NAME_TAKEN.error("There is somebody of that user name") from None
    except HasAccount:
        raise HAS_ACCOUNT.error("This person has an account") from None
    secret = new_secret()
    await context.store.accounts.add_reset(Reset(hashed(secret), account.id, context.now() + _LINK_GOOD_FOR))
    await _tell(context, reference, f"Account {account.id} made with the roles {', '.join(roles)}")
    link = f"{context.base_url.removesuffix('/fhir')}/auth/reset/{secret}"
    return Response(200, parameters([*_told(account), {"name": "link", "valueUrl": link}]))


async def set_roles(request: Request, context: Context) -> Response:
    """Give somebody these roles in place of those that they have; all their tokens and sessions end."""
    given = inputs(request, SET_ROLES.parameters, lenient=context.preferences.lenient)
    reference = await _person(request, context)
    roles = _roles(given.texts("role"), reference)
    for account in await _accounts(reference, context):
        await _change(account, context, roles=list(roles))
        await _tell(context, reference, f"Account {account.id} has the roles {', '.join(roles)}")
    return await show(reference, context)


async def activate(request: Request, context: Context) -> Response:
    """Make somebody's record active, and let them sign in again if they could."""
    return await _set_active(request, context, is_active=True)


async def deactivate(request: Request, context: Context) -> Response:
    """Make somebody's record inactive, instead of deleting it, and let them sign in no more.

    The account is closed first: if the record cannot be changed then, they are kept out all the same.
    """
    return await _set_active(request, context, is_active=False)


async def _set_active(request: Request, context: Context, *, is_active: bool) -> Response:
    inputs(request, (), lenient=context.preferences.lenient)
    reference = await _person(request, context)
    if is_active:  # the record first, and the account last: what closes accounts looks at the record
        await _set_record(request, reference, context, is_active=True)
    for account in await context.store.accounts.of_person(reference):
        await _change(account, context, is_active=is_active)
        await _tell(context, reference, f"Account {account.id} {'opened' if is_active else 'closed'}")
    if not is_active:
        await _set_record(request, reference, context, is_active=False)
    return await show(reference, context)


async def _set_record(request: Request, reference: str, context: Context, *, is_active: bool) -> None:
    version = await context.store.read(*reference.split("/"))
    if version is not None and version.resource is not None:
        resource = version.resource
        if (resource.get("active") is not False) is not is_active:
            changed = {**resource, "active": is_active}
            resource_type, resource_id = request.path[:2]
            write = replacement(resource_type, resource_id, changed, if_match=version.number)
            # Administrators may do this whatever else of the record they may change.
            whole = replace(context, store=context.store.unguarded())
            await commit(whole, [write])


async def account_of(request: Request, context: Context) -> Response:
    """Answer with somebody's account: what they sign in as, their roles, and whether they may."""
    inputs(request, (), lenient=context.preferences.lenient)
    return await show(await _person(request, context), context)


async def accounts(request: Request, context: Context) -> Response:
    """Answer with all accounts of people who are on record as this type."""
    inputs(request, (), lenient=context.preferences.lenient)
    listed = [
        {"name": "account", "part": _told(one)}
        for one in await context.store.accounts.all()
        if (one.fhir_user or "").startswith(f"{request.path[0]}/")
    ]
    return Response(200, parameters(listed))


async def show(reference: str, context: Context) -> Response:
    """Return the answer that tells of somebody's account, without any if they have none."""
    found = await context.store.accounts.of_person(reference)
    return Response(200, parameters(_told(found[0]) if found else []))


def _told(account: Account) -> list[dict[str, Any]]:
    return [
        {"name": "account", "valueId": account.id},
        {"name": "user-name", "valueString": account.user_name},
        {"name": "name", "valueString": account.display_name},
        *({"name": "role", "valueCode": role} for role in account.roles),
        {"name": "person", "valueReference": {"reference": account.fhir_user}},
        {"name": "active", "valueBoolean": account.is_active},
        {"name": "second-factor", "valueBoolean": account.totp is not None},
    ]


async def _person(request: Request, context: Context) -> str:
    """Return who the request is about; raise ResourceNotFound for somebody who is not on record."""
    resource_type, resource_id = request.path[:2]
    version = await context.store.read(resource_type, resource_id)
    if version is None or version.resource is None:
        raise ResourceNotFound(error("not-found", f"There is no {resource_type}/{resource_id}"))
    return f"{resource_type}/{resource_id}"


def _roles(given: tuple[str, ...], reference: str) -> tuple[str, ...]:
    roles = tuple(sorted({one.upper() for one in given}))
    if not roles:
        raise InvalidContent(error("required", "The parameter role is missing"))
    unknown = [one for one in roles if one not in ROLES]
    if unknown:
        raise ROLE.error(f"A role is one of {', '.join(ROLES)}")
    is_staff = reference.startswith("Practitioner/")
    if is_staff == (_PATIENT in roles) or (not is_staff and len(roles) > 1):
        raise ROLE.error("Patients and those who act for them are PT, and staff are not")
    return roles


async def _accounts(reference: str, context: Context) -> list[Account]:
    """Return what somebody signs in with: one account, but for what the operator has added by commands."""
    found = await context.store.accounts.of_person(reference)
    if not found:
        raise NO_ACCOUNT.error("This person has no account")
    return found


async def _change(account: Account, context: Context, **values: Any) -> None:
    """Change an account of somebody else, and end all that they are signed in with."""
    caller = context.principal
    if caller is not None and (caller.account_id == account.id or caller.fhir_user == account.fhir_user):
        raise OWN_ROLES.error("Another administrator changes this account")
    try:
        await context.store.accounts.change(account.id, **values)
    except LastAdministrator:
        raise LAST_ADMINISTRATOR.error("Nobody else could look after the server") from None
    await context.store.accounts.end_sessions(account.id)


async def _tell(context: Context, reference: str, detail: str) -> None:
    if context.trail is not None:
        resource_type, _, resource_id = reference.partition("/")
        await context.trail.tell(
            "account-change", resource_id if resource_type == "Patient" else None, detail
        )


CREATE_ACCOUNT = Operation(
    code="create-account",
    definition="metadata/OperationDefinition/create-account",
    handler=create_account,
    types=PEOPLE,
    parameters=("user-name", "role", "name", "e-mail"),
    on_instance=True,
    affects_state=True,
)

SET_ROLES = Operation(
    code="set-roles",
    definition="metadata/OperationDefinition/set-roles",
    handler=set_roles,
    types=PEOPLE,
    parameters=("role",),
    on_instance=True,
    affects_state=True,
)

ACTIVATE = Operation(
    code="activate",
    definition="metadata/OperationDefinition/activate",
    handler=activate,
    types=PEOPLE,
    on_instance=True,
    affects_state=True,
)

DEACTIVATE = Operation(
    code="deactivate",
    definition="metadata/OperationDefinition/deactivate",
    handler=deactivate,
    types=PEOPLE,
    on_instance=True,
    affects_state=True,
)

ACCOUNT = Operation(
    code="account",
    definition="metadata/OperationDefinition/account",
    handler=account_of,
    types=PEOPLE,
    on_instance=True,
)

ACCOUNTS = Operation(
    code="accounts",
    definition="metadata/OperationDefinition/accounts",
    handler=accounts,
    types=PEOPLE,
    on_type=True,
)
