"""`fhir-server token`: an access token for the first requests, and to look at the demo as somebody else."""

from datetime import UTC, datetime, timedelta
from typing import Any

import click

from fhir_server.commands.databases import data_directory, with_store
from fhir_server.commands.recording import record_command
from fhir_server.commands.serve import read_settings
from fhir_server.smart.oauth.operator_tokens import EVERYTHING, OPERATOR, issue_token
from fhir_server.smart.oauth.scopes import parse_scope
from fhir_server.store import Store
from fhir_server.store.accounts import Account


@click.command()
@click.argument("demo_user", required=False)
@click.option("--scope", default=EVERYTHING, show_default=True, help="What it is good for, as system scopes.")
@click.option("--minutes", default=60, show_default=True, type=click.IntRange(1, 60), help="How long.")
@data_directory
def token(demo_user: str | None, scope: str, minutes: int, **options: Any) -> None:
    """Print an access token: for everything, or for what DEMO_USER (such as doctor) may see and do.

    It is for whoever runs the server: made at the database, of a server that runs or of none.
    """
    scopes = [parse_scope(text) for text in scope.split()]
    if not scopes or not all(one is not None and one.context == "system" for one in scopes):
        raise click.BadParameter("these are no system scopes", param_hint="--scope")

    async def work(store: Store) -> str:
        account = None if demo_user is None else await _demo_account(store, demo_user)
        lifetime, now = timedelta(minutes=minutes), datetime.now(UTC)
        issued = await issue_token(store.oauth.grants, scope, lifetime, now, account)
        account_id = None if account is None else account.id
        await record_command(store, settings, "token", account_id=account_id, client_id=OPERATOR)
        return issued.token

    settings = read_settings(**options)
    click.echo(with_store(settings, work))


async def _demo_account(store: Store, name: str) -> Account:
    account = await store.accounts.called(name)
    if account is None or not account.is_demo:
        # Nobody, not even the operator, acts in the name of a real person.
        raise click.ClickException(f"There is no user of the demo called {name}")
    return account
