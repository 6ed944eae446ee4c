"""The sockets on which messages are taken, opened once and shared by all worker processes."""

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from adapters.channel_file import load_channels
from adapters.channels import Channels, Listener
from adapters.destinations import Destination
from adapters.mllp.client import client_context
from adapters.mllp.encryption import server_context
from fhir_server.processes.serving import MessagePort, listen
from fhir_server.settings import Settings

OWN = "local"
"""The name of the listener of FHIR_MLLP_PORT."""

_LOOPBACK = "127.0.0.1"


class CannotListen(Exception):
    """Messages cannot be taken as the settings say; the message is one line that says why."""


def channels_of(settings: Settings) -> Channels:
    """Return the channels and listeners of the settings; there may be none."""
    found = Channels() if settings.channels is None else load_channels(settings.channels)
    if settings.mllp_port is None:
        return found
    own = Listener(OWN, _LOOPBACK, settings.mllp_port)
    return replace(found, listeners=(own, *found.listeners))


def destinations_of(settings: Settings) -> tuple[Destination, ...]:
    """Return the systems that are told of changes; there may be none."""
    return () if settings.channels is None else load_channels(settings.channels).destinations


def message_ports(settings: Settings) -> list[MessagePort]:
    """Return a socket for each listener. Raises CannotListen or CannotEncrypt."""
    channels = channels_of(settings)
    if settings.mllp_port is not None and not channels.channels:
        raise CannotListen("--mllp-port needs --channels, a file of the systems that send messages")
    for listener in channels.listeners:
        server_context(listener)
    for destination in channels.destinations:
        client_context(destination)
    opened: list[MessagePort] = []
    for listener in channels.listeners:
        try:
            opened.append(MessagePort(listener, listen(listener.host, listener.port)))
        except OSError as failure:
            for one in opened:
                one.socket.close()
            is_name = isinstance(failure, socket.gaierror)
            reason = failure.strerror if is_name else os.strerror(failure.errno or 0)
            where = f"port {listener.port} of {listener.host}"
            raise CannotListen(f"Cannot take messages on {where} ({reason}): choose another one") from None
    return opened


@contextmanager
def closing(ports: Sequence[MessagePort]) -> Iterator[None]:
    """Close the sockets of `ports` at the end of the block."""
    try:
        yield
    finally:
        for port in ports:
            port.socket.close()


def told(port: MessagePort) -> str:
    """Return where messages are taken, for a person."""
    host, number = port.socket.getsockname()[:2]
    return f"{host}:{number}" + (" (TLS)" if port.listener.certificate is not None else "")
