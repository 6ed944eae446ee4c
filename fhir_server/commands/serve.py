"""`fhir-server serve`: MongoDB, then the server on it, until told to stop; then both, in the other order."""

import asyncio
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import click
from pydantic import ValidationError

from adapters.mllp.encryption import CannotEncrypt
from fhir_server.commands.databases import data_directory
from fhir_server.hl7v2.ports import CannotListen, closing, message_ports, told
from fhir_server.key_file import KeyFile, UnusableKeyFile, own_folder, with_encryption_key
from fhir_server.logs import configure_logs
from fhir_server.processes.announcement import (
    WITHOUT_TOKENS,
    await_answer,
    await_ready,
    local_base_url,
    what_is_where,
)
from fhir_server.processes.serving import MessagePort, listen, serve_on
from fhir_server.secret_files import file_variable
from fhir_server.secrets_at_rest import CannotOpen
from fhir_server.settings import ENVIRONMENT_PREFIX, Settings, secret_variables, to_environment
from fhir_server.store import Store, open_store
from fhir_server.store.embedded import CannotStart, RunningMongo, running_mongo
from fhir_server.transport.tls import CannotUseCertificate, tls_context
from resources.operation_outcome import StoreUnavailable


@click.command()
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=int, help="TCP port to listen on; 0 picks a free one.  [default: 8000]")
@click.option("--workers", type=int, help="Number of server processes.  [default: 1]")
@data_directory
@click.option(
    "--tls-certificate",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File with the certificate, in PEM; makes it HTTPS.",
)
@click.option(
    "--tls-key", type=click.Path(dir_okay=False, path_type=Path), help="File with its private key, in PEM."
)
@click.option(
    "--no-auth", is_flag=True, help="Ask nobody for a token: for development, on this machine only."
)
@click.option(
    "--mllp-port", type=int, help="TCP port of this machine on which HL7 v2 messages are taken by MLLP."
)
@click.option(
    "--channels",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File of the systems that send HL7 v2 messages.",
)
@click.option("--demo", is_flag=True, help="Load the demo hospital if the database is empty.")
def serve(*, demo: bool, no_auth: bool, **options: Any) -> None:
    """Start the server, and a MongoDB for it unless FHIR_MONGO_URL names one.

    Each option is also an environment variable (FHIR_PORT for --port), where more can be set: see
    docs/settings.md.
    """
    signal.signal(signal.SIGTERM, _exit)
    settings = read_settings(**options, auth="off" if no_auth else None)
    configure_logs(settings)
    _check_certificate(settings)
    listener = _listener(settings)
    ports = _message_ports(settings)
    try:
        with listener, closing(ports), running_mongo(settings) as mongo:
            is_well = _serve(listener, ports, settings, mongo, demo=demo)
    except (CannotStart, UnusableKeyFile) as failure:
        raise click.ClickException(str(failure)) from None
    sys.exit(0 if is_well else 1)


def read_settings(**options: Any) -> Settings:
    """Return the settings of the environment, overruled by the options that were given.

    Raises click.ClickException with one line for each that is not allowed.
    """
    given = {name: value for name, value in options.items() if value is not None}
    try:
        settings = Settings(**given)
    except ValidationError as failure:
        lines = (_line(error["loc"], error["msg"], given) for error in failure.errors())
        raise click.ClickException("; ".join(lines)) from None
    if settings.channels is not None:  # which worker processes look for, wherever they are
        settings = settings.model_copy(update={"channels": settings.channels.absolute()})
    if settings.mongo_url is not None and "data_dir" not in settings.model_fields_set:
        return settings  # so that it can be told that nobody named a folder
    return settings.model_copy(update={"data_dir": settings.data_dir.absolute()})


def _line(location: tuple[int | str, ...], message: str, options: dict[str, Any]) -> str:
    reason = message.removeprefix("Value error, ")
    if not location:
        return reason  # which names the variable itself
    name = str(location[0])
    variable = f"--{name.replace('_', '-')}" if name in options else f"{ENVIRONMENT_PREFIX}{name.upper()}"
    return f"{variable}: {reason}"


