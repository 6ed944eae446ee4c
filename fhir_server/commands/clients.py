"""`fhir-server clients`: the applications that may ask people for access, or that have access themselves."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from fhir_server.commands.databases import with_store
from fhir_server.commands.recording import record_command
from fhir_server.commands.serve import read_settings
from fhir_server.identifiers import new_id
from fhir_server.smart.oauth.errors import OAuthError
from fhir_server.smart.oauth.key_pairs import new_key_pair, write_private_key
from fhir_server.smart.oauth.registration import METHODS, RegistrationRules, register, with_keys
from fhir_server.smart.oauth.secrets import new_secret
from fhir_server.store import Store

_UNKNOWN = "There is no such application"
_REMINDER = (
    "Whoever looks after it sends its keys again whenever they change (fhir-server clients set-keys); with "
    "--jwks-uri they would be fetched."
)


@click.group()
def clients() -> None:
    """Register, list and remove applications.

    It works beside a server that runs on the same database, and without one.
    """


@clients.command()
@click.argument("name")
@click.option("--scope", required=True, help="The most that it may get: SMART scopes, spaces between them.")
@click.option("--redirect-uri", "redirect_uris", multiple=True, help="Address that people are sent back to.")
@click.option("--launch-uri", help="Address at which the EHR opens it.")
@click.option("--method", type=click.Choice(METHODS), default="none", show_default=True, help="Its proof.")
@click.option("--jwks", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Its public keys.")
@click.option("--jwks-uri", help="Where it publishes its public keys.")
@click.option(
    "--new-key",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Make a key pair, and write the private key into this new file, for `load --private-key`.",
)
@click.option("--service", is_flag=True, help="A backend service, which no person uses.")
@click.option("--may-launch", is_flag=True, help="An EHR, which opens applications for people.")
def add(
    name: str,
    redirect_uris: tuple[str, ...],
    jwks: Path | None,
    new_key: Path | None,
    *,
    service: bool,
    **given: Any,
) -> None:
    """Register the application NAME; tells its client_id and, this once, its secret if it has one."""
    if new_key is not None and (jwks is not None or given["jwks_uri"]):
        raise click.ClickException("--new-key is for an application that has no --jwks and no --jwks-uri")
    private, public = new_key_pair() if new_key is not None else (None, _read(jwks))
    metadata = {
        "client_name": name,
        "redirect_uris": list(redirect_uris),
        "token_endpoint_auth_method": "private_key_jwt" if service or new_key else given["method"],
        "grant_types": ["client_credentials"] if service else ["authorization_code", "refresh_token"],
        "jwks": public,
        **{option: given[option] for option in ("scope", "launch_uri", "jwks_uri", "may_launch")},
    }
    allow_local = read_settings().local_key_sets == "on"
    rules = RegistrationRules(lambda: datetime.now(UTC), new_id, new_secret, allow_local)
    try:
        registered = register(metadata, rules, is_dynamic=False)
    except OAuthError as failure:
        raise click.ClickException(failure.description) from None
    if new_key is not None and private is not None:
        _write(new_key, private, registered.client.id)
    settings = read_settings()

    async def adding(store: Store) -> None:
        await store.oauth.clients.add(registered.client)
        await record_command(store, settings, "client-registration", client_id=registered.client.id)

    try:
        with_store(settings, adding)
    except click.ClickException:
        if new_key is not None:
            new_key.unlink()  # it is nobody's
        raise
    click.echo(f"client_id: {registered.client.id}")
    if jwks is not None:
        click.echo(_REMINDER, err=True)
    if registered.secret is not None:
        click.echo(f"client_secret: {registered.secret}")


@clients.command(name="list")
def list_clients() -> None:
    """List the applications, in the order of their registration."""
    for client in with_store(read_settings(), lambda store: store.oauth.clients.all()):
        kind = "registered itself" if client.is_dynamic else client.method
        click.echo(f"{client.id}  {client.name}  ({kind})  {' '.join(client.scopes)}")


@clients.command()
@click.argument("client_id")
@click.option(
    "--jwks",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="Its public keys.",
)
def set_keys(client_id: str, jwks: Path) -> None:
    """Give an application the public keys in the file JWKS, in place of those that it had."""
    settings, public = read_settings(), _read(jwks)

    async def changing(store: Store) -> None:
        client = await store.oauth.clients.get(client_id)
        if client is None:
            raise click.ClickException(_UNKNOWN)
        try:
            changed = with_keys(client, public)
        except OAuthError as failure:
            raise click.ClickException(failure.description) from None
        await store.oauth.clients.replace(changed)
        await record_command(store, settings, "client-change", client_id=client_id)

    with_store(settings, changing)
    click.echo("Assertions by these keys are good from now on, and by no others.")


@clients.command()
@click.argument("client_id")
def remove(client_id: str) -> None:
    """Remove an application, with all that it was granted."""
    settings = read_settings()

    async def removing(store: Store) -> bool:
        is_removed = await store.oauth.clients.remove(client_id)
        await store.oauth.grants.revoke_of_client(client_id)
        if is_removed:
            await record_command(store, settings, "client-removal", client_id=client_id)
        return is_removed

    if not with_store(settings, removing):
        raise click.ClickException(_UNKNOWN)


def _write(path: Path, private: dict[str, Any], client_id: str) -> None:
    try:
        write_private_key(path, private, client_id)
    except OSError as failure:
        raise click.ClickException(f"{path} cannot be made ({failure.strerror})") from None


def _read(path: Path | None) -> Any:
    try:
        return None if path is None else json.loads(path.read_bytes())
    except ValueError:
        raise click.ClickException(f"{path} is no JSON") from None
