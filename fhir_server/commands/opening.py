"""What `serve --demo` does once the server answers: the demo hospital, with its users."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import click

from fhir_server.demo.loading import SIGNS_OF_USE
from fhir_server.demo.users import USERS_FILE, DemoUser, add_users, keep, new_users, present_users
from fhir_server.processes.parent_death import ending_with
from fhir_server.secret_files import without_secrets
from fhir_server.settings import Settings, secret_variables
from fhir_server.smart.accounts.passwords import Passwords
from fhir_server.smart.oauth.operator_tokens import EVERYTHING, OperatorToken, issue_token
from fhir_server.store import Store, open_store
from resources.operation_outcome import FhirError

Result = TypeVar("Result")

_HEADING = ("role", "user name", "password")
_IN_USE = "The server has records already: the demo hospital is not loaded."
# Longer than any load of the demo takes; it is taken back after the load.
_LONGEST_LOAD = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Opening:
    """Where the demo is opened: the server's settings, its database, its address, and its folder."""

    settings: Settings
    mongo_url: str
    url: str
    folder: Path | None


@dataclass(frozen=True, slots=True)
class _Beginning:
    """Whether there is something to load, by which token, and who may sign in."""

    is_unused: bool
    users: Sequence[DemoUser] = ()
    token: OperatorToken | None = None


def open_demo(opening: Opening) -> None:
    """Load the demo hospital, with its users, if the database is empty; print who may sign in."""
    try:
        beginning = asyncio.run(_at_store(opening, _begin))
        if beginning.is_unused:
            _load(opening, beginning.token)
        else:
            click.echo(_IN_USE)
        if beginning.users:
            click.echo(table(beginning.users, opening.url, opening.folder))
    except FhirError as failure:
        click.echo(f"The demo hospital is not loaded: {failure.issues[0].diagnostics}", err=True)


async def _at_store(opening: Opening, work: Callable[[Opening, Store], Awaitable[Result]]) -> Result:
    store = open_store(opening.settings, opening.mongo_url)
    try:
        return await work(opening, store)
    finally:
        await store.close()


async def _begin(opening: Opening, store: Store) -> _Beginning:
    settings = opening.settings
    is_unused = not any([await store.matching_ids(name, {}, 1) for name in SIGNS_OF_USE])
    if settings.auth == "off":
        return _Beginning(is_unused)
    passwords = Passwords(settings.password_rounds, settings.password_memory_kib)
    if not is_unused:
        return _Beginning(False, await present_users(store.accounts, passwords, opening.folder))
    # Before the records, so that who stops the load half-way has users all the same; but not where there are
    # people already, to whom the database belongs.
    users = [] if await store.accounts.all() else new_users()
    if users:
        if opening.folder is not None:
            keep(users, opening.folder)
        await add_users(users, store.accounts, passwords)
    token = await issue_token(store.oauth.grants, EVERYTHING, _LONGEST_LOAD, datetime.now(UTC))
    return _Beginning(True, users, token)


def _load(opening: Opening, made: OperatorToken | None) -> None:
    """Load the hospital in a process of its own, as making it takes memory, and time of requests."""

    async def revoke(_opening: Opening, store: Store) -> None:
        if made is not None:
            await store.oauth.grants.revoke(made.grant_id)

    command = [sys.executable, "-m", "fhir_server", "demo", "--url", opening.url]
    try:
        subprocess.run(  # noqa: S603 - our own program
            command if made is None else [*command, "--token-stdin"],
            check=False,
            env=without_secrets(secret_variables(), os.environ),
            input=b"" if made is None else f"{made.token}\n".encode(),
            preexec_fn=ending_with(os.getpid()),
        )
    finally:
        asyncio.run(_at_store(opening, revoke))


def table(users: Sequence[DemoUser], url: str, folder: Path | None) -> str:
    """Return the lines that tell who may sign in to the demo, and how."""
    widths = (max(len(user.role) for user in users), max(len(user.user_name) for user in users))
    rows = [(user.role, user.user_name, user.password or "(was changed)") for user in users]
    lines = [f"  {a:{widths[0]}}  {b:{widths[1]}}  {c}" for a, b, c in [_HEADING, *rows]]
    first = f"Demo users, who sign in at {url.removesuffix('/fhir')}/auth/login"
    kept = [] if folder is None else [f"  This list is kept in {folder / USERS_FILE}"]
    return "\n".join((first, *lines, *kept, "  Another password: fhir-server users reset-password doctor"))
