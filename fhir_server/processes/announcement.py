"""What a person reads once the server answers: which address is what."""

import http.client
import ssl
import time
from collections.abc import Sequence

from fhir_server import __version__
from fhir_server.settings import Settings

WITHOUT_TOKENS = """
  WARNING: no request needs a token. Every program and every user of this machine reads and writes
  all records. This is for development with invented records; leave --no-auth away for anything else.
"""
"""What is told at the start of a server that asks nobody for a token."""

_PAUSE_SECONDS = 0.05
_TRY_SECONDS = 10.0


def await_answer(settings: Settings, port: int) -> bool:
    """Return when the server that listens on `port`, as `settings` say, answers: whether it can be used."""
    while (status := _status(settings, port)) is None:
        time.sleep(_PAUSE_SECONDS)
    return status == http.client.OK


def await_ready(settings: Settings, port: int) -> None:
    """Return when the server that listens on `port`, as `settings` say, can be used."""
    while not await_answer(settings, port):
        time.sleep(_PAUSE_SECONDS)


def _status(settings: Settings, port: int) -> int | None:
    connection = _connection(settings, port)
    try:
        connection.request("GET", "/health/ready", headers={"Connection": "close"})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _connection(settings: Settings, port: int) -> http.client.HTTPConnection:
    host = _own(settings.host)
    if settings.tls_certificate is None:
        return http.client.HTTPConnection(host, port, timeout=_TRY_SECONDS)
    # We ask ourselves whether we answer, by an address that the certificate need not name.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=_TRY_SECONDS, context=context)


def local_base_url(settings: Settings, port: int) -> str:
    """Return the base address of the FHIR interface for a client on this machine."""
    name = _own(settings.host)
    scheme = "http" if settings.tls_certificate is None else "https"
    return f"{scheme}://{f'[{name}]' if ':' in name else name}:{port}/fhir"


def _own(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104


def what_is_where(settings: Settings, port: int, mongo: str, messages: Sequence[str] = ()) -> str:
    """Return the lines that tell where the server is, where its data are, and where it takes messages."""
    base_url = settings.base_url or local_base_url(settings, port)
    processes = "1 process" if settings.workers == 1 else f"{settings.workers} processes"
    return "\n".join(
        (
            f"FHIR R4 server {__version__}, {processes}",
            f"  FHIR interface    {base_url}",
            f"  what it can do    {base_url}/metadata",
            f"  MongoDB           {mongo}, database {settings.database}",
            *(f"  HL7 v2 by MLLP    {one}" for one in messages),
            "  requests          one line each on standard error",
            "  to stop           Ctrl-C",
        )
    )
