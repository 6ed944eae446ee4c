"""What a person reads once the server answers: which address is what."""

import http.client
import time

from fhir_server import __version__
from fhir_server.settings import Settings

_PAUSE_SECONDS = 0.05
_TRY_SECONDS = 10.0


def await_answer(host: str, port: int) -> bool:
    """Return when the server that listens on `host` and `port` answers: whether it can be used."""
    while (status := _status(_own(host), port)) is None:
        time.sleep(_PAUSE_SECONDS)
    return status == http.client.OK


def await_ready(host: str, port: int) -> None:
    """Return when the server that listens on `host` and `port` can be used."""
    while not await_answer(host, port):
        time.sleep(_PAUSE_SECONDS)


def _status(host: str, port: int) -> int | None:
    connection = http.client.HTTPConnection(host, port, timeout=_TRY_SECONDS)
    try:
        connection.request("GET", "/health/ready", headers={"Connection": "close"})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def local_base_url(host: str, port: int) -> str:
    """Return the base address of the FHIR interface for a client on this machine."""
    name = _own(host)
    return f"http://{f'[{name}]' if ':' in name else name}:{port}/fhir"


def _own(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104


def what_is_where(settings: Settings, port: int, mongo: str) -> str:
    """Return the lines that tell where the server is and where its data are."""
    base_url = settings.base_url or local_base_url(settings.host, port)
    processes = "1 process" if settings.workers == 1 else f"{settings.workers} processes"
    return "\n".join(
        (
            f"FHIR R4 server {__version__}, {processes}",
            f"  FHIR interface    {base_url}",
            f"  what it can do    {base_url}/metadata",
            f"  MongoDB           {mongo}, database {settings.database}",
            "  requests          one line each on standard error",
            "  to stop           Ctrl-C",
        )
    )
