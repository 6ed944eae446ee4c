"""`fhir-server users`: the people who may sign in. docs/accounts.md tells how it is used."""

import sys
from collections.abc import Awaitable, Callable
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from fhir_server.commands.databases import data_directory, with_store
from fhir_server.commands.recording import record_command
from fhir_server.commands.serve import read_settings
from fhir_server.identifiers import new_id
from fhir_server.settings import Settings
from fhir_server.smart.accounts.passwords import Passwords, problem
from fhir_server.smart.principal import PEOPLE, ROLES
from fhir_server.store import Store
from fhir_server.store.accounts import Account, LastAdministrator, NameTaken
from resources.references import is_id

_Roles = click.Choice(tuple(ROLES), case_sensitive=False)


@click.group()
@data_directory
@click.pass_context
def users(context: click.Context, /, **options: Any) -> None:
    """Add, list and change the people who may sign in.

    It works beside a server that runs on the same database, and without one.
    """
    context.obj = read_settings(**options)


@users.command()
@click.argument("user_name")
@click.option("--name", "display_name", help="Name that is shown.  [default: the user name]")
@click.option(
    "--role", "roles", type=_Roles, multiple=True, required=True, help=f"One of {', '.join(ROLES)}."
)
@click.option("--fhir-user", help="Who it is in the records, such as Practitioner/1 or Patient/2.")
@click.option("--e-mail", help="Address for links that set a new password.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.pass_obj
def add(
    settings: Settings,
    user_name: str,
    display_name: str | None,
    roles: tuple[str, ...],
    fhir_user: str | None,
    e_mail: str | None,
    password_stdin: bool,
) -> None:
    """Add somebody who may sign in as USER_NAME."""
    if fhir_user is not None and not _is_of_people(fhir_user):
        raise click.ClickException(f"--fhir-user is such as Practitioner/1, of one of {', '.join(PEOPLE)}")
    password = _new_password(user_name, from_stdin=password_stdin)

    async def work(store: Store) -> None:
        hashed = await _passwords(settings).hashed(password)
        name = display_name or user_name
        account = Account(new_id(), user_name, name, hashed, _listed(roles), fhir_user, (), e_mail)
        try:
            await store.accounts.add(account)
        except NameTaken:
            raise click.ClickException(f"There is somebody called {user_name} already") from None
        await record_command(store, settings, "account-change", account_id=account.id)

    with_store(settings, work)
    click.echo(f"{user_name} may sign in now.")


@users.command("list")
@click.pass_obj
def list_users(settings: Settings) -> None:
    """List who may sign in."""

    async def work(store: Store) -> list[Account]:
        return await store.accounts.all()

    table = Table("user name", "name", "roles", "in the records", "second factor", "active")
    for one in with_store(settings, work):
        marks = ("yes" if flag else "" for flag in (one.totp is not None, one.is_active))
        table.add_row(one.user_name, one.display_name, ", ".join(one.roles), one.fhir_user or "", *marks)
    Console().print(table)


@users.command()
@click.argument("user_name")
@click.pass_obj
def disable(settings: Settings, user_name: str) -> None:
    """Let USER_NAME sign in no more, and sign them out everywhere."""
    with_store(settings, _changing(settings, user_name, is_active=False))
    click.echo(f"{user_name} may not sign in any more.")


@users.command()
@click.argument("user_name")
@click.pass_obj
def enable(settings: Settings, user_name: str) -> None:
    """Let USER_NAME sign in again."""
    with_store(settings, _changing(settings, user_name, is_active=True))
    click.echo(f"{user_name} may sign in again.")


@users.command("set-roles")
@click.argument("user_name")
@click.argument("roles", type=_Roles, nargs=-1, required=True)
@click.pass_obj
def set_roles(settings: Settings, user_name: str, roles: tuple[str, ...]) -> None:
    """Give USER_NAME these ROLES in place of those that they have."""
    with_store(settings, _changing(settings, user_name, roles=list(_listed(roles))))
    click.echo(f"{user_name} has these roles now: {', '.join(_listed(roles))}.")


@users.command("reset-password")
@click.argument("user_name")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--remove-second-factor", is_flag=True, help="For who has lost their device and all codes.")
@click.pass_obj
def reset_password(
    settings: Settings, user_name: str, password_stdin: bool, remove_second_factor: bool
) -> None:
    """Set a new password for USER_NAME, and sign them out everywhere."""
    password = _new_password(user_name, from_stdin=password_stdin)

    async def work(store: Store) -> None:
        changes: dict[str, Any] = {"password_hash": await _passwords(settings).hashed(password)}
        if remove_second_factor:
            changes |= {"totp": None, "recovery_codes": []}
        await _changing(settings, user_name, **changes)(store)

    with_store(settings, work)
    click.echo(f"{user_name} has a new password.")


def _changing(settings: Settings, user_name: str, **values: Any) -> Callable[[Store], Awaitable[None]]:
    async def work(store: Store) -> None:
        account = await store.accounts.called(user_name)
        if account is None:
            raise click.ClickException(f"There is nobody called {user_name}")
        try:
            await store.accounts.change(account.id, **values)
        except LastAdministrator:
            message = (
                f"{user_name} is the last administrator, without whom nobody could look after the server"
            )
            raise click.ClickException(message) from None
        # What changes who somebody is here begins with signing in anew.
        await store.accounts.end_sessions(account.id)
        await record_command(store, settings, "account-change", account_id=account.id)

    return work


def _is_of_people(reference: str) -> bool:
    resource_type, _, resource_id = reference.partition("/")
    return resource_type in PEOPLE and is_id(resource_id)


def _listed(roles: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({role.upper() for role in roles}))


def _passwords(settings: Settings) -> Passwords:
    return Passwords(settings.password_rounds, settings.password_memory_kib)


def _new_password(user_name: str, *, from_stdin: bool) -> str:
    """Return a password that may be taken, from the terminal or standard input; never an argument."""
    if from_stdin:
        given = sys.stdin.readline().rstrip("\n")
    else:
        given = str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    wrong = problem(given, user_name)
    if wrong is not None:
        raise click.ClickException(wrong)
    return given