def _check_certificate(settings: Settings) -> None:
    certificate, key = settings.tls_certificate, settings.tls_key
    if (certificate is None) != (key is None):
        raise click.ClickException("--tls-certificate and --tls-key are given together, or neither")
    if certificate is not None and key is not None:
        try:
            tls_context(certificate, key)
        except CannotUseCertificate as failure:
            raise click.ClickException(str(failure)) from None


def _message_ports(settings: Settings) -> list[MessagePort]:
    try:
        return message_ports(settings)
    except (CannotListen, CannotEncrypt) as failure:
        raise click.ClickException(str(failure)) from None


def _exit(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)  # until the server has handlers of its own: unwinds, and so stops MongoDB


def _listener(settings: Settings) -> socket.socket:
    try:
        return listen(settings.host, settings.port)
    except OSError as failure:
        # Python adds the address to what the system says, which stands in our line already.
        is_name = isinstance(failure, socket.gaierror)
        reason = failure.strerror if is_name else os.strerror(failure.errno or 0)
        raise click.ClickException(
            f"Cannot listen on port {settings.port} of {settings.host} ({reason}): choose another with --port"
        ) from None


def _serve(
    listener: socket.socket,
    ports: list[MessagePort],
    settings: Settings,
    mongo: RunningMongo,
    *,
    demo: bool,
) -> bool:
    port = listener.getsockname()[1]
    settings, key_file = with_encryption_key(settings)
    asyncio.run(_prepare(settings, mongo.url, key_file))
    _hand_to_workers(settings.model_copy(update={"mongo_url": mongo.url, "port": port}))
    threading.Thread(
        target=_announce, args=(settings, port, ports, mongo, demo), name="announcement", daemon=True
    ).start()
    return serve_on(listener, settings, ports)


def _hand_to_workers(settings: Settings) -> None:
    """Put the settings where processes below this one read them, and where `ps` does not show them."""
    for variable in secret_variables():
        os.environ.pop(file_variable(variable), None)  # it has been read
    os.environ.update(to_environment(settings))


async def _prepare(settings: Settings, mongo_url: str, key_file: KeyFile | None) -> None:
    store = open_store(settings, mongo_url)
    try:
        await store.prepare_new_database()
        await _open_log(store, key_file)
        if key_file is not None and key_file.is_new and await store.accounts.have_second_factors():
            key_file.path.unlink()
            raise UnusableKeyFile(
                f"The key by which second factors are encrypted is no more at {key_file.path}: put it back, "
                "or remove them by: fhir-server users reset-password --remove-second-factor"
            )
    except StoreUnavailable:
        pass  # the server starts without, answers 503, and makes collections when they are needed
    finally:
        await store.close()


async def _open_log(store: Store, key_file: KeyFile | None) -> None:
    """Raise UnusableKeyFile if the audit log cannot be gone on with."""
    try:
        if store.audit_log is not None:
            await store.audit_log.prepare()
    except CannotOpen:
        if key_file is not None and key_file.is_new:
            key_file.path.unlink()
        raise UnusableKeyFile(
            "The key of the audit log was encrypted with another FHIR_ENCRYPTION_KEY: give that one as well, "
            "behind the new one and a comma, or put its file back"
        ) from None


def _url_of_demo(settings: Settings, port: int) -> str:
    if settings.tls_certificate is not None and settings.base_url is not None:
        return settings.base_url  # the address that the certificate names
    return local_base_url(settings, port)


def _announce(
    settings: Settings, port: int, ports: list[MessagePort], mongo: RunningMongo, demo: bool
) -> None:
    is_ready = await_answer(settings, port)
    click.echo(what_is_where(settings, port, mongo.description, [told(one) for one in ports]))
    if not is_ready:
        click.echo("MongoDB does not answer: requests get a 503 until it does.")
    if settings.auth == "off":
        click.secho(WITHOUT_TOKENS, fg="red", bold=True)
    if demo:
        from fhir_server.commands.opening import Opening, open_demo  # which needs the loader

        await_ready(settings, port)
        open_demo(Opening(settings, mongo.url, _url_of_demo(settings, port), own_folder(settings)))
