"""The options by which `load` and `demo` sign in, shared by both."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click
import httpx

from fhir_server.loader.signing_in import (
    DEFAULT_SCOPE,
    BearerToken,
    NotSignedIn,
    ServiceKey,
    backend_service,
)
from fhir_server.smart.oauth.key_pairs import UnusableKeyPair, read_private_key

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--private-key",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Sign in as the backend service that this key (a JWK) belongs to.",
    ),
    click.option("--client-id", help="The service's client_id, if it does not stand in the file of the key."),
    click.option("--scope", default=DEFAULT_SCOPE, show_default=True, help="What the service asks for."),
    click.option("--token-stdin", is_flag=True, help="Read an access token from standard input."),
)


@dataclass(frozen=True, slots=True)
class SignIn:
    """What was given on the command line to sign in with."""

    private_key: Path | None
    client_id: str | None
    scope: str
    token_stdin: bool

    def at(self, url: str) -> httpx.Auth | None:
        """Return what signs requests to the FHIR server at `url`, None if nothing was given.

        Raises click.ClickException with one line if that does not do.
        """
        if self.token_stdin:
            return BearerToken(sys.stdin.readline().strip())
        if self.private_key is None:
            return None
        try:
            return backend_service(url, self._service(self.private_key), self.scope)
        except UnusableKeyPair as failure:
            raise click.ClickException(str(failure)) from None
        except NotSignedIn as failure:
            raise click.ClickException(f"Cannot sign in at {url}: {failure}") from None
        except (httpx.RequestError, httpx.InvalidURL) as failure:
            raise click.ClickException(f"No FHIR server answers at {url} ({failure})") from None

    def _service(self, private_key: Path) -> ServiceKey:
        key, algorithm, owner = read_private_key(private_key)
        client_id = self.client_id or owner
        if client_id is None:
            raise UnusableKeyPair(f"{private_key} does not say whose it is: give --client-id")
        return ServiceKey(client_id, key, algorithm)


def signing_in(command: Command) -> Command:
    """Add the options to `command`, which gets them as `sign_in`."""

    @wraps(command)
    def called(*, private_key: Path | None, client_id: str | None, scope: str, **given: Any) -> Any:
        sign_in = SignIn(private_key, client_id, scope, given.pop("token_stdin"))
        return command(sign_in=sign_in, **given)

    for option in reversed(_OPTIONS):
        called = option(called)
    return called  # type: ignore[return-value]
